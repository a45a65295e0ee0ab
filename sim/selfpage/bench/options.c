/* The command line of `selfpage bench contracts`. */
#include "selfpage/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selfpage/command/arbiter_list.h"
#include "base/error.h"
#include "launch/gnuplot.h"
#include "base/option.h"
#include "core/contracts/terms_text.h"
#include "os/options.h"

#define TASKS_MAX  9000u
#define FRAMES_MAX (1u << 24)
#define RATE_MAX   10000000u
#define ORDER_MAX  10u

/* Of the great recall: its frames, and what physmem keeps free beside them, fit a container. */
#define RECALL_FRAMES_MAX (1u << 22)

#define VALUE_MAX 1000000u /* a weight, bid or priority */

/* Limits in a set of a policy server, one for each task. */
#define LIMITS_MAX 4096u

/* --recall was not given. */
#define RECALL_DEFAULT UINT32_MAX

const char *const bench_kind_names[BENCH_KIND_COUNT] = {
#define BENCH_NAME(NAME, name) #name,
    BENCH_KINDS(BENCH_NAME)
#undef BENCH_NAME
};

static const char about[] =
    "Start physmem, connect tasks to it that negotiate contracts, allocate and give back, and\n"
    "measure. A task has a request and a control connection, and at most one request outstanding.\n"
    "All processes are pinned; what is printed says to which cores.\n";

/* ---- Values ---- */

static int time_parse_option(const char *name, const char *text, bool zero, uint64_t *ns,
                             struct sp_error *error)
{
    if (terms_text_time(text, strlen(text), ns) != 0 || *ns == SP_FOREVER || (*ns == 0 && !zero))
        return error_set(error, EINVAL, "--%s: \"%.60s\" is no time, as 500ms or 5s", name, text);
    return 0;
}

static int duration_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return time_parse_option(name, text, false, &((struct bench_options *)options)->duration_ns,
                             error);
}

static int warmup_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    struct bench_options *bench = options;

    bench->settle = false;
    return time_parse_option(name, text, true, &bench->warmup_ns, error);
}

static int grace_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return time_parse_option(name, text, false, &((struct bench_options *)options)->grace_ns,
                             error);
}

/* Names with shares: "propose=2,allocate=4". Names that are left out get no share. */
static int shares_parse(const char *option, const char *text, const char *const *names,
                        unsigned count, unsigned *shares, struct sp_error *error)
{
    char entry[64];
    uint64_t sum = 0;
    bool more;

    memset(shares, 0, count * sizeof(*shares));
    do {
        size_t length = strcspn(text, ",");
        char *equals;
        uint64_t share;
        unsigned i = 0;

        snprintf(entry, sizeof(entry), "%.*s", (int)length, text);
        more = text[length] == ',';
        text += length + more;
        equals = strchr(entry, '=');
        if (equals == NULL)
            return error_set(error, EINVAL, "--%s: \"%s\" is not KIND=N", option, entry);
        *equals = '\0';
        while (i < count && strcmp(entry, names[i]) != 0)
            i++;
        if (i == count)
            return error_set(error, EINVAL, "--%s: there is no kind \"%s\" (see --help)", option,
                             entry);
        if (option_number(option, equals + 1, 0, 1000, &share, error) != 0)
            return -EINVAL;
        shares[i] = (unsigned)share;
        sum += share;
    } while (more);
    return sum > 0 ? 0 : error_set(error, EINVAL, "--%s: all shares are 0", option);
}

/* Numbers that tasks take in turn: "1,2,4". */
static int values_parse(const char *option, const char *text, uint64_t least,
                        struct bench_values *values, struct sp_error *error)
{
    char entry[32];
    bool more;

    values->count = 0;
    do {
        size_t length = strcspn(text, ",");
        uint64_t value;

        more = text[length] == ',';

        if (values->count == BENCH_VALUES)
            return error_set(error, EINVAL, "--%s: more than %u numbers", option, BENCH_VALUES);
        snprintf(entry, sizeof(entry), "%.*s", length < 31 ? (int)length : 31, text);
        if (option_number(option, entry, least, VALUE_MAX, &value, error) != 0)
            return -EINVAL;
        values->value[values->count++] = (uint32_t)value;
        text += length + more;
    } while (more);
    return 0;
}

static int weights_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return values_parse(name, text, 1, &((struct bench_options *)options)->weights, error);
}

static int bids_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return values_parse(name, text, 0, &((struct bench_options *)options)->bids, error);
}

