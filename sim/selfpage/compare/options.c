#include "selfpage/compare/options.h"

#include <errno.h>
#include <stddef.h>

#include "base/error.h"

static int pass(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct compare_options *options = arg;

    strings_format(&options->passed, "--%s=%s", name, text);
    return options->passed.failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

static int scenario_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct compare_options *)options)->scenario = word[0];
    return 0;
}

#define FIELD(name) offsetof(struct compare_options, name)

static const struct option_row rows[] = {
    {"runs", OPTION_U32, FIELD(runs), 1, 1000, .value = "N",
     .help = "live runs, whose least and most are shown (3)"},
    {"tolerance", OPTION_RATE, FIELD(tolerance), 0, 100, .value = "PERCENT",
     .help = "how far a counter may lie outside without a failure (0)"},
    {"workloads", OPTION_FLAG, FIELD(workloads),
     .help = "in live runs, too, play the workloads that stand beside programs"},
    {"costs", OPTION_TEXT, FIELD(costs), .value = "FILE",
     .help = "how long things take, as selfpage bench costs measures it: for the simulation"},
    {"median", OPTION_RATE, FIELD(median), 0, 1e6, .value = "PERCENT",
     .help = "fail if the median of the tasks' times is further off"},
    {"p99", OPTION_RATE, FIELD(p99), 0, 1e6, .value = "PERCENT",
     .help = "the same for the time that one task in a hundred exceeds"},
    {"seed", OPTION_CALL, .take = pass, .value = "S", .help = "seed of both (physmem.seed, or 1)"},
    {"policy", OPTION_CALL, .take = pass, .value = "POLICY",
     .help = "eviction policy of all tasks, in both"},
    {"define", OPTION_CALL, .take = pass, .value = "NAME=VALUE",
     .help = "what ${NAME} in the scenario stands for; may be given often"},
    {"json", OPTION_FLAG, FIELD(json),
     .help =
         "print one JSON object: for each task and counter least and most of the live runs, what was "
         "simulated, and the verdict. The table goes to standard error"},
};

static const struct options_syntax syntax = {
    .program = "selfpage compare",
    .usage = "SCENARIO [options]",
    .about =
        "Run a scenario with processes and in virtual time, and set the counters side by side.\n"
        "\n"
        "\"equal\": every live run counted what was simulated. \"within\": what was simulated lies between two\n"
        "live runs. Else how far it lies outside, as a share of the nearest live run. Of how long tasks took,\n"
        "the median and the 99th percentile over all tasks (and live runs) stand below.\n",
    .exit_statuses =
        "0 each counter is equal, within, or outside by no more than the tolerance, and times are, too; 1 one lies further outside; 2 it could not be compared, and a "
        "message says why.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "SCENARIO",
    .least = 1,
    .most = 1,
    .operand = scenario_take,
};

enum options_verdict compare_options_parse(int argc, char **argv, struct compare_options *options,
                                           struct sp_error *error)
{
    *options = (struct compare_options){.runs = 3, .median = -1, .p99 = -1};
    return options_parse(argc, argv, &syntax, options, error);
}

void compare_options_fini(struct compare_options *options)
{
    strings_fini(&options->passed);
}
