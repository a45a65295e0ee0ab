#include "selfpage/policy/check_policy.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/policy/check_run.h"
#include "policy/registry.h"

enum { EXIT_KEPT = 0, EXIT_BROKEN = 1, EXIT_CANNOT = 2 };

#define ROUNDS  200u
#define STEPS   2000u
#define TIMEOUT 20u

static const char help[] =
    "Usage: selfpage check-policy POLICY... [options]\n"
    "\n"
    "Drive eviction policies through everything that the rules of <selfpage/policy.h> allow an\n"
    "engine to do, in random order, and say in words which of their own rules they break.\n"
    "\n"
    "  POLICY           NAME[:PARAMS] of a policy that comes with Selfpage, or the path of a shared\n"
    "                   object, with a / in it: ./mine.so[:PARAMS]; libcachesim:./libX.so is a\n"
    "                   plug-in for libCacheSim, which has to keep fewer rules\n"
    "  --all            all policies that come with Selfpage\n"
    "  --seed S         of the first round (1)\n"
    "  --rounds N       rounds, each with a seed, sizes and a pattern of its own (200)\n"
    "  --steps N        references in a round (2000)\n"
    "  --timeout S      seconds that a round may take (20)\n"
    "  --no-sandbox     do not watch system calls, allocations and the stack\n"
    "  --json           a JSON object a policy, each on a line\n"
    "  --help\n"
    "\n"
    "What is looked at: declared (flags, sizes of the state); rules (victims are pages that the\n"
    "policy has; only its own state is touched; questions to the environment make sense); again (the\n"
    "same seed gives the same victims); beside (no state outside of `self`); quiet (no system call,\n"
    "allocation or clock, 8 KiB of stack at most); sparse (init leaves a large state untouched);\n"
    "cost (constant time a call).\n"
    "\n"
    "Exit status: 0 all rules are kept; 1 one is broken; 2 the check could not be run.\n";

static const char *const stage_names[CHECK_STAGES] = {"declared", "rules",  "again", "beside",
                                                      "quiet",    "sparse", "cost"};

struct command {
    struct check_options check;
    bool all, json;
};

enum option_key {
    OPTION_ALL = 256,
    OPTION_SEED,
    OPTION_ROUNDS,
    OPTION_STEPS,
    OPTION_TIMEOUT,
    OPTION_NO_SANDBOX,
    OPTION_JSON,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"all", no_argument, NULL, OPTION_ALL},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"no-sandbox", no_argument, NULL, OPTION_NO_SANDBOX},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Output ---- */

/* The call at which it happened, and those before it. */
static const struct check_call *recent(const struct check_log *log, uint64_t ago)
{
    if (ago >= log->calls || ago >= CHECK_RECENT)
        return NULL;
    return &log->recent[(log->calls - 1 - ago) % CHECK_RECENT];
}

static void print_breach(const char *text, const struct check_result *result)
{
    const struct check_call *call = recent(&result->log, 0);
    char words[80];

    printf("%s breaks a rule: %s\n", text, result->log.breach);
    if (call != NULL)
        printf("  at %s", check_call_text(call, words, sizeof(words)));
    if (call != NULL && result->in_round)
        printf(", step %llu, with %u pages and %u frames at first%s",
               (unsigned long long)result->log.step, result->pages, result->frames,
               result->live ? ", seeing what a live task shows" : "");
    if (call != NULL)
        putchar('\n');
    if (recent(&result->log, 1) != NULL && result->in_round) {
        printf("  after");
        for (uint64_t ago = CHECK_RECENT - 1; ago > 0; ago--)
            if ((call = recent(&result->log, ago)) != NULL)
                printf(" %s", check_call_text(call, words, sizeof(words)));
        putchar('\n');
    }
    if (result->in_round)
        printf("  again by: selfpage check-policy %s --seed %llu --rounds 1\n", text,
               (unsigned long long)result->seed);
}

static void print_passed(const char *text, const struct check_options *options,
                         const struct check_result *result)
{
    printf("%s keeps the rules (%u rounds of %u references from seed %llu; %.1f bytes a page", text,
           options->rounds, options->steps, (unsigned long long)options->seed,
           result->bytes_per_page);
    if (!result->skipped[CHECK_STAGE_COST])
        printf("; insert %.0f ns, hit %.0f ns, victim and remove %.0f ns with %u pages",
               result->many.insert, result->many.hit, result->many.evict, CHECK_MANY_PAGES);
    puts(")");
    for (int stage = 0; stage < CHECK_STAGES; stage++)
        if (result->skipped[stage])
            printf("  not looked at: %s\n", stage_names[stage]);
}

static json_t *cost_json(const struct check_cost *cost, uint32_t pages)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "pages", (json_int_t)pages, "insert_ns",
                     cost->insert, "hit_ns", cost->hit, "evict_ns", cost->evict, "discard_ns",
                     cost->discard);
}

static json_t *calls_json(const struct check_log *log)
{
    json_t *calls = json_array();
    char words[80];

    for (uint64_t ago = CHECK_RECENT; ago-- > 0;)
        if (recent(log, ago) != NULL)
            json_array_append_new(
                calls, json_string(check_call_text(recent(log, ago), words, sizeof(words))));
    return calls;
}

static json_t *skipped_json(const struct check_result *result)
{
    json_t *skipped = json_array();

    for (int stage = 0; stage < CHECK_STAGES; stage++)
        if (result->skipped[stage])
            json_array_append_new(skipped, json_string(stage_names[stage]));
    return skipped;
}

