#include "selfpage/simulate/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/option.h"
#include "core/contracts/terms_text.h"
#include "play/costs.h"
#include "selfpage/command/live_policy.h"
#include "selfpage/scenario/variables.h"
#include "selfpage/simulate/faults.h"

/* Most seeds of one command. */
#define SEEDS_MAX 10000000u

#define TIME_LIMIT 600u /* default */

#define LONGEST_STORM_NS (UINT64_C(1000) * 3600 * 1000000000)

static int seed_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct simulate_options *options = arg;
    int result = option_number(name, text, 0, UINT64_MAX, &options->first_seed, error);

    options->seed_given = true;
    options->last_seed = options->first_seed;
    return result;
}

static int seeds_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct simulate_options *options = arg;
    const char *dots = strstr(text, "..");
    char first[24];
    int result;

    if (dots == NULL || (size_t)(dots - text) >= sizeof first)
        return error_set(error, EINVAL, "--%s: \"%.60s\" is not A..B, as in 1..100", name, text);
    snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
    result = option_number(name, first, 0, UINT64_MAX, &options->first_seed, error);
    if (result == 0)
        result = option_number(name, dots + 2, options->first_seed, UINT64_MAX, &options->last_seed,
                               error);
    options->seed_given = true;
    if (result == 0 && options->last_seed - options->first_seed >= SEEDS_MAX)
        return error_set(error, EINVAL, "--%s: there are at most %u seeds", name, SEEDS_MAX);
    return result;
}

static int policy_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    ((struct simulate_options *)options)->policy = text;
    return live_policy_check_name(text, error);
}

static int define_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return variables_define(&((struct simulate_options *)options)->definitions, text, error);
}

static int faults_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct simulate_options *options = arg;

    options->faults_given = true;
    if (terms_text_time(text, strlen(text), &options->faults_until_ns) == 0 &&
        options->faults_until_ns > 0 && options->faults_until_ns <= LONGEST_STORM_NS)
        return 0;
    return error_set(error, EINVAL, "--%s: \"%.40s\" is not a time up to 1000h, as in 2s", name,
                     text);
}

static int vary_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return vary_add(&((struct simulate_options *)options)->vary, text, error);
}

static int step_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    uint64_t *step = &((struct simulate_options *)options)->step_ns;

    if (terms_text_time(text, strlen(text), step) == 0 && *step > 0 && *step <= LONGEST_STORM_NS)
        return 0;
    return error_set(error, EINVAL, "--%s: \"%.40s\" is not a time, as in 10ms", name, text);
}

static int merge_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    struct strings *merged = &((struct simulate_options *)options)->merged;

    (void)name;
    strings_add(merged, text);
    return merged->failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

static int scenario_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct simulate_options *)options)->scenario = word[0];
    return 0;
}

#define FIELD(name) offsetof(struct simulate_options, name)

static const struct option_row rows[] = {
    {"seed", OPTION_CALL, .take = seed_take, .value = "S",
     .help = "seed of everything that is random, whatever the scenario says (physmem.seed, or 1)"},
    {"seeds", OPTION_CALL, .take = seeds_take, .value = "A..B",
     .help =
         "play once with each of these seeds, on all cores, and show the median of each counter "
         "with the least and the most (--json: of every one); the exit status is 0 if every expectation held each time"},
    {"vary", OPTION_CALL, .take = vary_take, .value = "KEY=A,B,...",
     .help =
         "play once for each of these values: KEY is arbiter, policy (of all tasks), frames, slots, "
         "TASK.policy or TASK.contract, or a NAME in capital letters, for ${NAME}; may be given "
         "often: then each with each"},
    {"series", OPTION_TEXT, FIELD(series), .value = "FILE",
     .help =
         "write what each task holds, wants, owes and has done at each step: as CSV if the name ends "
         "in .csv, else an object a line"},
    {"perfetto", OPTION_TEXT, FIELD(perfetto), .value = "FILE",
     .help =
         "write what happens to FILE, for ui.perfetto.dev: tasks, their counters at each step, and arrows "
         "from recalls to their answers, at the times at which these happen"},
    {"step", OPTION_CALL, .take = step_take, .value = "TIME",
     .help = "time between two rows of --series, and between two counters of --perfetto (10ms)"},
    {"jobs", OPTION_U32, FIELD(jobs), 1, 1024, .value = "N",
     .help = "processes that play at once with --seeds (as many as there are cores)"},
    {"time-limit", OPTION_U32, FIELD(time_limit), 1, 1000000, .value = "SECONDS",
     .help =
         "most processor time for each play with --seeds (600): one that is not over then has failed, as has "
         "one in which a single event takes 10 of them"},
    {"json", OPTION_FLAG, FIELD(json),
     .help =
         "print one JSON object on standard output at the end, as selfpage run does, with seed, "
         "hash and virtual_seconds besides. With --vary: an object for each combination, one after "
         "the other. All else goes to standard error"},
    {"rows", OPTION_FLAG, FIELD(rows),
     .help = "with --json and --seeds: all counters of each play, in the order of the columns"},
    {"tap", OPTION_FLAG, FIELD(tap),
     .help =
         "print the verdict on each expectation in TAP (Test Anything Protocol) on standard output. "
         "All else goes to standard error"},
    {"junit", OPTION_TEXT, FIELD(junit), .value = "FILE",
     .help =
         "write the verdict on each expectation to FILE, as JUnit XML: a suite for each combination "
         "of what varies, a case for each expectation; of many seeds a case says with which one it "
         "failed"},
    {"list-jobs", OPTION_FLAG, FIELD(list_jobs),
     .help =
         "print independent commands, one a line, that together play the same: for GNU parallel, or "
         "an array of Slurm. With --seeds each has up to 100 of them. --merge merges what they print"},
    {"merge", OPTION_CALL, .take = merge_take, .value = "FILE",
     .help =
         "play nothing: show what jobs of this scenario have printed, one behind the other in FILE "
         "(- is standard input); may be given often. With the same --define, and options for output"},
    {"policy", OPTION_CALL, .take = policy_take, .value = "POLICY",
     .help = "eviction policy of all tasks, whatever the scenario says"},
    {"define", OPTION_CALL, .take = define_take, .value = "NAME=VALUE",
     .help = "what ${NAME} in the scenario stands for; may be given often"},
    {"costs", OPTION_TEXT, FIELD(costs), .value = "FILE",
     .help = "how long things take: lines of NAME: TIME, as below (the defaults there)"},
    {"check-determinism", OPTION_FLAG, FIELD(check_determinism),
     .help = "play twice, and name the first event that differs"},
    {"faults", OPTION_CALL, .take = faults_take, .value = "TIME",
     .help =
         "let things go wrong until TIME: of the kinds below those that the seed draws, as often as it "
         "draws. Tasks that die come again. Then all must finish; what the scenario expects of "
         "counters is not looked at"},
    {"save", OPTION_TEXT, FIELD(save), .value = "FILE",
     .help = "where the first play that fails is written as a scenario that fails"},
    {"minimise", OPTION_FLAG, FIELD(minimise),
     .help =
         "make that scenario as small as it will be: fewer tasks, events, faults and references"},
    {"locate", OPTION_FLAG, FIELD(locate),
     .help =
         "say at which event the first play that fails went wrong: from which one on the books are, and from "
         "which one on it fails even if faults stop and randomness is drawn anew (20 times)"},
    {"shuffle-ties", OPTION_FLAG, FIELD(shuffle_ties),
     .help = "what happens at the same time happens in an order that the seed draws"},
    {"kernel-bits", OPTION_FLAG, FIELD(kernel_bits),
     .help =
         "policies that sample learn of references from the kernel, as live with Linux 6.7 or later; otherwise "
         "by a soft fault for each, as with SELFPAGE_BITS=signals"},
    {"check-every", OPTION_U32, FIELD(check_every), 1, UINT32_MAX, .value = "N",
     .help =
         "count all books and look at all contents after every N-th event (256 with faults, otherwise never: the "
         "quick rules are looked at after every event of up to 16 tasks)"},
};

