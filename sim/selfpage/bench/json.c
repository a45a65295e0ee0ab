/* What `selfpage bench contracts --json` prints. */
#include "selfpage/bench/bench.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "core/contracts/terms_text.h"
#include "selfpage/command/json_out.h"

/* With more tasks than this their numbers over time are left out. */
#define SERIES_MOST 256u

/* Every set is checked here: jansson's functions take NULL for a value and report it. */
static void put(json_t *object, const char *name, json_t *value, bool *failed)
{
    if (json_object_set_new(object, name, value) != 0)
        *failed = true;
}

static void put_count(json_t *object, const char *name, uint64_t value, bool *failed)
{
    put(object, name, json_integer((json_int_t)value), failed);
}

/* Times in ns, perhaps corrected; how many were measured. */
static json_t *latency_json(const struct histogram *histogram, const struct histogram *measured,
                            double seconds, bool *failed)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50", 0.5},     {"p90", 0.9},       {"p99", 0.99},
                     {"p99_9", 0.999}, {"p99_99", 0.9999}, {"most", 1}};
    json_t *object = json_object();

    put_count(object, "count", measured->count, failed);
    if (seconds > 0)
        put(object, "rate", json_real((double)measured->count / seconds), failed);
    put(object, "mean", json_real(histogram_mean(histogram)), failed);
    for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        put_count(object, quantiles[i].name, histogram_quantile(histogram, quantiles[i].share),
                  failed);
    return object;
}

static json_t *histogram_json(const struct histogram *histogram, double seconds, bool *failed)
{
    return latency_json(histogram, histogram, seconds, failed);
}

/* Where the processes run that drive tasks. */
static json_t *cores_json(const struct bench_options *options, bool *failed)
{
    json_t *array = json_array();

    if (options->processes == 0 &&
        json_array_append_new(array, json_integer(options->core[0])) != 0)
        *failed = true;
    for (unsigned i = 0; i < options->processes; i++)
        if (json_array_append_new(
                array, json_integer(options->worker_core[i % options->worker_cores])) != 0)
            *failed = true;
    return array;
}

/* The values of an option that tasks take in turn. */
static json_t *values_json(const struct bench_values *values, bool *failed)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < values->count; i++)
        if (json_array_append_new(array, json_integer(values->value[i])) != 0)
            *failed = true;
    return array;
}

/* What was asked for, so that the run can be made again. */
static void settings_json(json_t *object, const struct bench_options *options, bool *failed)
{
    json_t *mix = json_object(), *kinds = json_object();

    for (unsigned i = 0; i < BENCH_MIXED; i++)
        put_count(mix, bench_kind_names[i], options->mix[i], failed);
    for (unsigned i = 0; i < BENCH_TERM_KINDS; i++)
        put_count(kinds, terms_text_kind(i), options->kinds[i], failed);
    put(object, "mix", mix, failed);
    put(object, "kinds", kinds, failed);
    put_count(object, "order", options->order, failed);
    put(object, "demand", json_string(demand_name(&options->demand)), failed);
    put(object, "weights", values_json(&options->weights, failed), failed);
    put(object, "bids", values_json(&options->bids, failed), failed);
    put(object, "priorities", values_json(&options->priorities, failed), failed);
    put_count(object, "idle", options->idle, failed);
    put_count(object, "grace_ns", options->grace_ns, failed);
    put_count(object, "silent_grace_ns", options->silent_grace_ns, failed);
    put_count(object, "slow_after_ns", options->slow_after_ns, failed);
    put_count(object, "requests", options->requests, failed);
}

static json_t *load_json(const struct bench_options *options, const struct bench_result *result,
                         bool *failed)
{
    json_t *object = json_object();

    put_count(object, "tasks", options->tasks, failed);
    put_count(object, "slow", options->slow, failed);
    put_count(object, "silent", options->silent, failed);
    put_count(object, "frames", result->frames, failed);
    put(object, "contention", json_real(options->contention), failed);
    put(object, "loop", json_string(options->outstanding > 0 ? "closed" : "open"), failed);
    put_count(object, "outstanding", options->outstanding, failed);
    put(object, "rate", json_real(options->rate), failed);
    /* A seed has 64 bits, an integer here 63. */
    put(object, "seed", json_sprintf("%llu", (unsigned long long)options->seed), failed);
    settings_json(object, options, failed);
    put_count(object, "warmup_ns", result->warmup_ns, failed);
    put(object, "seconds", json_real(result->seconds), failed);
    put_count(object, "corrected_interval_ns", result->interval_ns, failed);
    put_count(object, "processes", options->processes, failed);
    put(object, "cores_tasks", cores_json(options, failed), failed);
    put(object, "core_physmem", json_integer(options->core[1]), failed);
    return object;
}

