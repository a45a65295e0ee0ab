/* Miss-ratio curves of any policy, sampled: SHARDS.
 *
 * A page is in the sample or not by a hash of its number, with all of its references. A policy at F
 * frames over the whole trace behaves much like it does at F * rate frames over a sample of that
 * rate. Here there are several disjoint samples of the same rate: their mean is the estimate, and
 * how far they lie apart gives its standard error. The rate is a power of two, so that what a policy
 * rounds to powers of two is rounded the same way.
 *
 * What all samples have in common is no matter of chance: a window of 1 % of the frames is one frame
 * of 50, which is 2 %, and a policy that counts behaves differently with a few pages. Such a bias
 * shrinks with the number of frames of the simulation. So where these are few both halves of each
 * sample are simulated as well, with half the frames: what halving changes, beyond what chance can, is
 * about what is still wrong at the full rate, and goes into the error. Ratios are to the references that the sample
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

/* Pages that a sample should have, give or take a factor of the root of two. */
#define SHARDS_PAGES 32768u

/* Fewest frames of a simulation of a sample: a smaller one says little. */
#define SHARDS_FRAMES_LEAST 16u

/* With this many frames or more, halving a simulation would tell nothing. */
#define SHARDS_FRAMES_ENOUGH 2048u

/* One policy at several sizes over one sample. */
struct shard {
    double rate;
    uint64_t below, from; /* a page is in the sample if its hash is in [from, below), */
    uint64_t middle;      /* and in its first half if it is below this */
    bool everything;
    uint32_t *number; /* by page of the trace: its page in the sample, plus one; 0: not seen */
    uint32_t pages, pages_most, trace_pages;
    uint64_t references; /* of the whole trace */
    struct engine *engines;
    struct engine
        *halves[2]; /* the same, over each half of the sample; only of the first `halved` */
    size_t halved;
    uint32_t *frames; /* by engine: of the whole trace that it stands for */
    size_t engine_count;
    uint32_t *kept; /* references of a batch that are in the sample, and their next */
    uint64_t *kept_next;
    uint32_t *half[2]; /* the same, of its halves */
    uint64_t *half_next[2];
};

/* The rate for a trace of `pages` pages. */
double shards_rate(uint32_t pages);

/* Start `choice` at those of `sizes`, frames for the whole trace, that the sample can tell about.
 * `which`: the number of the sample. Release with shards_fini in any case. */
int shards_init(struct shard *shard, const struct policy_choice *choice, const uint32_t *sizes,
                size_t size_count, uint32_t pages, unsigned which, uint64_t seed, bool has_future,
                struct sp_error *error);

void shards_fini(struct shard *shard);

/* For struct pool_job: `context` is the shard. */
void shards_run(void *context, const struct batch *batch);

/* From `count` shards of one policy: the miss ratio at the size of their i-th engine, and its
 * error (0: it is exact): the root of the sum of the squares of standard error and bias. */
double shards_miss_ratio(const struct shard *shards, size_t count, size_t i, double *error);

#endif
