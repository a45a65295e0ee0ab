#include "selfpage/compare/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/page_bits.h"
#include "selfpage/command/commands.h"
#include "selfpage/compare/counted.h"
#include "selfpage/compare/options.h"
#include "selfpage/compare/times.h"
#include "selfpage/command/self.h"

struct comparison {
    const struct compare_options *options;
    json_t *simulated;
    json_t **live; /* options->runs of them */
};

/* Whether the kernel will tell policies of live tasks what was referenced. */
static bool kernel_notes_references(void)
{
    const char *wanted = getenv("SELFPAGE_BITS");
    struct page_bits bits;
    struct sp_error error;

    if ((wanted != NULL && strcmp(wanted, "signals") == 0) || page_bits_open(&bits, &error) != 0)
        return false;
    page_bits_close(&bits);
    return true;
}

/* Run `selfpage COMMAND SCENARIO --json` with the options that both have. */
static json_t *run_one(const struct comparison *comparison, const char *command,
                       struct sp_error *error)
{
    const struct compare_options *options = comparison->options;
    struct strings argv = {0};
    json_t *object;

    strings_add(&argv, "selfpage");
    strings_add(&argv, command);
    strings_add(&argv, options->scenario);
    strings_add(&argv, "--json");
    if (options->workloads && strcmp(command, "run") == 0)
        strings_add(&argv, "--workloads");
    if (strcmp(command, "simulate") == 0 && kernel_notes_references())
        strings_add(&argv, "--kernel-bits");
    if (options->costs != NULL && strcmp(command, "simulate") == 0)
        strings_format(&argv, "--costs=%s", options->costs);
    for (size_t i = 0; i < options->passed.count; i++)
        strings_add(&argv, options->passed.items[i]);
    if (argv.failed) {
        error_set(error, ENOMEM, "out of memory");
        object = NULL;
    } else {
        object = self_json(argv.items, error);
    }
    strings_fini(&argv);
    return object;
}

static int run_all(struct comparison *comparison, struct sp_error *error)
{
    uint32_t runs = comparison->options->runs;

    comparison->live = calloc(runs, sizeof *comparison->live);
    if (comparison->live == NULL)
        return error_set(error, ENOMEM, "out of memory");
    comparison->simulated = run_one(comparison, "simulate", error);
    if (comparison->simulated == NULL)
        return -EIO;
    for (uint32_t i = 0; i < runs; i++) {
        comparison->live[i] = run_one(comparison, "run", error);
        if (comparison->live[i] == NULL)
            return -EIO;
    }
    return 0;
}

static struct counted count(const struct comparison *comparison, size_t task, const char *counter)
{
    json_t *object = json_array_get(json_object_get(comparison->simulated, "tasks"), task);
    struct counted counted = {
        .task = json_string_value(json_object_get(object, "name")),
        .counter = counter,
        .least = UINT64_MAX,
        .simulated = counted_value(comparison->simulated, task, counter),
    };

    for (uint32_t i = 0; i < comparison->options->runs; i++) {
        uint64_t value = counted_value(comparison->live[i], task, counter);

        counted.least = value < counted.least ? value : counted.least;
        counted.most = value > counted.most ? value : counted.most;
    }
    return counted;
}

static void show_row(FILE *out, const struct counted *counted)
{
    char live[48], verdict[32];

    if (counted->most == 0 && counted->simulated == 0)
        return;
    if (counted->least == counted->most)
        snprintf(live, sizeof live, "%llu", (unsigned long long)counted->least);
    else
        snprintf(live, sizeof live, "%llu to %llu", (unsigned long long)counted->least,
                 (unsigned long long)counted->most);
    counted_verdict_text(counted, verdict, sizeof verdict);
    fprintf(out, "%-16s %-16s %24s %12llu  %s\n", counted->task, counted->counter, live,
            (unsigned long long)counted->simulated, verdict);
}

static json_t *row_json(const struct counted *counted)
{
    char verdict[32];

    counted_verdict_text(counted, verdict, sizeof verdict);
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:s}", "task", counted->task, "counter",
                     counted->counter, "live_least", (json_int_t)counted->least, "live_most",
                     (json_int_t)counted->most, "simulated", (json_int_t)counted->simulated,
                     "verdict", verdict);
}

/* How long tasks took. Returns whether it is near enough. */
static bool show_times(FILE *out, const struct comparison *comparison, json_t **timesp)
{
    const struct compare_options *options = comparison->options;
    struct times live = {0}, simulated = {0};
    bool near = true;

    times_add(&simulated, comparison->simulated);
    for (uint32_t i = 0; i < options->runs; i++)
        times_add(&live, comparison->live[i]);
    near = times_show(out, "median", 0.5, &live, &simulated, options->median, timesp);
    near = times_show(out, "p99", 0.99, &live, &simulated, options->p99, timesp) && near;
    times_fini(&live);
    times_fini(&simulated);
    return near;
}

/* Show all counters. Returns the exit status. */
static int show(const struct comparison *comparison)
{
    FILE *out = comparison->options->json ? stderr : stdout;
    size_t tasks = json_array_size(json_object_get(comparison->simulated, "tasks"));
    unsigned verdicts[3] = {0}, far = 0;
    json_t *rows = json_array(), *times = json_array();
    bool failed = rows == NULL || times == NULL, near;

    fprintf(out, "%-16s %-16s %24s %12s\n", "task", "counter", "live", "simulated");
    for (size_t task = 0; task < tasks; task++)
        for (size_t i = 0; counted_names[i] != NULL; i++) {
            struct counted counted = count(comparison, task, counted_names[i]);

            verdicts[counted_judge(&counted)]++;
            far += counted_is_far(&counted, comparison->options->tolerance);
            show_row(out, &counted);
            failed = json_array_append_new(rows, row_json(&counted)) != 0 || failed;
        }
    fprintf(out, "%u equal, %u within, %u outside\n", verdicts[COUNTED_EQUAL],
            verdicts[COUNTED_WITHIN], verdicts[COUNTED_OUTSIDE]);
    near = show_times(out, comparison, &times);
    failed = failed || json_array_extend(rows, times) != 0;
    if (comparison->options->json)
        failed = json_dumpf(rows, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF || failed;
    json_decref(rows);
    json_decref(times);
    if (failed)
        return EXIT_CANNOT;
    return far == 0 && near ? EXIT_YES : EXIT_NO;
}

static int compare(const struct compare_options *options)
{
    struct comparison comparison = {.options = options};
    struct sp_error error;
    int status = run_all(&comparison, &error) == 0 ? show(&comparison) : commands_cannot(&error);

    json_decref(comparison.simulated);
    for (uint32_t i = 0; comparison.live != NULL && i < options->runs; i++)
        json_decref(comparison.live[i]);
    free(comparison.live);
    return status;
}

int compare_command(int argc, char **argv)
{
    struct compare_options options;
    struct sp_error error;
    int status = EXIT_YES;

    switch (compare_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        status = compare(&options);
        break;
    }
    compare_options_fini(&options);
    return status;
}