static int priorities_take(void *options, const char *name, const char *text,
                           struct sp_error *error)
{
    return values_parse(name, text, 0, &((struct bench_options *)options)->priorities, error);
}

static int demand_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    return demand_parse(&((struct bench_options *)options)->demand, text, error);
}

static int mix_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    ((struct bench_options *)options)->mixed = true;
    return shares_parse(name, text, bench_kind_names, BENCH_MIXED,
                        ((struct bench_options *)options)->mix, error);
}

static int kinds_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    const char *names[BENCH_TERM_KINDS];

    for (unsigned i = 0; i < BENCH_TERM_KINDS; i++)
        names[i] = terms_text_kind(i);
    return shares_parse(name, text, names, BENCH_TERM_KINDS,
                        ((struct bench_options *)options)->kinds, error);
}

static int arbiter_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct bench_options *options = arg;

    (void)name;
    strings_fini(&options->arbiters);
    strings_add(&options->arbiters, text);
    return options->arbiters.failed ? error_set(error, ENOMEM, "out of memory") : 0;
}

static int compare_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return arbiter_list_parse(name, text, BENCH_ARBITERS,
                              &((struct bench_options *)options)->arbiters, error);
}

static int cores_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct bench_options *options = arg;

    options->different = strcmp(text, "different") == 0;
    if (options->different || strcmp(text, "same") == 0)
        return 0;
    return error_set(error, EINVAL, "--%s: \"%.60s\" is neither same nor different", name, text);
}

static int recall_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct bench_options *options = arg;
    uint64_t frames, tasks;
    char number[32];
    const char *slash = strchr(text, '/');

    if (slash == NULL)
        return error_set(error, EINVAL, "--%s: \"%.60s\" is not FRAMES/TASKS", name, text);
    snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
    if (option_number(name, number, 0, RECALL_FRAMES_MAX, &frames, error) != 0 ||
        option_number(name, slash + 1, 0, TASKS_MAX, &tasks, error) != 0)
        return -EINVAL;
    if (frames < tasks || (frames > 0 && tasks == 0))
        return error_set(error, EINVAL, "--%s: %.60s is not at least one frame for each task", name,
                         text);
    options->recall_frames = (uint32_t)frames;
    options->recall_tasks = (uint32_t)tasks;
    return 0;
}

static int silent_grace_take(void *options, const char *name, const char *text,
                             struct sp_error *error)
{
    return time_parse_option(name, text, false, &((struct bench_options *)options)->silent_grace_ns,
                             error);
}

static int slow_after_take(void *options, const char *name, const char *text,
                           struct sp_error *error)
{
    return time_parse_option(name, text, false, &((struct bench_options *)options)->slow_after_ns,
                             error);
}

static int no_baseline_take(void *options, const char *name, const char *text,
                            struct sp_error *error)
{
    (void)name;
    (void)text;
    (void)error;
    ((struct bench_options *)options)->baseline = false;
    return 0;
}

static int picture_take(void *options, const char *name, const char *path, struct sp_error *error)
{
    (void)name;
    ((struct bench_options *)options)->picture = path;
    return gnuplot_check(path, &(struct gnuplot_look){0}, error);
}

/* ---- All of it ---- */

#define FIELD(name) offsetof(struct bench_options, name)

