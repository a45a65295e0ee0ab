/* The command line of `selfpage run`. */
#include "selfpage/run/options.h"

#include <errno.h>
#include <stddef.h>

#include "base/error.h"
#include "base/option.h"
#include "os/options.h"
#include "selfpage/command/live_policy.h"
#include "selfpage/scenario/help.h"
#include "selfpage/scenario/scenario.h"
#include "selfpage/scenario/variables.h"

static int seed_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct run_options *options = arg;

    options->seed_given = true;
    return option_number(name, text, 0, UINT64_MAX, &options->seed, error);
}

static int chaos_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct run_options *options = arg;

    options->chaos_given = true;
    return option_rate(name, text, SCENARIO_CHAOS_MAX, &options->chaos_unmap, error);
}

static int policy_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    ((struct run_options *)options)->policy = text;
    return live_policy_check_name(text, error);
}

static int define_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return variables_define(&((struct run_options *)options)->definitions, text, error);
}

static int set_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return vary_add(&((struct run_options *)options)->set, text, error);
}

static int scenario_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct run_options *)options)->scenario = word[0];
    return 0;
}

#define FIELD(name) offsetof(struct run_options, name)

static const struct option_row rows[] = {
    {"json", OPTION_FLAG, FIELD(json),
     .help = "print one JSON object on standard output at the end: passed, expectations, tasks, "
             "physmem, swap. All else goes to standard error"},
    {"tap", OPTION_FLAG, FIELD(tap),
     .help =
         "print the verdict on each expectation in TAP (Test Anything Protocol) on standard output. "
         "All else goes to standard error"},
    {"junit", OPTION_TEXT, FIELD(junit), .value = "FILE",
     .help = "write the verdict on each expectation to FILE, as JUnit XML"},
    {"dir", OPTION_TEXT, FIELD(directory), .value = "DIR",
     .help = "keep sockets, swap file and what tasks write in DIR, which is made if it is missing "
             "and is kept at the end (a private directory that is removed at the end)"},
    {"perfetto", OPTION_TEXT, FIELD(perfetto), .value = "FILE",
     .help =
         "write what happens to FILE, for ui.perfetto.dev: tasks and their counters over time, and "
         "arrows from recalls to their answers"},
    {"faults", OPTION_TEXT, FIELD(faults), .value = "DIR",
     .help = "have each task keep a table of its faults in DIR, which is made if it is missing; "
             "selfpage faults --from DIR shows them by line of source"},
    {"policy", OPTION_CALL, .take = policy_take, .value = "POLICY",
     .help = "eviction policy of all tasks, whatever the scenario says"},
    {"seed", OPTION_CALL, .take = seed_take, .value = "S",
     .help = "seed of everything that is random, whatever the scenario says"},
    {"chaos-unmap", OPTION_CALL, .take = chaos_take, .value = "RATE",
     .help = "have physmem unmap pages at random, RATE times a second, whatever the scenario says"},
    {"define", OPTION_CALL, .take = define_take, .value = "NAME=VALUE",
     .help = "what ${NAME} in the scenario stands for; may be given often"},
    {"workloads", OPTION_FLAG, FIELD(workloads),
     .help =
         "run the workload of each task that has one in place of its program, as selfpage simulate "
         "does"},
    {"set", OPTION_CALL, .take = set_take, .value = "KEY=VALUE",
     .help = "another value than the scenario has: KEY is arbiter, policy (of all tasks), frames, "
             "slots, TASK.policy or TASK.contract; may be given often"},
    {"series", OPTION_TEXT, FIELD(series), .value = "FILE",
     .help =
         "write what each task holds, wants, owes and has done, every 50 ms: as CSV if the name ends in "
         ".csv, else an object a line"},
    {"table", OPTION_FLAG, FIELD(table), .help = "show the live table also without a terminal"},
    {"no-table", OPTION_FLAG, FIELD(no_table), .help = "do not show the live table"},
};

static int check(void *arg, struct sp_error *error)
{
    const struct run_options *options = arg;

    if (options->json && options->tap)
        return error_set(error, EINVAL,
                         "--json and --tap both print on standard output: choose one");
    return 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage run",
    .usage = "SCENARIO [options]",
    .about = "Start physmem, swap and the tasks of a scenario as real processes, show what happens "
             "while it\nhappens, and say at the end whether what was expected came true.\n",
    .more = help_print,
    .exit_statuses =
        "0 every expectation held; 1 the scenario ran, and one did not; 2 it could not "
        "run, and a message says why.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "SCENARIO",
    .least = 1,
    .most = 1,
    .operand = scenario_take,
    .check = check,
};

enum options_verdict run_options_parse(int argc, char **argv, struct run_options *options,
                                       struct sp_error *error)
{
    *options = (struct run_options){.set.whole = true};
    return options_parse(argc, argv, &syntax, options, error);
}

void run_options_fini(struct run_options *options)
{
    strings_fini(&options->definitions);
}
