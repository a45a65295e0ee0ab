/* Who has how many frames while the benchmark runs, and what that says of fairness. */
#include "selfpage/bench/load.h"

#include <stdlib.h>

/* What each task holds, against what it is entitled to: what it is guaranteed, but at least an equal
 * share of all frames. What it has use for are the frames of its contracts, and what it proposed
 * last and was not granted. */
void bench_use_sample(struct bench_load *load)
{
    struct bench_result *result = load->result;
    double share = (double)load->options->frames / load->options->all;
    double held = 0, sum = 0, squares = 0;

    if (result->samples == BENCH_SAMPLES)
        return; /* the last one may come late */
    for (uint32_t i = 0; i < load->tasks; i++) {
        struct bench_task *task = &load->task[i];
        double guaranteed = bench_task_wish(task, true);
        double part = bench_task_held(task) / (guaranteed > share ? guaranteed : share);
        uint32_t demand = bench_task_wish(task, false) + task->unmet;

        task->useful += bench_task_held(task) < demand ? bench_task_held(task) : demand;
        held += bench_task_held(task);
        sum += part;
        squares += part * part;
    }
    result->held[result->samples] = held;
    result->parts[result->samples] = sum;
    result->squares[result->samples] = squares;
    result->samples++;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void bench_use_finish(struct bench_result *result, uint64_t *useful, uint32_t tasks)
{
    for (uint32_t i = 0; i < result->samples; i++) {
        double held = result->held[i], sum = result->parts[i], squares = result->squares[i];

        /* A task that was revoked counts its frames until it hears of it, and others may have them. */
        result->utilisation[i] = held < result->frames ? held / result->frames : 1;
        result->fairness[i] = squares > 0 ? sum * sum / (tasks * squares) : 1;
    }
    qsort(useful, tasks, sizeof(*useful), by_size);
    if (useful[tasks / 2] > 0)
        result->disparity = (double)useful[0] / (double)useful[tasks / 2];
}

void bench_correct(struct bench_result *result, uint32_t outstanding)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++)
        count += result->latency[i].count;
    /* Each of those outstanding is one after the other. */
    if (count > 0)
        result->interval_ns = (uint64_t)(result->seconds * 1e9 * outstanding / (double)count);
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        if (result->interval_ns > 0)
            histogram_add_corrected(&result->corrected[i], &result->latency[i],
                                    result->interval_ns);
        else
            histogram_add(&result->corrected[i], &result->latency[i]);
    }
}
