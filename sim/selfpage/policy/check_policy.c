#include "selfpage/policy/check_policy.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/policy/check_run.h"
#include "policy/registry.h"

#define ROUNDS  200u
#define STEPS   2000u
#define TIMEOUT 20u

static const char about[] =
    "Drive eviction policies through everything that the rules of <selfpage/policy.h> allow an\n"
    "engine to do, in random order, and say in words which of their own rules they break.\n"
    "\n"
    "A POLICY is NAME[:PARAMS] of a policy that comes with Selfpage, or the path of a shared\n"
    "object, with a / in it: ./mine.so[:PARAMS]. libcachesim:./libX.so is a plug-in for libCacheSim,\n"
    "which has to keep fewer rules.\n";

static const char notes[] =
    "What is looked at: declared (flags, sizes of the state); rules (victims are pages that the\n"
    "policy has; only its own state is touched; questions to the environment make sense); again (the\n"
    "same seed gives the same victims); beside (no state outside of `self`); quiet (no system call,\n"
    "allocation or clock, 8 KiB of stack at most); sparse (init leaves a large state untouched);\n"
    "forgets (one that claims SP_POLICY_FORGETS or SP_POLICY_TELLS has the same misses with pages named otherwise);\n"
    "cost (constant time a call); live (a live task goes on; how far its faults are from the misses of\n"
    "the replay, and its soft faults, on three traces: that is said, and no rule).\n";

static const char *const stage_names[CHECK_STAGES] = {
    "declared", "rules", "again", "beside", "quiet", "sparse", "forgets", "cost", "live"};

struct command {
    struct check_options check;
    bool all, json;
    char **policies; /* that were named, NULL at the end; NULL: none was */
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
        printf("  at %s", check_text_call(call, words, sizeof(words)));
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
                printf(" %s", check_text_call(call, words, sizeof(words)));
        putchar('\n');
    }
    if (result->in_round)
        printf("  again by: selfpage check-policy %s --seed %llu --rounds 1\n", text,
               (unsigned long long)result->seed);
}

static double times(double many, double few)
{
    return few > 0 ? many / few : 1;
}

static void print_live(const struct check_result *result)
{
    const struct check_distance *farthest = check_live_farthest(result->distances);

    printf(
        "  live: at most %.1f points from its replay (on %s: %.1f faults in 100 references, %.1f misses); soft "
        "faults in 100 references:",
        fabs(farthest->faults - farthest->misses), farthest->trace, farthest->faults,
        farthest->misses);
    for (size_t i = 0; i < CHECK_LIVE_TRACES; i++)
        printf("%s %.1f on %s", i > 0 ? "," : "", result->distances[i].soft_faults,
               result->distances[i].trace);
    putchar('\n');
}