static json_t *counts_json(const struct bench_result *result, bool *failed)
{
    struct bench_recalls recalls = bench_use_recalls(result);
    json_t *object = json_object();

#define PUT(name) put_count(object, #name, BENCH_COUNTED(result, name), failed)
    PUT(proposals);
    PUT(accepted);
    PUT(countered);
    PUT(refused);
    put_count(object, "recalls", recalls.all, failed);
    put_count(object, "recalls_before", recalls.before, failed);
    put_count(object, "recalls_met", recalls.met, failed);
    put_count(object, "recalls_missed", recalls.missed, failed);
    put_count(object, "recalls_left", recalls.left, failed);
    PUT(frames_recalled);
    PUT(recalls_transparent);
    PUT(frames_transparent);
    PUT(recall_passes);
    PUT(breaches);
    PUT(allocated);
    PUT(regained);
    PUT(messages);
#undef PUT
    put_count(object, "revoked_silent", result->revoked, failed);
    put_count(object, "revoked_compliant", result->revoked_compliant, failed);
    put_count(object, "unsent", result->unsent, failed);
    return object;
}

static json_t *samples_json(const double *values, uint32_t count, bool *failed)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_real(values[i])) != 0)
            *failed = true;
    return array;
}

/* One number of each sample of a task. */
static json_t *series_json(const struct bench_use *use, uint32_t count, bool demand, bool *failed)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_integer(demand ? use[i].demand : use[i].held)) != 0)
            *failed = true;
    return array;
}

/* Each task: what it has of its contracts, and what it held and would have used over time. */
static json_t *tasks_json(const struct bench_options *options, const struct bench_result *result,
                          bool *failed)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < options->tasks && result->use != NULL; i++) {
        const struct bench_use *use = &result->use[i * BENCH_SAMPLES];
        json_t *object = json_object();

        put_count(object, "task", i, failed);
        put_count(object, "weight", bench_value(&options->weights, i, 1), failed);
        put_count(object, "bid", bench_value(&options->bids, i, 0), failed);
        put_count(object, "priority", bench_value(&options->priorities, i, 0), failed);
        put(object, "idle", json_boolean(i >= options->tasks - options->idle), failed);
        if (options->tasks <= SERIES_MOST) {
            put(object, "held", series_json(use, result->samples, false, failed), failed);
            put(object, "demand", series_json(use, result->samples, true, failed), failed);
        }
        if (json_array_append_new(array, object) != 0)
            *failed = true;
    }
    return array;
}

static json_t *use_json(const struct bench_options *options, const struct bench_result *result,
                        bool *failed)
{
    json_t *object = json_object();

    put(object, "utilisation", json_real(bench_use_mean(result->utilisation, result->samples)),
        failed);
    put(object, "jain", json_real(bench_use_mean(result->fairness, result->samples)), failed);
    put(object, "disparity", json_real(result->disparity), failed);
    put(object, "settled", json_boolean(!result->rising), failed);
    put(object, "seconds", samples_json(result->times, result->samples, failed), failed);
    put(object, "utilisation_over_time", samples_json(result->utilisation, result->samples, failed),
        failed);
    put(object, "jain_over_time", samples_json(result->fairness, result->samples, failed), failed);
    put(object, "tasks", tasks_json(options, result, failed), failed);
    return object;
}

static json_t *machine_json(const struct machine *machine, bool *failed)
{
    json_t *object = json_object();

    put(object, "is_measurement", json_boolean(machine_was_ours(machine)), failed);
    put(object, "taken_by_others",
        machine->unknown ? json_null() : json_real(machine_taken(machine)), failed);
    put(object, "tolerable", json_real(MACHINE_TOLERABLE), failed);
    put(object, "cpu_pressure", json_real(machine_pressure(machine)), failed);
    return object;
}

static json_t *ratios_json(const struct bench_result *result, bool *failed)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < result->ratios; i++) {
        json_t *object = json_object();

        put(object, "name", json_string(result->ratio[i].name), failed);
        put(object, "physmem", json_real(result->ratio[i].subject), failed);
        put(object, "bare", json_real(result->ratio[i].baseline), failed);
        put(object, "ratio", json_real(result->ratio[i].ratio), failed);
        put(object, "wanted", json_real(result->ratio[i].limit), failed);
        if (json_array_append_new(array, object) != 0)
            *failed = true;
    }
    return array;
}

