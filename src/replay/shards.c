#include "replay/shards.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "trace/mix.h"
#include "trace/reserve.h"

/* Hashes are taken below this. */
#define HASHES (UINT64_C(1) << 32)

double shards_rate(uint32_t pages)
{
    double rate = pages > 0 ? exp2(round(log2((double)SHARDS_PAGES / pages))) : 1;

    return rate * SHARDS_SAMPLES < 1 ? rate : 1;
}

static uint64_t hash_of(uint32_t page)
{
    return trace_mix(page + UINT64_C(0x5851f42d4c957f2d)) >> 32;
}

static bool take(const struct shard *shard, uint64_t hash)
{
    return shard->everything || (hash >= shard->from && hash < shard->below);
}

static int start_engine(const struct shard *shard, struct engine *engine,
                        const struct policy_choice *choice, double frames, uint64_t seed,
                        bool has_future, struct sp_error *error)
{
    uint32_t whole = (uint32_t)(frames + 0.5);

    whole = whole > 0 ? whole : 1;
    if (engine_is_optimum(choice->policy))
        return engine_init_optimum(engine, choice, whole, shard->pages_most, error);
    return engine_init(engine, choice, whole, shard->pages_most, seed, has_future, error);
}

/* Engines of the size that comes next: of the sample, and of its halves. */
static int start_size(struct shard *shard, const struct policy_choice *choice, uint32_t size,
                      uint64_t seed, bool has_future, struct sp_error *error)
{
    double frames = size * shard->rate;
    size_t at = shard->engine_count++;
    int result = start_engine(shard, &shard->engines[at], choice, frames, seed, has_future, error);

    shard->frames[at] = size;
    if (shard->everything || frames >= SHARDS_FRAMES_ENOUGH || at != shard->halved)
        return result;
    shard->halved++;
    for (int half = 0; half < 2 && result == 0; half++)
        result = start_engine(shard, &shard->halves[half][at], choice, frames / 2, seed, has_future,
                              error);
    return result;
}

static int start_engines(struct shard *shard, const struct policy_choice *choice,
                         const uint32_t *sizes, size_t size_count, uint64_t seed, bool has_future,
                         struct sp_error *error)
{
    int result = 0;

    for (size_t i = 0; i < size_count && result == 0; i++)
        if (shard->everything || sizes[i] * shard->rate >= SHARDS_FRAMES_LEAST)
            result = start_size(shard, choice, sizes[i], seed, has_future, error);
    return result;
}

/* Allocate memory for `size_count` sizes. False: there is none. */
static bool shard_allocate(struct shard *shard, size_t size_count)
{
    bool all = true;

    shard->number = reserve(shard->trace_pages * sizeof(uint32_t));
    shard->engines = calloc(size_count + 1, sizeof(*shard->engines));
    shard->frames = calloc(size_count + 1, sizeof(*shard->frames));
    shard->kept = malloc(POOL_BATCH * sizeof(*shard->kept));
    shard->kept_next = malloc(POOL_BATCH * sizeof(*shard->kept_next));
    for (int half = 0; half < 2; half++) {
        shard->halves[half] = calloc(size_count + 1, sizeof(*shard->halves[half]));
        shard->half[half] = malloc(POOL_BATCH * sizeof(*shard->half[half]));
        shard->half_next[half] = malloc(POOL_BATCH * sizeof(*shard->half_next[half]));
        all = all && shard->halves[half] != NULL && shard->half[half] != NULL &&
              shard->half_next[half] != NULL;
    }
    return all && shard->number != NULL && shard->engines != NULL && shard->frames != NULL &&
           shard->kept != NULL && shard->kept_next != NULL;
}

int shards_init(struct shard *shard, const struct policy_choice *choice, const uint32_t *sizes,
                size_t size_count, uint32_t pages, unsigned which, uint64_t seed, bool has_future,
                struct sp_error *error)
{
    double rate = shards_rate(pages);
    uint32_t expected = (uint32_t)(rate * pages);

    /* Far more than 2 * expected + 1000 pages in a sample are out of the question: its standard
     * deviation is below the root of the expected number. */
    *shard = (struct shard){.rate = rate,
                            .everything = rate >= 1,
                            .from = (uint64_t)(rate * which * (double)HASHES),
                            .below = (uint64_t)(rate * (which + 1) * (double)HASHES),
                            .trace_pages = pages,
                            .pages_most = rate >= 1 ? pages : 2 * expected + 1000};
    shard->middle = shard->from + (shard->below - shard->from) / 2;
    if (shard->pages_most == 0)
        shard->pages_most = 1;
    if (!shard_allocate(shard, size_count))
        return error_set(error, ENOMEM, "no memory for a sample of the trace");
    return start_engines(shard, choice, sizes, size_count, seed, has_future, error);
}