static void print_passed(const char *text, const struct check_options *options,
                         const struct check_result *result)
{
    printf("%s keeps the rules (%u rounds of %u references from seed %llu; %.1f bytes a page", text,
           options->rounds, options->steps, (unsigned long long)options->seed,
           result->bytes_per_page);
    if (!result->skipped[CHECK_STAGE_COST])
        printf(
            "; insert %.0f ns, hit %.0f ns, victim and remove %.0f ns with %u pages, %.1f, %.1f and %.1f "
            "times what they take with %u",
            result->many.insert, result->many.hit, result->many.evict, CHECK_MANY_PAGES,
            times(result->many.insert, result->few.insert),
            times(result->many.hit, result->few.hit), times(result->many.evict, result->few.evict),
            CHECK_FEW_PAGES);
    puts(")");
    if (!result->skipped[CHECK_STAGE_LIVE])
        print_live(result);
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

static json_t *live_json(const struct check_result *result)
{
    json_t *traces = json_array();

    for (size_t i = 0; i < CHECK_LIVE_TRACES; i++)
        json_array_append_new(
            traces, json_pack("{s:s, s:I, s:f, s:f, s:f}", "trace", result->distances[i].trace,
                              "frames", (json_int_t)result->distances[i].frames, "replay_misses",
                              result->distances[i].misses, "faults", result->distances[i].faults,
                              "soft_faults", result->distances[i].soft_faults));
    return traces;
}

static json_t *calls_json(const struct check_log *log)
{
    json_t *calls = json_array();
    char words[80];

    for (uint64_t ago = CHECK_RECENT; ago-- > 0;)
        if (recent(log, ago) != NULL)
            json_array_append_new(
                calls, json_string(check_text_call(recent(log, ago), words, sizeof(words))));
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
        if (!result->skipped[CHECK_STAGE_LIVE])
            json_object_set_new(object, "live", live_json(result));
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

/* A declaration of a policy may break a rule; a missing file is an error of another kind. */
static int judge_load(const char *text, const struct policy_handle *policy,
                      const struct command *command, const struct sp_error *error)
{
    struct check_result result = {.stage = CHECK_STAGE_DECLARED};

    if (policy->foreign || policy->object.symbol == NULL ||
        policy_params_check(policy->object.symbol, NULL) == 0)
        return commands_cannot(error);
    check_text_breach(&result.log, "%s", error->text);
    if (command->json)
        print_json(text, &command->check, &result);
    else
        print_breach(text, &result);
    return EXIT_NO;
}

static int check_one(const struct command *command, const char *text)
{
    struct policy_handle policy;
    struct check_result result;
    struct sp_error error = {0};
    int status = load_policy(&policy, text, &error);

    if (status != 0) {
        status = judge_load(text, &policy, command, &error);
    } else if (check_run(&policy, &command->check, &result, &error) != 0) {
        status = commands_cannot(&error);
    } else {
        if (command->json)
            print_json(text, &command->check, &result);
        else if (result.passed)
            print_passed(text, &command->check, &result);
        else
            print_breach(text, &result);
        status = result.passed ? EXIT_YES : EXIT_NO;
    }
    load_policy_end(&policy);
    fflush(stdout);
    return status;
}

static int policy_take(void *arg, char **word, struct sp_error *error)
{
    struct command *command = arg;

    (void)error;
    if (command->policies == NULL) /* the first; the others follow it */
        command->policies = word;
    return 0;
}

static int check_options(void *arg, struct sp_error *error)
{
    const struct command *command = arg;

    if (command->all || command->policies != NULL)
        return 0;
    return error_set(error, EINVAL, "which POLICY? (see selfpage check-policy --help)");
}

#define FIELD(name) offsetof(struct command, name)

static const struct option_row rows[] = {
    {"all", OPTION_FLAG, FIELD(all), .help = "all policies that come with Selfpage"},
    {"seed", OPTION_U64, FIELD(check.seed), 0, UINT64_MAX - UINT32_MAX, .value = "S",
     .help = "seed of the first round (1)"},
    {"rounds", OPTION_U32, FIELD(check.rounds), 1, 1000000, .value = "N",
     .help = "rounds, each with a seed, sizes and a pattern of its own (200)"},
    {"steps", OPTION_U32, FIELD(check.steps), 2, 1000000, .value = "N",
     .help = "references in a round (2000)"},
    {"timeout", OPTION_U32, FIELD(check.timeout), 1, 86400, .value = "S",
     .help = "seconds that a round may take (20)"},
    {"no-sandbox", OPTION_FLAG, FIELD(check.no_sandbox),
     .help = "do not watch system calls, allocations and the stack"},
    {"json", OPTION_FLAG, FIELD(json), .help = "a JSON object a policy, each on a line"},
};

static const struct options_syntax syntax = {
    .program = "selfpage check-policy",
    .usage = "POLICY... [options]",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 all rules are kept; 1 one is broken; 2 the check could not be run.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "POLICY",
    .most = UINT32_MAX,
    .operand = policy_take,
    .check = check_options,
};

int check_policy_command(int argc, char **argv)
{
    struct command command = {
        .check = {.seed = 1, .rounds = ROUNDS, .steps = STEPS, .timeout = TIMEOUT}};
    const struct sp_policy *policy;
    int verdict;
    int worst = EXIT_YES;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    for (size_t i = 0; command.all && (policy = policy_registry_builtin(i)) != NULL; i++) {
        int status = check_one(&command, policy->name);

        worst = status > worst ? status : worst;
    }
    for (char **word = command.policies; word != NULL && *word != NULL; word++) {
        int status = check_one(&command, *word);

        worst = status > worst ? status : worst;
    }
    return worst;
}
