/* How many frames each task has while the benchmark runs, and what that says of fairness. */
#include "selfpage/bench/load.h"

#include <errno.h>
#include <stdlib.h>

#include "os/clock.h"
#include "selfpage/bench/fair.h"

/* Use that changes by more than this part of all frames has not settled. */
#define SETTLED 0.05

double bench_use_mean(const double *values, uint32_t count)
{
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return count == 0 ? 0 : sum / count;
}

struct bench_recalls bench_use_recalls(const struct bench_result *result)
{
    const struct observed_physmem *before = &result->before;
    struct bench_recalls recalls = {
        .before = before->recalls - before->recalls_met - before->recalls_missed,
        .met = BENCH_COUNTED(result, recalls_met),
        .missed = BENCH_COUNTED(result, recalls_missed),
    };

    recalls.all = BENCH_COUNTED(result, recalls) + recalls.before;
    recalls.left = recalls.all - recalls.met - recalls.missed;
    return recalls;
}

void bench_use_fill(struct bench_filling *filling, struct bench_use use)
{
    filling->held += use.held;
    filling->useful += use.held < use.demand ? use.held : use.demand;
    filling->demand += use.demand;
}

double bench_use_filled(const struct bench_filling *filling, const struct bench_options *options,
                        uint32_t frames)
{
    uint64_t part = filling->held, whole = frames;

    if (options->demand.kind != DEMAND_NONE) {
        part = filling->useful;
        whole = filling->demand < frames ? filling->demand : frames;
    }
    return part < whole ? (double)part / (double)whole : 1;
}

void bench_use_sample(struct bench_load *load)
{
    struct bench_result *result = load->result;

    if (load->use == NULL || result->samples == BENCH_SAMPLES)
        return; /* the last one may come late */
    for (uint32_t i = 0; i < load->tasks; i++)
        load->use[i * BENCH_SAMPLES + result->samples] =
            (struct bench_use){bench_task_held(&load->task[i]), bench_ask_demand(&load->task[i])};
    result->times[result->samples] =
        (double)(clock_now_ns() - load->measure_from) / (double)CLOCK_NS_PER_S;
    result->samples++;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One moment, and sums over all of them. */
struct moment {
    uint32_t *held, *demand, *weight;
    double *share;
    double *had, *fair; /* sums: useful frames, and fair shares */
};

static void look(const struct bench_options *options, struct bench_result *result,
                 struct moment *moment, uint32_t sample)
{
    struct bench_filling filling = {0};

    for (uint32_t i = 0; i < options->tasks; i++) {
        const struct bench_use *use = &result->use[i * BENCH_SAMPLES + sample];

        moment->held[i] = use->held;
        moment->demand[i] = use->demand;
        bench_use_fill(&filling, *use);
    }
    result->filled[sample] = bench_use_filled(&filling, options, result->frames);
    fair_shares(moment->demand, moment->weight, options->tasks, result->frames, moment->share);
    /* A task that was revoked counts its frames until it hears of it, and others may have them. */
    result->utilisation[sample] =
        filling.held < result->frames ? (double)filling.held / result->frames : 1;
    result->fairness[sample] =
        fair_index(moment->held, moment->demand, moment->share, options->tasks);
    for (uint32_t i = 0; i < options->tasks; i++) {
        moment->had[i] += moment->held[i] < moment->demand[i] ? moment->held[i] : moment->demand[i];
        moment->fair[i] += moment->share[i];
    }
}

/* The least of had / fair, as a part of the median. */
static double disparity_of(struct moment *moment, uint32_t tasks)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < tasks; i++)
        if (moment->fair[i] > 0)
            moment->share[count++] = moment->had[i] / moment->fair[i];
    qsort(moment->share, count, sizeof(*moment->share), by_size);
    return count > 0 && moment->share[count / 2] > 0 ? moment->share[0] / moment->share[count / 2]
                                                     : 1;
}

/* Use had settled if the last fifth of the samples is as the first. */
static bool is_rising(const struct bench_result *result)
{
    uint32_t fifth = result->samples / 5;
    double change;

    if (fifth == 0)
        return false;
    change = bench_use_mean(result->filled + result->samples - fifth, fifth) -
             bench_use_mean(result->filled, fifth);
    return change > SETTLED || change < -SETTLED;
}

int bench_use_finish(const struct bench_options *options, struct bench_result *result)
{
    struct moment moment = {
        .held = calloc(options->tasks, sizeof(*moment.held)),
        .demand = calloc(options->tasks, sizeof(*moment.demand)),
        .weight = calloc(options->tasks, sizeof(*moment.weight)),
        .share = calloc(options->tasks, sizeof(*moment.share)),
        .had = calloc(options->tasks, sizeof(*moment.had)),
        .fair = calloc(options->tasks, sizeof(*moment.fair)),
    };
    bool there = moment.held != NULL && moment.demand != NULL && moment.weight != NULL &&
                 moment.share != NULL && moment.had != NULL && moment.fair != NULL;

    for (uint32_t i = 0; i < options->tasks && there; i++)
        moment.weight[i] = bench_value(&options->weights, i, 1);
    for (uint32_t sample = 0; sample < result->samples && there; sample++)
        look(options, result, &moment, sample);
    if (there) {
        result->disparity = disparity_of(&moment, options->tasks);
        result->rising = is_rising(result);
    }
    free(moment.held);
    free(moment.demand);
    free(moment.weight);
    free(moment.share);
    free(moment.had);
    free(moment.fair);
    return there ? 0 : -ENOMEM;
}

void bench_use_correct(struct bench_result *result, uint32_t outstanding)
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