static json_t *books_json(const struct bench_result *result, bool *failed)
{
    const struct observed_physmem *end = &result->end;
    json_t *object = json_object();

    put(object, "right", json_boolean(result->books_right), failed);
    put_count(object, "frames", end->frames, failed);
    put_count(object, "free", end->free, failed);
    put_count(object, "guaranteed", end->guaranteed, failed);
    put_count(object, "leased", end->leased, failed);
    put_count(object, "tasks", end->tasks, failed);
    put_count(object, "violations", end->violations, failed);
    return object;
}

static json_t *slow_json(const struct bench_slow *slow, bool *failed)
{
    static const char *const names[] = {"without", "with"};
    json_t *object = json_object();

    if (!slow->done) {
        json_decref(object);
        return json_null();
    }
    put_count(object, "turns", slow->turns, failed);
    put_count(object, "recalls", slow->recalls, failed);
    put(object, "owing", json_real(slow->owing), failed);
    for (unsigned side = 0; side < 2; side++) {
        json_t *part = json_object();

        put(part, "negotiation_ns", histogram_json(&slow->negotiation[side], 0, failed), failed);
        put(part, "allocation_ns", histogram_json(&slow->allocation[side], 0, failed), failed);
        put(object, names[side], part, failed);
    }
    put(object, "negotiation_p99_ns", samples_json(slow->negotiation_p99, 2, failed), failed);
    put(object, "allocation_p99_ns", samples_json(slow->allocation_p99, 2, failed), failed);
    return object;
}

static json_t *great_json(const struct bench_recall *great, bool *failed)
{
    json_t *object = json_object();

    if (!great->done) {
        json_decref(object);
        return json_null();
    }
    put_count(object, "tasks", great->tasks, failed);
    put_count(object, "frames", great->frames, failed);
    put_count(object, "messages", great->messages, failed);
    put_count(object, "passes", great->passes, failed);
    put_count(object, "told_ns", great->sent_ns, failed);
    put_count(object, "returned_ns", great->all_ns, failed);
    return object;
}

static json_t *result_json(const struct bench_options *options, const struct bench_result *result,
                           bool *failed)
{
    json_t *object = json_object(), *latency = json_object(), *refused = json_object();
    json_t *measured = json_object();

    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        put(latency, bench_kind_names[i],
            latency_json(&result->corrected[i], &result->latency[i], result->seconds, failed),
            failed);
        put(measured, bench_kind_names[i], histogram_json(&result->latency[i], 0, failed), failed);
        put_count(refused, bench_kind_names[i], result->failed[i], failed);
    }
    put(object, "arbiter", result->arbiter != NULL ? json_string(result->arbiter) : json_null(),
        failed);
    put(object, "load", load_json(options, result, failed), failed);
    put(object, "latency_ns", latency, failed);
    put(object, "uncorrected_ns", measured, failed);
    put(object, "answered_with_error", refused, failed);
    put(object, "return_ns", histogram_json(&result->recall, result->seconds, failed), failed);
    put(object, "reuse_ns", histogram_json(&result->reuse, result->seconds, failed), failed);
    put(object, "counts", counts_json(result, failed), failed);
    put(object, "use", use_json(options, result, failed), failed);
    put(object, "machine", machine_json(&result->machine, failed), failed);
    put(object, "ratios", ratios_json(result, failed), failed);
    put_count(object, "few_tasks", result->few, failed);
    put(object, "proposal_few_ns", histogram_json(&result->quiet_few, 0, failed), failed);
    put(object, "proposal_all_ns", histogram_json(&result->quiet_all, 0, failed), failed);
    put(object, "one_slow_task", slow_json(&result->slow, failed), failed);
    put(object, "great_recall", great_json(&result->great, failed), failed);
    put(object, "bytes_a_task",
        result->task_bytes >= 0 ? json_real(result->task_bytes) : json_null(), failed);
    put(object, "books", books_json(result, failed), failed);
    return object;
}

int bench_json(const struct bench_options *options, struct bench_result *const *results,
               size_t count)
{
    bool failed = false;
    json_t *object;
    int code = 0;

    if (count == 1) {
        object = result_json(options, results[0], &failed);
    } else {
        json_t *runs = json_array();

        for (size_t i = 0; i < count; i++)
            if (json_array_append_new(runs, result_json(options, results[i], &failed)) != 0)
                failed = true;
        object = json_object();
        put(object, "runs", runs, &failed);
    }
    if (failed || object == NULL)
        code = -ENOMEM;
    else
        code = json_out_print(stdout, object, JSON_INDENT(2));
    json_decref(object);
    return code;
}