static const struct option_row rows[] = {
    {"The load", OPTION_HEADING},
    {"tasks", OPTION_U32, FIELD(tasks), 1, TASKS_MAX, .value = "N", .help = "tasks (64)"},
    {"processes", OPTION_U32, FIELD(processes), 0, BENCH_PROCESSES, .value = "N",
     .help = "drive them from N processes, of which each has an equal part and a loop of its "
             "own; at most one for each task (0: this process has all)"},
    {"outstanding", OPTION_U32, FIELD(outstanding), 1, TASKS_MAX, .value = "K",
     .help = "closed loop: K requests always outstanding in all, the next is sent when one is "
             "answered (8, unless there is a rate). Latencies are corrected for coordinated "
             "omission: one of v also stands for requests that were not made meanwhile, of v-i, "
             "v-2i ..., where i is the mean time between two requests of one of the K"},
    {"rate", OPTION_RATE, FIELD(rate), .most = RATE_MAX, .value = "R",
     .help = "open loop: R requests a second in all, at random moments (Poisson); each goes to "
             "a task that is free, or waits for one. Latency counts from the moment it was to "
             "be sent, which needs no correction"},
    {"mix", OPTION_CALL, .take = mix_take, .value = "KIND=N,...",
     .help = "shares of propose, renew, resize, recall, release and allocate (1, 2, 1, 1, 1, "
             "4). recall: ask physmem, as an administrator, to have some task return 1 to 8 "
             "frames; release: close a contract. A task that holds all it wishes for gives "
             "frames back (deallocate) instead of allocating; it accepts every counter-offer "
             "(accept)"},
    {"kinds", OPTION_CALL, .take = kinds_take, .value = "KIND=N,...",
     .help = "kinds of contract proposed: guaranteed, extra, timed (3, 1, 1)"},
    {"order", OPTION_U32, FIELD(order), 0, ORDER_MAX, .value = "N",
     .help = "contracts and allocations of orders 0 to N, 0 to 10 (2)"},
    {"contention", OPTION_RATE, FIELD(contention), .most = BENCH_CONTENTION_MAX, .value = "X",
     .help = "0 to 4: what tasks wish for in all, as a multiple of the frames; 0 is one frame a "
             "contract (1)"},
    {"demand", OPTION_CALL, .take = demand_take, .value = "COURSE",
     .help =
         "what each task would use changes: constant (a level of its own), bursts (a quarter of "
         "the mean, and now and then three times the mean), phases (another level each second), "
         "or a file of lines SECONDS TASK FRAMES. The mean is contention times an equal share. A "
         "task has two contracts then, a quarter of an equal share guaranteed and all else extra, "
         "asks for 8 to 64 frames at a time, states its demand, and returns what it does not use"},
    {"weights", OPTION_CALL, .take = weights_take, .value = "N,...",
     .help = "weights of contracts: tasks take them in turn (1)"},
    {"bids", OPTION_CALL, .take = bids_take, .value = "N,...",
     .help = "bids of contracts, in turn (0)"},
    {"priorities", OPTION_CALL, .take = priorities_take, .value = "N,...",
     .help = "priorities, in turn, which a policy server assigns that does nothing else (none)"},
    {"idle", OPTION_U32, FIELD(idle), 0, TASKS_MAX, .value = "N",
     .help =
         "so many tasks, the last ones, hold an equal share as long as they may, and use none of it; "
         "needs --demand (0)"},
    {"slow", OPTION_U32, FIELD(slow), 0, TASKS_MAX, .value = "N",
     .help = "so many tasks answer recalls only shortly before the grace is over (0)"},
    {"slow-after", OPTION_CALL, .take = slow_after_take, .value = "TIME",
     .help = "how late they answer (shortly before the grace is over)"},
    {"silent", OPTION_U32, FIELD(silent), 0, TASKS_MAX, .value = "N",
     .help = "so many tasks map all their frames, never answer a recall, and come back when "
             "revoked (0)"},
    {"frames", OPTION_U32, FIELD(frames), 1, FRAMES_MAX, .value = "N",
     .help = "frames of physmem (16 a task, at least 4096)"},
    {"grace", OPTION_CALL, .take = grace_take, .value = "TIME",
     .help = "grace of contracts (500ms)"},
    {"silent-grace", OPTION_CALL, .take = silent_grace_take, .value = "TIME",
     .help = "grace of silent tasks' contracts (the same)"},
    {"duration", OPTION_CALL, .take = duration_take, .value = "TIME",
     .help = "length of the measurement (5s)"},
    {"requests", OPTION_U64, FIELD(requests), 1, UINT32_MAX, .value = "N",
     .help = "measure until N requests have been answered, however long that takes"},
    {"warmup", OPTION_CALL, .take = warmup_take, .value = "TIME",
     .help =
         "the same load before it, not measured (1s, or, where one process drives all tasks, longer "
         "until use has settled, 10s at most; but not with a file of demands, whose times "
         "begin before it)"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "seed of all that is random here (1)"},
    {"cores", OPTION_CALL, .take = cores_take, .value = "same|different",
     .help = "where physmem runs: on the core of the tasks, or another (same); several "
             "processes have all cores but physmem's, if different"},
    {"What is compared", OPTION_HEADING},
    {"arbiter", OPTION_CALL, .take = arbiter_take, .value = "A",
     .help = "arbitration policy (see selfpage-physmem --help)"},
    {"compare", OPTION_CALL, .take = compare_take, .value = "A,B,...",
     .help = "one run with each of these, side by side"},
    {"recall", OPTION_CALL, .take = recall_take, .value = "F/N",
     .help = "recall F frames from N tasks at once, and see in how many passes of physmem's "
             "loop the RECALLs go out (100000/1000; 0/0: do not)"},
    {"no-baseline", OPTION_CALL_FLAG, .take = no_baseline_take,
     .help = "no comparisons: neither with bare sockets, nor with few tasks connected, nor with "
             "one slow task, nor the great recall unless --recall is given"},
    {"What comes out", OPTION_HEADING},
    {"json", OPTION_FLAG, FIELD(json),
     .help = "print one JSON object instead of tables; times are in ns"},
    {"picture", OPTION_CALL, .take = picture_take, .value = "FILE",
     .help = "draw latencies and use over time (.svg, .png, .pdf or .eps; needs gnuplot)"},
};

