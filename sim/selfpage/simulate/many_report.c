#include "selfpage/simulate/many_report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exits.h"
#include "selfpage/simulate/rows.h"

/* Failing seeds that are shown. */
#define FAILURES_SHOWN 10u

size_t many_report_size(const struct scenario *scenario)
{
    return sizeof(struct many_result) + rows_columns(scenario) * sizeof(uint64_t);
}

struct many_result *many_report_result(const struct many_results *results, uint64_t index)
{
    return (struct many_result *)(void *)(results->results + index * results->size);
}

/* Results that have a row. Returns how many values there are of the column. */
static size_t collect(const struct many_results *results, size_t column, uint64_t *values)
{
    struct column_name name = rows_column(results->scenario, column);
    size_t count = 0;

    for (uint64_t i = 0; i < results->count; i++) {
        const struct many_result *result = many_report_result(results, i);

        if ((result->state == MANY_PASSED || result->state == MANY_FAILED) &&
            !(name.real && isnan(rows_real(result->row[column]))))
            values[count++] = result->row[column];
    }
    return count;
}

/* ---- For people ---- */

static void write_real(FILE *out, const char *name, const struct spread *spread)
{
    fprintf(out, "%-40s %12.4g %12.4g %12.4g %12.4g %12.4g\n", name, rows_real(spread->median),
            rows_real(spread->least), rows_real(spread->tenth), rows_real(spread->ninetieth),
            rows_real(spread->most));
}

static bool is_shown(const char *counter)
{
    static const char *const shown[] = {"faults",      "soft_faults",   "evictions",
                                        "swapped_out", "swapped_in",    "dropped",
                                        "recalls_met", "recalls_missed"};

    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (strcmp(shown[i], counter) == 0)
            return true;
    return false;
}

static void write_table(FILE *out, const struct many_results *results, uint64_t *values)
{
    size_t columns = rows_columns(results->scenario);

    fprintf(out, "%-40s %12s %12s %12s %12s %12s\n", "counter", "median", "least", "10 %", "90 %",
            "most");
    for (size_t c = 0; c < columns; c++) {
        struct column_name name = rows_column(results->scenario, c);
        size_t count = collect(results, c, values);
        struct spread spread;
        char label[80];

        if (count == 0 || !(name.real || is_shown(name.counter)))
            continue;
        spread = rows_spread(values, count);
        if (name.real) {
            write_real(out, name.counter, &spread);
            continue;
        }
        if (spread.most == 0)
            continue;
        snprintf(label, sizeof label, strcmp(name.object, "tasks") == 0 ? "sum(%s.%s)" : "%s.%s",
                 name.object, name.counter);
        fprintf(out, "%-40s %12llu %12llu %12llu %12llu %12llu\n", label,
                (unsigned long long)spread.median, (unsigned long long)spread.least,
                (unsigned long long)spread.tenth, (unsigned long long)spread.ninetieth,
                (unsigned long long)spread.most);
    }
}

/* Returns how many did not pass. */
static uint64_t write_failures(FILE *out, const struct many_results *results, uint64_t *failedp)
{
    uint64_t failures = 0;

    for (uint64_t i = 0; i < results->count; i++) {
        const struct many_result *result = many_report_result(results, i);

        if (result->state == MANY_PASSED)
            continue;
        if (failures == 0)
            *failedp = results->first_seed + i;
        if (failures++ < FAILURES_SHOWN)
            fprintf(out, "  FAILED  --seed %llu: %s\n",
                    (unsigned long long)(results->first_seed + i), result->why);
    }
    if (failures > FAILURES_SHOWN)
        fprintf(out, "  ... and %llu more\n", (unsigned long long)(failures - FAILURES_SHOWN));
    return failures;
}

static bool cannot(const struct many_results *results)
{
    for (uint64_t i = 0; i < results->count; i++)
        if (many_report_result(results, i)->state == MANY_CANNOT)
            return true;
    return false;
}