static void print_costs(FILE *out)
{
    fputs("\nCosts, with their defaults:\n", out);
#define COSTS_HELP(name, value, meaning)                                                           \
    fprintf(out, "  %-12s %6uns  %s\n", #name, (unsigned)(value), meaning);
    PLAY_COSTS(COSTS_HELP)
#undef COSTS_HELP
    fprintf(out, "  %-12s %8u  reads and writes that the device does at once\n", "depth",
            COSTS_DEPTH);
    faults_help(out);
    fputs(
        "\n"
        "SCENARIO is as for selfpage run. A task needs a workload; where it also has a program, the\n"
        "workload is played instead. Each task has random numbers of its own, by its name, so that one\n"
        "task more or less changes no other's. What a scenario says of arguments, of files, of\n"
        "pager_thread and under check has no effect.\n",
        out);
}

static int check(void *arg, struct sp_error *error)
{
    const struct simulate_options *options = arg;

    bool many = options->last_seed > options->first_seed || vary_combinations(&options->vary) > 1;

    if (options->series != NULL && (many || options->check_determinism))
        return error_set(error, EINVAL, "--series is of one play");
    if (options->perfetto != NULL &&
        (many || options->check_determinism || options->rows || options->save != NULL ||
         options->locate || options->list_jobs || options->merged.count > 0))
        return error_set(
            error, EINVAL,
            "--perfetto is of one play: it does not go with --seeds, --vary, --rows, --save, "
            "--locate, --check-determinism, --list-jobs and --merge");
    if (options->minimise && options->save == NULL)
        return error_set(error, EINVAL, "--minimise goes with --save FILE");
    if (options->json && options->tap)
        return error_set(error, EINVAL,
                         "--json and --tap both print on standard output: choose one");
    if (options->list_jobs && (options->merged.count > 0 || options->save != NULL ||
                               options->series != NULL || options->junit != NULL || options->tap))
        return error_set(
            error, EINVAL,
            "--list-jobs prints commands, and nothing else: --merge, --save, --series, "
            "--junit and --tap are for what plays or merges");
    if (options->merged.count > 0 && (options->seed_given || options->vary.count > 0))
        return error_set(error, EINVAL,
                         "--merge plays nothing: --seed, --seeds and --vary are those of the jobs");
    return 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage simulate",
    .usage = "SCENARIO [options]",
    .about =
        "Play a scenario in virtual time: the same file, the same code of physmem, tasks and policies, "
        "and\nthe same expectations as with selfpage run, without a process. A seed gives the same "
        "every time.\n",
    .more = print_costs,
    .exit_statuses =
        "0 every expectation held; 1 the scenario was played, and one did not; 2 it could "
        "not be played, and a message says why.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "SCENARIO",
    .least = 1,
    .most = 1,
    .operand = scenario_take,
    .check = check,
};

enum options_verdict simulate_options_parse(int argc, char **argv, struct simulate_options *options,
                                            struct sp_error *error)
{
    *options = (struct simulate_options){.step_ns = UINT64_C(10000000), .time_limit = TIME_LIMIT};
    return options_parse(argc, argv, &syntax, options, error);
}

void simulate_options_fini(struct simulate_options *options)
{
    strings_fini(&options->definitions);
    strings_fini(&options->merged);
}