static int check(void *arg, struct sp_error *error)
{
    struct bench_options *options = arg;

    if (options->outstanding > 0 && options->rate > 0)
        return error_set(error, EINVAL, "--rate is an open loop, --outstanding a closed one");
    if (options->outstanding > options->tasks)
        return error_set(error, EINVAL,
                         "--outstanding=%u: each of the %u tasks has one request outstanding at "
                         "most",
                         options->outstanding, options->tasks);
    if (options->slow + options->silent > options->tasks)
        return error_set(error, EINVAL, "more slow and silent tasks than there are tasks");
    if (options->idle > options->tasks)
        return error_set(error, EINVAL, "more idle tasks than there are tasks");
    if (options->idle > 0 && options->demand.kind == DEMAND_NONE)
        return error_set(error, EINVAL,
                         "--idle needs --demand: else tasks have no use for frames "
                         "that could be idle");
    if (options->priorities.count > 0 && options->tasks > LIMITS_MAX)
        return error_set(error, EINVAL, "--priorities: physmem takes %u limits, fewer than tasks",
                         LIMITS_MAX);
    if (options->processes > options->tasks)
        return error_set(error, EINVAL, "more processes than there are tasks");
    if (options->picture != NULL && options->arbiters.count > 1)
        return error_set(error, EINVAL, "--picture draws one run, not several of --compare");
    if (options->outstanding == 0 && options->rate == 0)
        options->outstanding = options->tasks < 8 ? options->tasks : 8;
    if (options->processes > 0 && options->rate == 0 && options->outstanding < options->processes)
        return error_set(error, EINVAL, "--outstanding=%u: each of the %u processes needs one",
                         options->outstanding, options->processes);
    if (options->frames == 0)
        options->frames = options->tasks < 256 ? 4096 : 16 * options->tasks;
    if (options->recall_frames == RECALL_DEFAULT) {
        options->recall_frames = options->baseline ? 100000 : 0;
        options->recall_tasks = options->baseline ? 1000 : 0;
    }
    if (options->silent_grace_ns == 0)
        options->silent_grace_ns = options->grace_ns;
    if (options->demand.kind == DEMAND_FILE)
        options->settle = false; /* the times of the file are to mean the same in every run */
    options->all = options->tasks;
    options->demand.mean = options->contention * options->frames / options->tasks;
    options->demand.seed = options->seed;
    if (options->demand.kind != DEMAND_NONE && !options->mixed) {
        memset(options->mix, 0, sizeof(options->mix));
        options->mix[BENCH_ALLOCATE] = 1;
    }
    return 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage bench contracts",
    .usage = "[options]",
    .about = about,
    .exit_statuses = "0; 1 physmem's books were wrong at the end, or a task that answered was "
                     "revoked; 2 it could not run.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};

enum options_verdict bench_options_parse(int argc, char **argv, struct bench_options *options,
                                         struct sp_error *error)
{
    *options = (struct bench_options){
        .tasks = 64,
        .contention = 1,
        .duration_ns = UINT64_C(5000000000),
        .warmup_ns = UINT64_C(1000000000),
        .settle = true,
        .grace_ns = UINT64_C(500000000),
        .seed = 1,
        .mix = {[BENCH_PROPOSE] = 1,
                [BENCH_RENEW] = 2,
                [BENCH_RESIZE] = 1,
                [BENCH_RECALL] = 1,
                [BENCH_RELEASE] = 1,
                [BENCH_ALLOCATE] = 4},
        .kinds = {[SP_GUARANTEED] = 3, [SP_EXTRA] = 1, [SP_TIMED] = 1},
        .order = 2,
        .recall_frames = RECALL_DEFAULT,
        .baseline = true,
    };
    return options_parse(argc, argv, &syntax, options, error);
}
