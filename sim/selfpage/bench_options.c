/* The command line of `selfpage bench contracts`. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter_list.h"
#include "base/error.h"
#include "core/terms_text.h"

#define TASKS_MAX  9000u
#define FRAMES_MAX (1u << 24)
#define RATE_MAX   1e7

const char *const bench_kind_names[BENCH_KIND_COUNT] = {
#define BENCH_NAME(NAME, name) #name,
    BENCH_KINDS(BENCH_NAME)
#undef BENCH_NAME
};

enum option_key {
    OPTION_TASKS = 256,
    OPTION_SLOW,
    OPTION_SILENT,
    OPTION_FRAMES,
    OPTION_DURATION,
    OPTION_WARMUP,
    OPTION_GRACE,
    OPTION_RATE,
    OPTION_OUTSTANDING,
    OPTION_MIX,
    OPTION_CONTENTION,
    OPTION_ARBITER,
    OPTION_COMPARE,
    OPTION_SEED,
    OPTION_CORES,
    OPTION_NO_BASELINE,
    OPTION_JSON,
    OPTION_PICTURE,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"tasks", required_argument, NULL, OPTION_TASKS},
    {"slow", required_argument, NULL, OPTION_SLOW},
    {"silent", required_argument, NULL, OPTION_SILENT},
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"grace", required_argument, NULL, OPTION_GRACE},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"outstanding", required_argument, NULL, OPTION_OUTSTANDING},
    {"mix", required_argument, NULL, OPTION_MIX},
    {"contention", required_argument, NULL, OPTION_CONTENTION},
    {"arbiter", required_argument, NULL, OPTION_ARBITER},
    {"compare", required_argument, NULL, OPTION_COMPARE},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"cores", required_argument, NULL, OPTION_CORES},
    {"no-baseline", no_argument, NULL, OPTION_NO_BASELINE},
    {"json", no_argument, NULL, OPTION_JSON},
    {"picture", required_argument, NULL, OPTION_PICTURE},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "Usage: selfpage bench contracts [options]\n"
    "\n"
    "Start physmem, connect tasks to it that negotiate contracts, allocate and give back, and\n"
    "measure. All tasks are connections of this one process; each has its request and its control\n"
    "connection, and at most one request outstanding.\n"
    "\n"
    "  --tasks N             tasks (64)\n"
    "  --slow N              of these, answer recalls only when 3/4 of the grace are over (0)\n"
    "  --silent N            of these, map all their frames, never answer a recall, and come back\n"
    "                        when revoked (0)\n"
    "  --frames N            frames of physmem (16 a task, at least 4096)\n"
    "  --duration TIME       of the measurement (5s)\n"
    "  --warmup TIME         the same load before it, not measured (1s)\n"
    "  --grace TIME          grace of all contracts (500ms)\n"
    "  --rate R              open loop: R requests a second in all, at random moments (Poisson);\n"
    "                        each goes to a task that is free, or waits for one. Latency counts\n"
    "                        from the moment it was to be sent\n"
    "  --outstanding K       closed loop: K requests always outstanding, the next is sent when one\n"
    "                        is answered (8, unless there is a rate)\n"
    "  --mix KIND=N,...      shares of propose, renew, release and allocate (1, 2, 1, 4)\n"
    "  --contention X        0 to 4: what tasks wish for in all, as a multiple of the frames; 0 is\n"
    "                        one frame a contract (1)\n"
    "  --arbiter A           arbitration policy (see selfpage-physmem --help)\n"
    "  --compare A,B,...     one run with each of these, side by side\n"
    "  --seed S              of all that is random here (1)\n"
    "  --cores same|different  where physmem runs: on the core of this process, or another (same)\n"
    "  --no-baseline         do not measure sequential and pipelined negotiation against bare\n"
    "                        sockets, nor with few tasks connected\n"
    "  --json                print one JSON object instead of a table\n"
    "  --picture FILE        draw latencies and use over time (.svg or .png; needs gnuplot)\n"
    "  --help\n"
    "\n"
    "Exit status: 0; 1 physmem's books were wrong at the end, or a task that answered was revoked;\n"
    "2 it could not run.\n";

static int number_parse(const char *name, const char *text, uint64_t least, uint64_t most,
                        uint64_t *number, struct sp_error *error)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *number < least ||
        *number > most)
        return error_set(error, EINVAL, "--%s: \"%.60s\" is not a number from %llu to %llu", name,
                         text, (unsigned long long)least, (unsigned long long)most);
    return 0;
}

static int count_parse(const char *name, const char *text, uint32_t least, uint32_t most,
                       uint32_t *count, struct sp_error *error)
{
    uint64_t number = 0;
    int result = number_parse(name, text, least, most, &number, error);

    *count = (uint32_t)number;
    return result;
}

static int real_parse(const char *name, const char *text, double most, double *number,
                      struct sp_error *error)
{
    char *end;

    *number = strtod(text, &end);
    if (end == text || *end != '\0' || !(*number >= 0 && *number <= most))
        return error_set(error, EINVAL, "--%s: \"%.60s\" is not a number from 0 to %g", name, text,
                         most);
    return 0;
}

static int time_option(const char *name, const char *text, bool zero, uint64_t *ns,
                       struct sp_error *error)
{
    if (time_parse(text, strlen(text), ns) != 0 || *ns == SP_FOREVER || (*ns == 0 && !zero))
        return error_set(error, EINVAL, "--%s: \"%.60s\" is no time, as 500ms or 5s", name, text);
    return 0;
}

/* One KIND=N; the text is cut up. */
static int mix_entry(char *entry, struct bench_options *options, struct sp_error *error)
{
    char *equals = strchr(entry, '=');
    uint32_t share;

    if (equals == NULL)
        return error_set(error, EINVAL, "--mix: \"%.60s\" is not KIND=N", entry);
    *equals = '\0';
    for (unsigned i = 0; i < BENCH_MIXED; i++) {
        if (strcmp(entry, bench_kind_names[i]) != 0)
            continue;
        if (count_parse("mix", equals + 1, 0, 1000, &share, error) != 0)
            return -EINVAL;
        options->mix[i] = share;
        return 0;
    }
    return error_set(error, EINVAL,
                     "--mix: there is no kind \"%.60s\"; propose, renew, release, allocate are",
                     entry);
}

