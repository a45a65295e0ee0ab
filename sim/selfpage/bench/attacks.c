/* `selfpage bench attacks`: the table of what cheating gains, policies against attacks. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/arbiter.h"
#include "selfpage/command/arbiter_list.h"
#include "selfpage/command/json_out.h"
#include "arena/judge.h"
#include "base/error.h"
#include "selfpage/bench/bench.h"
#include "launch/strings.h"
#include "os/heap.h"
#include "os/options.h"

#define ROUNDS_MAX 1000u

/* More than this changes hands by chance alone. */
#define NOTABLE 0.05

struct attacks_options {
    struct strings arbiters;
    uint64_t seed;
    uint32_t rounds;
    bool json;
};

/* What one arbiter did against all attacks. */
struct attacks_row {
    const char *arbiter;
    struct verdict verdict[ATTACK_COUNT];
};

static const char about[] =
    "What a task gains by cheating, and what the others lose by it, under each arbitration policy.\n"
    "Five tasks share 1000 frames in virtual time: 100 are guaranteed to each, and what each needs\n"
    "changes every few seconds, a quarter more than there is in all. The same is played twice, with\n"
    "one task cheating and without. Gain and loss are of useful frames: those that are held, as far\n"
    "as they are needed.\n";

static int arbiter_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return arbiter_list_parse(name, text, BENCH_ARBITERS,
                              &((struct attacks_options *)options)->arbiters, error);
}

#define FIELD(name) offsetof(struct attacks_options, name)

static const struct option_row rows[] = {
    {"arbiter", OPTION_CALL, .take = arbiter_take, .value = "A,B,...",
     .help = "policies, or shared objects with a slash in their names (all policies)"},
    {"rounds", OPTION_U32, FIELD(rounds), 1, ROUNDS_MAX, .value = "N",
     .help = "different courses of the needs (8)"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "seed of the first course (1)"},
    {"json", OPTION_FLAG, FIELD(json),
     .help = "print one JSON object instead of tables in Markdown"},
};

/* The end of the help: what each attacker does. */
static void print_attackers(FILE *out)
{
    fputs("\nThe attacker\n", out);
    for (int attack = 0; attack < ATTACK_COUNT; attack++)
        fprintf(out, "  %-8s %s\n", attack_name((enum attack)attack),
                attack_summary((enum attack)attack));
}

static const struct options_syntax syntax = {
    .program = "selfpage bench attacks",
    .usage = "[options]",
    .about = about,
    .more = print_attackers,
    .exit_statuses = "0; 1 a task that keeps its contracts lost its frames, waited longer for "
                     "guaranteed ones than the grace of others, or physmem's books were wrong; "
                     "2 it could not run.",
    .version = SELFPAGE_VERSION,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
};

/* ---- The play ---- */

static int play(const struct attacks_options *options, const char *name, struct attacks_row *row,
                struct sp_error *error)
{
    struct arbiter_handle handle;
    int code = arbiter_load(&handle, name, error);

    row->arbiter = name;
    for (int attack = 0; attack < ATTACK_COUNT && code == 0; attack++)
        if (judge_attack(&heap_allocator, &handle.choice, (enum attack)attack, options->seed,
                         options->rounds, &row->verdict[attack]) != 0)
            code = error_set(error, ENOMEM, "out of memory");
    arbiter_unload(&handle);
    return code;
}

/* What physmem promises, whatever an arbiter says. NULL, or what was not kept. */
static const char *broken_promise(const struct verdict *verdict)
{
    if (verdict->attacked.wrong != NULL)
        return verdict->attacked.wrong;
    if (verdict->attacked.victims.revoked > 0)
        return "a task that keeps its contracts lost its frames";
    if (verdict->attacked.victims.wait_ns > ARENA_GRACE_NS + ARENA_STEP_NS)
        return "a task waited for guaranteed frames longer than the grace of others";
    return NULL;
}

/* ---- Output ---- */

static void print_header(const char *first)
{
    printf("| policy | %s |", first);
    for (int attack = 0; attack < ATTACK_COUNT; attack++)
        printf(" %s |", attack_name((enum attack)attack));
    printf("\n| --- | --- |");
    for (int attack = 0; attack < ATTACK_COUNT; attack++)
        printf(" --- |");
    printf("\n");
}

static double met(const struct arena_outcome *outcome)
{
    return (outcome->attacker.useful + outcome->victims.useful) /
           (outcome->attacker.needed + outcome->victims.needed);
}

static void print_gains(const struct attacks_row *row)
{
    printf("| `%s` | %.2f |", row->arbiter, met(&row->verdict[ATTACK_INFLATE].honest));
    for (int attack = 0; attack < ATTACK_COUNT; attack++) {
        const struct verdict *verdict = &row->verdict[attack];
        const char *bold = verdict->gain >= 1 + NOTABLE ? "**" : "";

        printf(" %s%.2f%s / %.2f |", bold, verdict->gain, bold, verdict->loss);
    }
    printf("\n");
    fflush(stdout);
}

