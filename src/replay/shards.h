/* Miss-ratio curves of any policy, sampled: SHARDS.
 *
 * A page is in the sample or not by a hash of its number, with all of its references. A policy at F
 * frames over the whole trace behaves much like it does at F * rate frames over a sample of that
 * rate. Here there are several disjoint samples of the same rate: their mean is the estimate, and
 * how far they lie apart gives its standard error. Ratios are to the references that the sample
 * should have (SHARDS-adj): when the sample happens to lack a hot page, hits are missing, not
 * misses.
 *
 * C. A. Waldspurger, N. Park, A. Garthwaite and I. Ahmad, "Efficient MRC construction with SHARDS",
 * FAST 2015; for any policy: Waldspurger, Saemundsson, Ahmad and Park, "Cache modeling and
 * optimization using miniature simulations", USENIX ATC 2017. */
#ifndef REPLAY_SHARDS_H
#define REPLAY_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "policy/params.h"
#include "replay/engine.h"
#include "replay/pool.h"

/* Disjoint samples, if the rate is below 1; otherwise there is one, of everything. */
#define SHARDS_SAMPLES 4u

/* Pages that a sample should have. */
#define SHARDS_PAGES 32768u

/* Fewest frames of a simulation of a sample: a smaller one says little. */
#define SHARDS_FRAMES_LEAST 8u

/* One policy at several sizes over one sample. */
struct shard {
    double rate;
    uint64_t below, from; /* a page is in the sample if its hash is in [from, below) */
    bool everything;
    uint32_t *number; /* by page of the trace: its page in the sample, plus one; 0: not seen */
    uint32_t pages, pages_most, trace_pages;
    uint64_t references; /* of the whole trace */
    struct engine *engines;
    uint32_t *frames; /* by engine: of the whole trace that it stands for */
    size_t engine_count;
    uint32_t *kept; /* references of a batch that are in the sample, and their next */
    uint64_t *kept_next;
};

/* The rate for a trace of so many pages. */
double shards_rate(uint32_t pages);

/* Start `choice` at those of `sizes`, frames for the whole trace, that the sample can tell about.
 * `which`: the number of the sample. Release with shard_fini in any case. */
int shard_init(struct shard *shard, const struct policy_choice *choice, const uint32_t *sizes,
               size_t size_count, uint32_t pages, unsigned which, uint64_t seed, bool has_future,
               struct sp_error *error);

void shard_fini(struct shard *shard);

/* For struct pool_job: `context` is the shard. */
void shard_run(void *context, const struct batch *batch);

/* From `count` shards of one policy: the miss ratio at the size of their i-th engine, and its
 * standard error (0: it is exact). */
double shards_miss_ratio(const struct shard *shards, size_t count, size_t i, double *error);

#endif