static int mix_parse(char *text, struct bench_options *options, struct sp_error *error)
{
    unsigned sum = 0;
    char *rest = text;
    char *entry;

    memset(options->mix, 0, sizeof(options->mix));
    while ((entry = strsep(&rest, ",")) != NULL)
        if (mix_entry(entry, options, error) != 0)
            return -EINVAL;
    for (unsigned i = 0; i < BENCH_MIXED; i++)
        sum += options->mix[i];
    return sum > 0 ? 0 : error_set(error, EINVAL, "--mix: all shares are 0");
}

static int picture_parse(const char *path, struct bench_options *options, struct sp_error *error)
{
    const char *dot = strrchr(path, '.');

    options->picture = path;
    if (dot != NULL && (strcmp(dot, ".svg") == 0 || strcmp(dot, ".png") == 0))
        return 0;
    return error_set(error, EINVAL, "--picture: \"%.100s\" ends neither in .svg nor in .png", path);
}

static int option_take(int key, struct bench_options *options, char **argv, struct sp_error *error)
{
    switch (key) {
    case OPTION_TASKS:
        return count_parse("tasks", optarg, 1, TASKS_MAX, &options->tasks, error);
    case OPTION_SLOW:
        return count_parse("slow", optarg, 0, TASKS_MAX, &options->slow, error);
    case OPTION_SILENT:
        return count_parse("silent", optarg, 0, TASKS_MAX, &options->silent, error);
    case OPTION_FRAMES:
        return count_parse("frames", optarg, 1, FRAMES_MAX, &options->frames, error);
    case OPTION_DURATION:
        return time_option("duration", optarg, false, &options->duration_ns, error);
    case OPTION_WARMUP:
        return time_option("warmup", optarg, true, &options->warmup_ns, error);
    case OPTION_GRACE:
        return time_option("grace", optarg, false, &options->grace_ns, error);
    case OPTION_RATE:
        return real_parse("rate", optarg, RATE_MAX, &options->rate, error);
    case OPTION_OUTSTANDING:
        return count_parse("outstanding", optarg, 1, TASKS_MAX, &options->outstanding, error);
    case OPTION_MIX:
        return mix_parse(optarg, options, error);
    case OPTION_CONTENTION:
        return real_parse("contention", optarg, BENCH_CONTENTION_MAX, &options->contention, error);
    case OPTION_ARBITER:
        strings_fini(&options->arbiters);
        strings_add(&options->arbiters, optarg);
        return options->arbiters.failed ? error_set(error, ENOMEM, "out of memory") : 0;
    case OPTION_COMPARE:
        return arbiter_list_parse("compare", optarg, BENCH_ARBITERS, &options->arbiters, error);
    case OPTION_SEED:
        return number_parse("seed", optarg, 0, UINT64_MAX, &options->seed, error);
    case OPTION_CORES:
        options->different = strcmp(optarg, "different") == 0;
        if (options->different || strcmp(optarg, "same") == 0)
            return 0;
        return error_set(error, EINVAL, "--cores: \"%.60s\" is neither same nor different", optarg);
    case OPTION_NO_BASELINE:
        options->baseline = false;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_PICTURE:
        return picture_parse(optarg, options, error);
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage bench contracts --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL,
                         "unknown option %.100s (see selfpage bench contracts --help)",
                         argv[optind - 1]);
    }
}

