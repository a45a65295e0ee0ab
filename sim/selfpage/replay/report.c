#include "selfpage/replay/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

double report_miss_ratio(const struct replay_result *result)
{
    if (result->counts.references == 0)
        return 0;
    return (double)result->counts.misses / (double)result->counts.references;
}

double report_byte_miss_ratio(const struct replay_result *result)
{
    return result->bytes > 0 ? (double)result->counts.missed_bytes / (double)result->bytes : 0;
}

double report_rate(const struct replay_result *result)
{
    return result->seconds > 0 ? (double)result->counts.references / result->seconds : 0;
}

static int finish(FILE *out)
{
    bool lost = ferror(out) != 0;

    if (fflush(out) != 0)
        return -errno;
    return lost ? -EIO : 0;
}

/* ---- Table ---- */

/* True if bytes were counted, and the trace tells sizes. */
static bool has_bytes(const struct replay_results *results)
{
    return results->count > 0 && results->results[0].bytes > 0;
}

int replay_report_table(FILE *out, const struct replay_results *results)
{
    bool bytes = has_bytes(results);
    int width = 6;

    for (size_t i = 0; i < results->count; i++) {
        int length = (int)strlen(results->results[i].policy->label);

        width = length > width ? length : width;
    }
    if (results->count > 0 && results->results[0].counts.references == 0)
        fputs("0 references: the trace is empty, or all of it is left out\n", out);
    else if (results->count > 0)
        fprintf(out, "%llu references (%llu writes) to %llu pages\n",
                (unsigned long long)results->results[0].counts.references,
                (unsigned long long)results->results[0].counts.writes,
                (unsigned long long)results->results[0].pages);
    fprintf(out, "%-*s %10s %14s %10s", width, "policy", "frames", "misses", "miss ratio");
    if (bytes)
        fprintf(out, " %10s", "of bytes");
    fprintf(out, " %14s %14s %12s\n", "evictions", "dirty", "million/s");
    for (size_t i = 0; i < results->count; i++) {
        const struct replay_result *r = &results->results[i];

        fprintf(out, "%-*s %10u %14llu %10.6f", width, r->policy->label, r->frames,
                (unsigned long long)r->counts.misses, report_miss_ratio(r));
        if (bytes)
            fprintf(out, " %10.6f", report_byte_miss_ratio(r));
        fprintf(out, " %14llu %14llu %12.1f\n", (unsigned long long)r->counts.evictions,
                (unsigned long long)r->counts.dirty_evictions, report_rate(r) / 1e6);
    }
    for (size_t i = 0; i < results->count; i++)
        if (results->results[i].counts.policy_errors > 0)
            fprintf(out, "%s at %u frames named %llu victims that were not resident\n",
                    results->results[i].policy->label, results->results[i].frames,
                    (unsigned long long)results->results[i].counts.policy_errors);
    return finish(out);
}

/* ---- CSV ---- */

void report_csv_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* Enough digits for any count and ratio, whole numbers without a point. */
static void csv_number(FILE *out, double value)
{
    if (value == floor(value))
        fprintf(out, ",%.0f", value);
    else
        fprintf(out, ",%.9f", value);
}

int replay_report_csv(FILE *out, const struct replay_results *results)
{
    fputs("policy", out);
#define NAME(name, value) fputs("," #name, out);
    REPLAY_FIELDS(NAME)
#undef NAME
    fputc('\n', out);
    for (size_t i = 0; i < results->count; i++) {
        const struct replay_result *r = &results->results[i];

        report_csv_text(out, r->policy->label);
#define VALUE(name, value) csv_number(out, (double)(value));
        REPLAY_FIELDS(VALUE)
#undef VALUE
        fputc('\n', out);
    }
    return finish(out);
}

/* ---- JSON ---- */

static json_t *json_number(double value)
{
    return value == floor(value) && value < 0x1p53 ? json_integer((json_int_t)value)
                                                   : json_real(value);
}

static json_t *result_json(const struct replay_result *r, bool *failed)
{
    json_t *object = json_object();

    *failed |= json_object_set_new(object, "policy", json_string(r->policy->label)) != 0;
#define PUT(name, value)                                                                           \
    *failed |= json_object_set_new(object, #name, json_number((double)(value))) != 0;
    REPLAY_FIELDS(PUT)
#undef PUT
    return object;
}

int replay_report_json(FILE *out, const struct replay_results *results)
{
    json_t *array = json_array();
    bool failed = array == NULL;
    int result = 0;

    for (size_t i = 0; i < results->count; i++)
        failed |= json_array_append_new(array, result_json(&results->results[i], &failed)) != 0;
    if (failed)
        result = -ENOMEM;
    else if (json_dumpf(array, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0 ||
             fputc('\n', out) == EOF)
        result = -EIO;
    json_decref(array);
    return result != 0 ? result : finish(out);
}

/* ---- Jobs ---- */

/* A text as a shell reads it. */
static void job_text(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

static void job_option(FILE *out, const char *option, const char *text)
{
    fprintf(out, " %s ", option);
    job_text(out, text);
}

/* This very program, which need not be in the path of the shell that runs the job. */
static void job_program(FILE *out)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    path[length > 0 ? length : 0] = '\0';
    job_text(out, length > 0 ? path : "selfpage");
}

int replay_report_jobs(FILE *out, const struct replay_options *options)
{
    for (size_t i = 0; i < options->policy_count * options->size_count; i++) {
        job_program(out);
        fputs(" replay --json --quiet --threads 1", out);
        job_option(out, "--policy", options->policies[i % options->policy_count].label);
        job_option(out, "--frames", options->sizes[i / options->policy_count].text);
        if (options->trace.format != NULL)
            job_option(out, "--format", options->trace.format);
        if (options->trace.page_size != 0)
            fprintf(out, " --page-size %u", options->trace.page_size);
        if (options->trace.id_unit != 0)
            fprintf(out, " --id-unit %llu", (unsigned long long)options->trace.id_unit);
        fprintf(out, " --seed %llu --max-pages %u", (unsigned long long)options->seed,
                options->pages_most);
        job_option(out, "--", options->path);
        fputc('\n', out);
    }
    return finish(out);
}