/* ---- For programs ---- */

static json_t *spread_json(const struct spread *spread)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "least", (json_int_t)spread->least, "tenth",
                     (json_int_t)spread->tenth, "median", (json_int_t)spread->median, "ninetieth",
                     (json_int_t)spread->ninetieth, "most", (json_int_t)spread->most);
}

static json_t *real_json(const struct spread *spread)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f}", "least", rows_real(spread->least), "tenth",
                     rows_real(spread->tenth), "median", rows_real(spread->median), "ninetieth",
                     rows_real(spread->ninetieth), "most", rows_real(spread->most));
}

static int add_counters(json_t *counters, const struct many_results *results, uint64_t *values)
{
    size_t columns = rows_columns(results->scenario);

    for (size_t c = 0; c < columns; c++) {
        struct column_name name = rows_column(results->scenario, c);
        size_t count = collect(results, c, values);
        json_t *object = json_object_get(counters, name.object);
        struct spread spread;

        if (count == 0)
            continue;
        spread = rows_spread(values, count);
        if (object == NULL && json_object_set_new(counters, name.object, json_object()) != 0)
            return -1;
        object = json_object_get(counters, name.object);
        if (json_object_set_new(object, name.counter,
                                name.real ? real_json(&spread) : spread_json(&spread)) != 0)
            return -1;
    }
    return 0;
}

static int add_plays(json_t *plays, const struct many_results *results)
{
    static const char *const states[] = {"not played", "passed", "failed", "cannot"};

    for (uint64_t i = 0; i < results->count; i++) {
        const struct many_result *result = many_report_result(results, i);
        uint64_t seed = results->first_seed + i;
        char hash[24];

        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->hash);
        if (json_array_append_new(
                plays, json_pack("{s:I,s:s,s:s,s:I,s:f,s:s}", "seed", (json_int_t)seed, "state",
                                 states[result->state], "hash", hash, "events_played",
                                 (json_int_t)result->events, "virtual_seconds",
                                 (double)result->virtual_ns / 1e9, "why", result->why)) != 0)
            return -1;
    }
    return 0;
}

static int print_json(const struct many_results *results, uint64_t *values, uint64_t failures)
{
    json_t *object = json_object(), *counters = json_object(), *plays = json_array();
    int failed = object == NULL || counters == NULL || plays == NULL;

    if (!failed && results->varied != NULL)
        failed = json_object_set_new(object, "varied", json_string(results->varied)) != 0;
    if (!failed)
        failed = add_counters(counters, results, values) != 0 || add_plays(plays, results) != 0;
    failed = json_object_set_new(object, "passed", json_boolean(failures == 0)) != 0 || failed;
    failed = json_object_set_new(object, "counters", counters) != 0 || failed;
    failed = json_object_set_new(object, "plays", plays) != 0 || failed;
    if (!failed)
        failed = json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF ||
                 fflush(stdout) != 0;
    json_decref(object);
    return failed ? -1 : 0;
}

int many_report_show(const struct many_results *results, bool json, uint64_t *failedp)
{
    uint64_t *values = calloc(results->count, sizeof *values);
    FILE *out = json ? stderr : stdout;
    uint64_t failures;
    int status = EXIT_CANNOT;

    if (values != NULL) {
        if (results->varied != NULL)
            fprintf(out, "--- %s\n", results->varied);
        write_table(out, results, values);
        failures = write_failures(out, results, failedp);
        fprintf(out, "%llu of %llu seeds passed\n", (unsigned long long)(results->count - failures),
                (unsigned long long)results->count);
        status = failures == 0 ? EXIT_YES : EXIT_NO;
        if (cannot(results) || (json && print_json(results, values, failures) != 0))
            status = EXIT_CANNOT;
    }
    if (values == NULL || (json && status == EXIT_CANNOT))
        fprintf(stderr, "selfpage: cannot show all results\n");
    free(values);
    return status;
}