static int options_check(struct bench_options *options, struct sp_error *error)
{
    if (options->outstanding > 0 && options->rate > 0)
        return error_set(error, EINVAL, "--rate is an open loop, --outstanding a closed one");
    if (options->outstanding > options->tasks)
        return error_set(error, EINVAL,
                         "--outstanding=%u: each of the %u tasks has one request outstanding at "
                         "most",
                         options->outstanding, options->tasks);
    if (options->slow + options->silent > options->tasks)
        return error_set(error, EINVAL, "more slow and silent tasks than there are tasks");
    if (options->picture != NULL && options->arbiters.count > 1)
        return error_set(error, EINVAL, "--picture draws one run, not several of --compare");
    if (options->outstanding == 0 && options->rate == 0)
        options->outstanding = options->tasks < 8 ? options->tasks : 8;
    if (options->frames == 0)
        options->frames = options->tasks < 256 ? 4096 : 16 * options->tasks;
    return 0;
}

enum bench_verdict bench_options_parse(int argc, char **argv, struct bench_options *options,
                                       struct sp_error *error)
{
    int key;

    *options = (struct bench_options){
        .tasks = 64,
        .contention = 1,
        .duration_ns = UINT64_C(5000000000),
        .warmup_ns = UINT64_C(1000000000),
        .grace_ns = UINT64_C(500000000),
        .seed = 1,
        .mix = {[BENCH_PROPOSE] = 1, [BENCH_RENEW] = 2, [BENCH_RELEASE] = 1, [BENCH_ALLOCATE] = 4},
        .baseline = true,
    };
    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            fputs(help_text, stdout);
            return BENCH_EXIT;
        }
        if (option_take(key, options, argv, error) != 0)
            return BENCH_BAD;
    }
    if (argc > optind) {
        error_set(error, EINVAL, "unexpected argument %.100s (see selfpage bench contracts --help)",
                  argv[optind]);
        return BENCH_BAD;
    }
    return options_check(options, error) == 0 ? BENCH_RUN : BENCH_BAD;
}