static void print_waits(const struct attacks_row *row)
{
    printf("| `%s` | %.1f |", row->arbiter,
           (double)row->verdict[ATTACK_INFLATE].honest.victims.wait_ns / 1e9);
    for (int attack = 0; attack < ATTACK_COUNT; attack++) {
        const struct arena_outcome *attacked = &row->verdict[attack].attacked;

        printf(" %.1f", (double)attacked->victims.wait_ns / 1e9);
        if (attacked->attacker.revoked > 0)
            printf(", %ux", attacked->attacker.revoked);
        printf(" |");
    }
    printf("\n");
}

static json_t *side_json(const struct arena_side *side)
{
    return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I}", "needed", side->needed, "useful",
                     side->useful, "revoked", (json_int_t)side->revoked, "refused",
                     (json_int_t)side->refused, "countered", (json_int_t)side->countered, "wait_ns",
                     (json_int_t)side->wait_ns);
}

static json_t *outcome_json(const struct arena_outcome *outcome)
{
    return json_pack("{s:o, s:o, s:I, s:I}", "attacker", side_json(&outcome->attacker), "victims",
                     side_json(&outcome->victims), "recalls", (json_int_t)outcome->recalls,
                     "overruled", (json_int_t)outcome->overruled);
}

static json_t *row_json(const struct attacks_row *row)
{
    json_t *attacks = json_object();

    for (int attack = 0; attack < ATTACK_COUNT; attack++) {
        const struct verdict *verdict = &row->verdict[attack];
        json_t *object = json_pack("{s:f, s:f, s:o, s:o}", "gain", verdict->gain, "loss",
                                   verdict->loss, "honest", outcome_json(&verdict->honest),
                                   "attacked", outcome_json(&verdict->attacked));

        if (json_object_set_new(attacks, attack_name((enum attack)attack), object) != 0) {
            json_decref(attacks);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o}", "arbiter", row->arbiter, "attacks", attacks);
}

static int print_json(const struct attacks_options *options, const struct attacks_row *rows_played,
                      size_t count, struct sp_error *error)
{
    json_t *list = json_array();
    json_t *object;
    int code = 0;

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, row_json(&rows_played[i])) != 0)
            code = -ENOMEM;
    /* A seed has 64 bits, an integer here 63. */
    object = json_pack("{s:o, s:I, s:o}", "seed",
                       json_sprintf("%llu", (unsigned long long)options->seed), "rounds",
                       (json_int_t)options->rounds, "arbiters", list);
    if (code != 0 || object == NULL)
        code = error_set(error, ENOMEM, "out of memory");
    else
        code = json_out_print(stdout, object, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    if (code != 0 && object != NULL)
        error_set(error, -code, "cannot write the JSON object: %s", strerror(-code));
    json_decref(object);
    return code;
}

static void print_tables(const struct attacks_row *rows_played, size_t count)
{
    printf("\nThe longest that an honest task waited for frames within its guarantee, in seconds; "
           "and how often the attacker lost everything:\n\n");
    print_header("nobody");
    for (size_t i = 0; i < count; i++)
        print_waits(&rows_played[i]);
}

/* Returns 0; 1: a promise was broken; or a negative errno. */
static int play_all(const struct attacks_options *options, struct attacks_row *row,
                    struct sp_error *error)
{
    size_t count = options->arbiters.count;
    bool broken = false;
    int code = 0;

    if (!options->json) {
        printf("Useful frames of the attacker, attacking / honest; and of the others, the same. "
               "First: useful / needed when nobody cheats.\n\n");
        print_header("nobody");
    }
    for (size_t i = 0; i < count && code == 0; i++) {
        code = play(options, options->arbiters.items[i], &row[i], error);
        if (code == 0 && !options->json)
            print_gains(&row[i]);
    }
    if (code == 0 && options->json)
        code = print_json(options, row, count, error);
    else if (code == 0)
        print_tables(row, count);
    for (size_t i = 0; i < count && code == 0; i++) {
        for (int attack = 0; attack < ATTACK_COUNT; attack++) {
            const char *what = broken_promise(&row[i].verdict[attack]);

            if (what != NULL)
                fprintf(stderr, "selfpage: %s against %s: %s\n", row[i].arbiter,
                        attack_name((enum attack)attack), what);
            broken = broken || what != NULL;
        }
    }
    return code == 0 ? broken : code;
}

int bench_attacks(int argc, char **argv)
{
    struct attacks_options options = {.seed = 1, .rounds = 8};
    struct attacks_row *row = NULL;
    struct sp_error error = {0};
    int status = 2;

    switch (options_parse(argc, argv, &syntax, &options, &error)) {
    case OPTIONS_EXIT:
        status = 0;
        break;
    case OPTIONS_BAD:
        fprintf(stderr, "selfpage: %s\n", error.text);
        break;
    case OPTIONS_RUN:
        if (options.arbiters.count == 0)
            for (size_t i = 0; arbiter_registry_builtin(i) != NULL; i++)
                strings_add(&options.arbiters, arbiter_registry_builtin(i)->name);
        row = calloc(options.arbiters.count, sizeof(*row));
        if (row == NULL || options.arbiters.failed)
            error_set(&error, ENOMEM, "out of memory");
        else
            status = play_all(&options, row, &error);
        if (error.text[0] != '\0')
            fprintf(stderr, "selfpage: %s\n", error.text);
        status = status < 0 ? 2 : status;
        break;
    }
    free(row);
    strings_fini(&options.arbiters);
    return status;
}
