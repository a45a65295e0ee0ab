/* One policy at one size, run over the references of a trace in virtual time: the engine that
 * <selfpage/policy.h> describes, with exact reference bits.
 *
 * The order of calls: a reference to a resident page is a hit. To another page: if no frame is
 * free, victim(self, page) and remove(victim, SP_EVICTED); then insert(page).
 *
 * A policy with SP_POLICY_FORGETS knows pages by the numbers of their frames, from 0, which is the same to it: then its
 * state is as small as the frames are few, and stays in the caches. One with SP_POLICY_TELLS knows them by entries, if
 * they are many: an entry is of a page that is resident, or a ghost. */
#ifndef REPLAY_ENGINE_H
#define REPLAY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/policy.h>

#include "base/random.h"
#include "policy/params.h"
#include "policy/registry.h"
#include "replay/optimum.h"

/* Pages that there can be from which those of a policy with SP_POLICY_TELLS are named by entries. What is known of fewer pages
 * stays in the caches however they are named, and by their own numbers a miss takes fewer instructions. */
#define ENGINE_ENTRIES_FROM (128u << 10)

struct engine_counts {
    uint64_t references;
    uint64_t writes;
    uint64_t misses; /* cold ones too */
    uint64_t evictions;
    uint64_t dirty_evictions; /* of pages written to since they came in; see engine_init_optimum */
    uint64_t policy_errors;   /* victims that were not resident; another page left instead */
    uint64_t missed_bytes;    /* of the references that missed, where their sizes are known */
};

struct engine {
    struct sp_policy_env env; /* first, so that the policy's calls find the rest */
    struct engine_counts counts;
    const struct sp_policy *policy;
    void *self;
    uint8_t *pages;      /* by page: ENGINE_* bits; by entry if pages are named by entries */
    uint64_t *next;      /* by page: index of its next reference, plus one; NULL: not needed */
    const uint64_t *ids; /* by page; NULL: not known, or not needed */
    /* Set by the caller: the sizes of the references that engine_run is given next. NULL: not known. */
    const uint32_t *sizes;
    /* With a policy that forgets what leaves, or tells what it forgets, pages are named to it by entries: the frames that
     * they have, or those and ghosts. */
    /* By page: the entry that it had last, plus one. NULL: pages are named by their numbers. */
    uint32_t *entry_plus1;
    policy_turn *turn;   /* one page leaves for another, by one call; NULL: not with this policy */
    sp_page *page_of;    /* by entry, plus one: the page that it has; the first has none */
    uint32_t left_plus1; /* the entry that was left last, plus one */
    bool tells;          /* the policy has SP_POLICY_TELLS */
    bool counts_optimum; /* see engine_init_optimum: then only `optimum` and `counts` are used */
    struct optimum optimum;
    uint32_t pages_most;
    uint32_t frames;
    uint32_t free;
    uint32_t cursor;     /* where to look for a victim when the policy cannot name one */
    uint32_t pages_seen; /* numbers of pages, or entries, that were given */
    bool large_pages;
    struct random_source random;
    struct sp_policy_config config;
    double params[POLICY_PARAMS_MAX];
    size_t self_size;
};

/* Start `choice` with `frames` empty frames, for pages below `pages_most`, which may be far more
 * than will come: memory is taken as they do. `needs_future`: engine_run will be given next
 * references. The engine must not move. Release with engine_fini in any case.
 * -EINVAL: no frames; -ENOTSUP: the policy needs the future; -ENOMEM. */
int engine_init(struct engine *engine, const struct policy_choice *choice, uint32_t frames,
                uint32_t pages_most, uint64_t seed, bool has_future, struct sp_error *error);

/* Whether engine_init_optimum can take the place of engine_init: the policy is the `belady` that is built in. */
bool engine_is_optimum(const struct sp_policy *policy);

/* The same for `belady`, which then needs no future and takes about as long as `lru`: only what it counts is found. A dirty
 * eviction is counted when the page is missed, or in engine_end. engine_resize must not be called. */
int engine_init_optimum(struct engine *engine, const struct policy_choice *choice, uint32_t frames,
                        uint32_t pages_most, struct sp_error *error);

/* There are no more references: the counts are complete. */
void engine_end(struct engine *engine);

void engine_fini(struct engine *engine);

/* Give the policy the ids of pages, by page, if it wants them. Before the first reference; `ids` outlives
 * the engine, and is filled in for a page before it is referred to. */
void engine_give_ids(struct engine *engine, const uint64_t *ids);

/* Refer to pages: page << 1, plus 1 for a write. next[i] is the index (from 0) in the whole trace
 * of the next reference to the page of references[i], or TRACE_NEVER; NULL without a future. */
void engine_run(struct engine *engine, const uint32_t *references, const uint64_t *next,
                size_t count);

/* Change the number of frames, at least 1; pages leave until the rest fits. */
void engine_resize(struct engine *engine, uint32_t frames);

/* Bytes of state for each page: of the policy and of the engine. */
double engine_bytes_per_page(const struct engine *engine);

#endif