static json_t *result_json(const char *text, const struct check_options *options,
                           const struct check_result *result)
{
    json_t *object =
        json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "policy", text, "passed", result->passed,
                  "seed", (json_int_t)options->seed, "rounds", (json_int_t)options->rounds, "steps",
                  (json_int_t)options->steps, "not_looked_at", skipped_json(result));

    if (object != NULL && result->passed) {
        json_object_set_new(object, "bytes_per_page", json_real(result->bytes_per_page));
        json_object_set_new(object, "costs",
                            json_pack("[o, o]", cost_json(&result->few, CHECK_FEW_PAGES),
                                      cost_json(&result->many, CHECK_MANY_PAGES)));
    } else if (object != NULL) {
        json_object_set_new(object, "stage", json_string(stage_names[result->stage]));
        json_object_set_new(object, "breach", json_string(result->log.breach));
        json_object_set_new(object, "calls", calls_json(&result->log));
        if (result->in_round)
            json_object_set_new(
                object, "round",
                json_pack("{s:I, s:I, s:I, s:I, s:b}", "seed", (json_int_t)result->seed, "step",
                          (json_int_t)result->log.step, "pages", (json_int_t)result->pages,
                          "frames", (json_int_t)result->frames, "live", result->live));
    }
    return object;
}

static void print_json(const char *text, const struct check_options *options,
                       const struct check_result *result)
{
    json_t *object = result_json(text, options, result);

    if (object != NULL)
        json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(object);
}

/* ---- The command ---- */

static int cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

/* What a policy declares may break a rule; a file that is missing does not. */
static int judge_load(const char *text, const struct policy_handle *policy,
                      const struct command *command, const struct sp_error *error)
{
    struct check_result result = {.stage = CHECK_STAGE_DECLARED};

    if (policy->foreign || policy->object.symbol == NULL ||
        policy_check(policy->object.symbol, NULL) == 0)
        return cannot(error);
    check_breach(&result.log, "%s", error->text);
    if (command->json)
        print_json(text, &command->check, &result);
    else
        print_breach(text, &result);
    return EXIT_BROKEN;
}

static int check_one(const struct command *command, const char *text)
{
    struct policy_handle policy;
    struct check_result result;
    struct sp_error error = {0};
    int status = policy_load(&policy, text, &error);

    if (status != 0) {
        status = judge_load(text, &policy, command, &error);
    } else if (check_run(&policy, &command->check, &result, &error) != 0) {
        status = cannot(&error);
    } else {
        if (command->json)
            print_json(text, &command->check, &result);
        else if (result.passed)
            print_passed(text, &command->check, &result);
        else
            print_breach(text, &result);
        status = result.passed ? EXIT_KEPT : EXIT_BROKEN;
    }
    policy_unload(&policy);
    fflush(stdout);
    return status;
}

static int number_parse(const char *option, const char *text, uint64_t least, uint64_t most,
                        uint64_t *number, struct sp_error *error)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= least &&
        *number <= most)
        return 0;
    return error_set(error, EINVAL, "%s: \"%.60s\" is no whole number from %llu to %llu", option,
                     text, (unsigned long long)least, (unsigned long long)most);
}

static int option_take(int key, char **argv, struct command *command, struct sp_error *error)
{
    struct check_options *o = &command->check;
    uint64_t number = 0;
    int result = 0;

    switch (key) {
    case OPTION_ALL:
        command->all = true;
        return 0;
    case OPTION_JSON:
        command->json = true;
        return 0;
    case OPTION_NO_SANDBOX:
        o->no_sandbox = true;
        return 0;
    case OPTION_SEED:
        return number_parse("--seed", optarg, 0, UINT64_MAX - UINT32_MAX, &o->seed, error);
    case OPTION_ROUNDS:
        result = number_parse("--rounds", optarg, 1, 1000000, &number, error);
        o->rounds = (uint32_t)number;
        return result;
    case OPTION_STEPS:
        result = number_parse("--steps", optarg, 2, 1000000, &number, error);
        o->steps = (uint32_t)number;
        return result;
    case OPTION_TIMEOUT:
        result = number_parse("--timeout", optarg, 1, 86400, &number, error);
        o->timeout = (uint32_t)number;
        return result;
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage check-policy --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL, "unknown option %.100s (see selfpage check-policy --help)",
                         argv[optind - 1]);
    }
}

int check_policy_command(int argc, char **argv)
{
    struct command command = {
        .check = {.seed = 1, .rounds = ROUNDS, .steps = STEPS, .timeout = TIMEOUT}};
    const struct sp_policy *policy;
    struct sp_error error;
    int key, worst = EXIT_KEPT;

    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            fputs(help, stdout);
            return EXIT_KEPT;
        }
        if (option_take(key, argv, &command, &error) != 0)
            return cannot(&error);
    }
    if (optind == argc && !command.all) {
        error_set(&error, EINVAL, "which POLICY? (see selfpage check-policy --help)");
        return cannot(&error);
    }
    for (size_t i = 0; command.all && (policy = policy_builtin(i)) != NULL; i++) {
        int status = check_one(&command, policy->name);

        worst = status > worst ? status : worst;
    }
    for (; optind < argc; optind++) {
        int status = check_one(&command, argv[optind]);

        worst = status > worst ? status : worst;
    }
    return worst;
}
