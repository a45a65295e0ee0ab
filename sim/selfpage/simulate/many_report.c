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

const char *const many_report_states[] = {"not played", "passed", "failed", "died", "cannot"};

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
    static const char *const shown[] = {"faults",      "soft_faults",    "evictions",
                                        "swapped_out", "swapped_in",     "dropped",
                                        "recalls_met", "recalls_missed", "microseconds"};

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
            *failedp = result->seed;
        if (failures++ < FAILURES_SHOWN)
            fprintf(out, "  FAILED  --seed %llu: %s\n", (unsigned long long)result->seed,
                    result->why);
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

/* The names of all columns: OBJECT.COUNTER. */
static json_t *columns_json(const struct many_results *results)
{
    json_t *columns = json_array();

    for (size_t c = 0; c < rows_columns(results->scenario); c++) {
        struct column_name name = rows_column(results->scenario, c);

        json_array_append_new(columns, json_sprintf("%s.%s", name.object, name.counter));
    }
    return columns;
}

/* A row as it is: values of real columns are texts, for they are not exact as numbers of JSON. */
static json_t *row_json(const struct many_results *results, const struct many_result *result)
{
    json_t *row = json_array();

    for (size_t c = 0; c < rows_columns(results->scenario); c++)
        json_array_append_new(row, rows_column(results->scenario, c).real
                                       ? json_sprintf("%016llx", (unsigned long long)result->row[c])
                                       : json_integer((json_int_t)result->row[c]));
    return row;
}

/* The numbers of expectations that did not hold. */
static json_t *unmet_json(const struct many_result *result)
{
    json_t *unmet = json_array();

    for (uint32_t i = 0; i < MANY_EXPECTATIONS; i++)
        if ((result->unmet[i / 64] >> (i % 64) & 1) != 0)
            json_array_append_new(unmet, json_integer(i));
    return unmet;
}

static int add_plays(json_t *plays, const struct many_results *results, bool rows)
{
    for (uint64_t i = 0; i < results->count; i++) {
        const struct many_result *result = many_report_result(results, i);
        char hash[24];
        json_t *play;

        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->hash);
        play = json_pack("{s:I,s:s,s:s,s:I,s:f,s:s,s:o}", "seed", (json_int_t)result->seed, "state",
                         many_report_states[result->state], "hash", hash, "events_played",
                         (json_int_t)result->events, "virtual_seconds",
                         (double)result->virtual_ns / 1e9, "why", result->why, "unmet",
                         unmet_json(result));
        if (json_array_append_new(plays, play) != 0 ||
            (rows && json_object_set_new(play, "row", row_json(results, result)) != 0))
            return -1;
    }
    return 0;
}

/* Each expectation, and how many plays did not meet it. */
static json_t *expectations_json(const struct many_results *results)
{
    json_t *all = json_array();
    uint32_t index = 0;

    for (const char *text = results->texts; *text != '\0'; text += strlen(text) + 1, index++) {
        uint64_t unmet = 0;

        for (uint64_t i = 0; i < results->count; i++)
            unmet += many_report_result(results, i)->unmet[index / 64] >> (index % 64) & 1;
        json_array_append_new(all, json_pack("{s:s,s:b,s:I}", "text", text, "passed", unmet == 0,
                                             "unmet", (json_int_t)unmet));
    }
    return all;
}

static int print_json(const struct many_results *results, bool rows, uint64_t *values,
                      uint64_t failures)
{
    json_t *object = json_object(), *counters = json_object(), *plays = json_array();
    int failed = object == NULL || counters == NULL || plays == NULL;

    if (!failed && results->varied != NULL)
        failed = json_object_set_new(object, "varied", json_string(results->varied)) != 0;
    if (!failed)
        failed =
            add_counters(counters, results, values) != 0 || add_plays(plays, results, rows) != 0;
    failed = json_object_set_new(object, "passed", json_boolean(failures == 0)) != 0 || failed;
    failed = json_object_set_new(object, "expectations", expectations_json(results)) != 0 || failed;
    failed = json_object_set_new(object, "counters", counters) != 0 || failed;
    if (rows)
        failed = json_object_set_new(object, "columns", columns_json(results)) != 0 || failed;
    failed = json_object_set_new(object, "plays", plays) != 0 || failed;
    if (!failed)
        failed = json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF ||
                 fflush(stdout) != 0;
    json_decref(object);
    return failed ? -1 : 0;
}

void many_report_judge(const struct many_results *results, const char *suite,
                       struct verdicts *verdicts)
{
    uint32_t index = 0;

    for (const char *text = results->texts; *text != '\0'; text += strlen(text) + 1, index++) {
        uint64_t unmet = 0, first = 0;
        char why[120];

        for (uint64_t i = results->count; i-- > 0;) {
            const struct many_result *result = many_report_result(results, i);

            if ((result->unmet[index / 64] >> (index % 64) & 1) == 0)
                continue;
            unmet++;
            first = result->seed;
        }
        snprintf(why, sizeof why, "not with %llu of %llu seeds, the first is --seed %llu",
                 (unsigned long long)unmet, (unsigned long long)results->count,
                 (unsigned long long)first);
        verdicts_add(verdicts, suite, text, unmet == 0, why);
    }
    for (uint64_t i = 0; i < results->count; i++) {
        const struct many_result *result = many_report_result(results, i);
        char text[60];

        if (result->state == MANY_PASSED || result->state == MANY_FAILED)
            continue;
        snprintf(text, sizeof text, "seed %llu is played", (unsigned long long)result->seed);
        verdicts_add(verdicts, suite, text, false, result->why);
    }
}

int many_report_show(const struct many_results *results, const struct many_look *look,
                     uint64_t *failedp)
{
    uint64_t *values = calloc(results->count, sizeof *values);
    FILE *out = look->json || look->aside ? stderr : stdout;
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
        if (cannot(results) ||
            (look->json && print_json(results, look->rows, values, failures) != 0))
            status = EXIT_CANNOT;
    }
    if (values == NULL || (look->json && status == EXIT_CANNOT))
        fprintf(stderr, "selfpage: cannot show all results\n");
    free(values);
    return status;
}
