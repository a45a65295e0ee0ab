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
    double rate = pages > 0 ? (double)SHARDS_PAGES / pages : 1;

    return rate * SHARDS_SAMPLES < 1 ? rate : 1;
}

static bool take(const struct shard *shard, uint32_t page)
{
    uint64_t hash = trace_mix(page + UINT64_C(0x5851f42d4c957f2d)) >> 32;

    return shard->everything || (hash >= shard->from && hash < shard->below);
}

static int start_engines(struct shard *shard, const struct policy_choice *choice,
                         const uint32_t *sizes, size_t size_count, uint64_t seed, bool has_future,
                         struct sp_error *error)
{
    for (size_t i = 0; i < size_count; i++) {
        double frames = sizes[i] * shard->rate;
        size_t at = shard->engine_count;
        int result;

        if (!shard->everything && frames < SHARDS_FRAMES_LEAST)
            continue;
        shard->frames[at] = sizes[i];
        shard->engine_count++;
        result = engine_init(&shard->engines[at], choice, (uint32_t)(frames + 0.5),
                             shard->pages_most, seed, has_future, error);
        if (result != 0)
            return result;
    }
    return 0;
}

int shard_init(struct shard *shard, const struct policy_choice *choice, const uint32_t *sizes,
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
    if (shard->pages_most == 0)
        shard->pages_most = 1;
    shard->number = reserve(pages * sizeof(uint32_t));
    shard->engines = calloc(size_count + 1, sizeof(*shard->engines));
    shard->frames = calloc(size_count + 1, sizeof(*shard->frames));
    shard->kept = malloc(POOL_BATCH * sizeof(*shard->kept));
    shard->kept_next = malloc(POOL_BATCH * sizeof(*shard->kept_next));
    if (shard->number == NULL || shard->engines == NULL || shard->frames == NULL ||
        shard->kept == NULL || shard->kept_next == NULL)
        return error_set(error, ENOMEM, "no memory for a sample of the trace");
    return start_engines(shard, choice, sizes, size_count, seed, has_future, error);
}

void shard_fini(struct shard *shard)
{
    for (size_t i = 0; i < shard->engine_count; i++)
        engine_fini(&shard->engines[i]);
    reserve_free(shard->number, shard->trace_pages * sizeof(uint32_t));
    free(shard->engines);
    free(shard->frames);
    free(shard->kept);
    free(shard->kept_next);
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

void shard_run(void *context, const struct batch *batch)
{
    struct shard *shard = context;
    size_t kept = 0;

    for (size_t i = 0; i < batch->count; i++) {
        uint32_t page = batch->references[i] >> 1, number;

        if (!take(shard, page) || !renumber(shard, page, &number))
            continue;
        shard->kept[kept] = number << 1 | (batch->references[i] & 1);
        if (batch->next != NULL)
            shard->kept_next[kept] = batch->next[i];
        kept++;
    }
    shard->references += batch->count;
    for (size_t i = 0; i < shard->engine_count; i++)
        engine_run(&shard->engines[i], shard->kept, batch->next != NULL ? shard->kept_next : NULL,
                   kept);
}

double shards_miss_ratio(const struct shard *shards, size_t count, size_t i, double *error)
{
    double sum = 0, squares = 0, mean, variance;

    for (size_t k = 0; k < count; k++) {
        double expected = (double)shards[k].references * shards[k].rate;
        double ratio = expected > 0 ? (double)shards[k].engines[i].counts.misses / expected : 0;

        ratio = ratio > 1 ? 1 : ratio;
        sum += ratio;
        squares += ratio * ratio;
    }
    mean = sum / (double)count;
    variance = count > 1 ? (squares - sum * mean) / (double)(count - 1) : 0;
    *error = variance > 0 ? sqrt(variance / (double)count) : 0;
    return mean;
}