void shards_fini(struct shard *shard)
{
    for (size_t i = 0; i < shard->engine_count; i++)
        engine_fini(&shard->engines[i]);
    reserve_free(shard->number, shard->trace_pages * sizeof(uint32_t));
    free(shard->engines);
    free(shard->frames);
    free(shard->kept);
    free(shard->kept_next);
    for (int half = 0; half < 2; half++) {
        for (size_t i = 0; i < shard->halved; i++)
            engine_fini(&shard->halves[half][i]);
        free(shard->halves[half]);
        free(shard->half[half]);
        free(shard->half_next[half]);
    }
    *shard = (struct shard){.engine_count = 0};
}

/* The page's number in the sample; false if it has none. */
static bool renumber(struct shard *shard, uint32_t page, uint32_t *number)
{
    if (shard->number[page] == 0) {
        if (shard->pages == shard->pages_most)
            return false;
        shard->number[page] = ++shard->pages;
    }
    *number = shard->number[page] - 1;
    return true;
}

static void run_engines(struct engine *engines, size_t engine_count, const uint32_t *references,
                        const uint64_t *next, size_t count)
{
    for (size_t i = 0; i < engine_count; i++)
        engine_run(&engines[i], references, next, count);
}

void shards_run(void *context, const struct batch *batch)
{
    struct shard *shard = context;
    bool has_next = batch->next != NULL;
    size_t kept = 0, halves[2] = {0, 0};

    for (size_t i = 0; i < batch->count; i++) {
        uint32_t page = batch->references[i] >> 1, number;
        uint64_t hash = hash_of(page);
        int half = hash < shard->middle ? 0 : 1;

        if (!take(shard, hash) || !renumber(shard, page, &number))
            continue;
        shard->kept[kept] = number << 1 | (batch->references[i] & 1);
        shard->half[half][halves[half]] = shard->kept[kept];
        if (has_next)
            shard->half_next[half][halves[half]] = shard->kept_next[kept] = batch->next[i];
        halves[half]++;
        kept++;
    }
    shard->references += batch->count;
    run_engines(shard->engines, shard->engine_count, shard->kept,
                has_next ? shard->kept_next : NULL, kept);
    for (int half = 0; half < 2; half++)
        run_engines(shard->halves[half], shard->halved, shard->half[half],
                    has_next ? shard->half_next[half] : NULL, halves[half]);
}

static double ratio_of(const struct shard *shard, const struct engine *engine, double rate)
{
    double expected = (double)shard->references * rate;
    double ratio = expected > 0 ? (double)engine->counts.misses / expected : 0;

    return ratio > 1 ? 1 : ratio;
}

/* The difference that halving the sample makes to the misses of the i-th size. Pages that matter are in one half or
 * the other, so chance has little influence. */
static double change_by_halving(const struct shard *shard, size_t i)
{
    double first = ratio_of(shard, &shard->halves[0][i], shard->rate / 2);
    double second = ratio_of(shard, &shard->halves[1][i], shard->rate / 2);

    return (first + second) / 2 - ratio_of(shard, &shard->engines[i], shard->rate);
}

/* The mean of `count` values, and the square of its standard error. */
static double mean_of(const double *values, size_t count, double *variance)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        squares += values[i] * values[i];
    }
    *variance = 0;
    if (count > 1)
        *variance = (squares - sum * sum / (double)count) / (double)(count - 1) / (double)count;
    if (*variance < 0) /* by rounding */
        *variance = 0;
    return sum / (double)count;
}

double shards_miss_ratio(const struct shard *shards, size_t count, size_t i, double *error)
{
    double ratios[SHARDS_SAMPLES], changes[SHARDS_SAMPLES];
    double mean, change, variance, change_variance, bias;

    for (size_t k = 0; k < count; k++) {
        ratios[k] = ratio_of(&shards[k], &shards[k].engines[i], shards[k].rate);
        changes[k] = i < shards[k].halved ? change_by_halving(&shards[k], i) : 0;
    }
    mean = mean_of(ratios, count, &variance);
    change = mean_of(changes, count, &change_variance);
    bias = change * change - change_variance;
    *error = sqrt(variance + (bias > 0 ? bias : 0));
    return mean;
}
