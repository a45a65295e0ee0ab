/* GCLOCK: CLOCK with a counter of n bits in place of the reference bit; the hand counts down, and
 * evicts a page whose counter is at zero.
 *
 * A. J. Smith, "Sequentiality and prefetching in database systems", ACM Transactions on Database
 * Systems 3(3), 1978. With one bit this is clock. A reference counts one. In a live task a page is
 * watched until its counter is full, so that each reference that counts is a hit, but for those
 * to pages that are among the newest, or were hit last. */
#include "policy/recent.h"
#include "policy/registry.h"

#include <selfpage/page_list.h>

enum { GCLOCK_BITS };

struct gclock {
    struct sp_policy_env *env;
    struct sp_list ring;  /* the hand points at the back */
    struct recent recent; /* pages that are new or were hit last, and are not yet watched */
    uint8_t most;         /* largest count */
    uint8_t watched;      /* live: counts below which a page is watched again; 0 in a replay */
    uint8_t *counts;      /* by page */
    struct sp_link links[];
};

static const struct sp_policy_param gclock_params[] = {
    [GCLOCK_BITS] = {"bits", 2.0, 1.0, 6.0, "bits of a page's counter"},
    {NULL},
};

static size_t gclock_size(const struct sp_policy_config *config)
{
    return sizeof(struct gclock) + (size_t)config->pages * (sizeof(struct sp_link) + 1);
}

static void gclock_init(void *self, const struct sp_policy_config *config)
{
    struct gclock *gclock = self;

    gclock->env = config->env;
    gclock->most = (uint8_t)((1u << (unsigned)config->params[GCLOCK_BITS]) - 1);
    gclock->watched = gclock->env->sees_all ? 0 : gclock->most;
    gclock->counts = (uint8_t *)(gclock->links + config->pages);
}

/* A page that is back from having been pinned or skipped still has its count. */
static void gclock_insert(void *self, sp_page page, enum sp_access access)
{
    struct gclock *gclock = self;

    (void)access;
    sp_list_push_front(&gclock->ring, gclock->links, page);
    recent_listed(&gclock->recent, gclock->env, &gclock->ring, gclock->links, page);
}

static void gclock_hit(void *self, sp_page page, enum sp_access access)
{
    struct gclock *gclock = self;

    (void)access;
    if (gclock->counts[page] < gclock->most)
        gclock->counts[page]++;
    if (gclock->counts[page] < gclock->watched)
        recent_listed(&gclock->recent, gclock->env, &gclock->ring, gclock->links, page);
}

static sp_page gclock_victim(void *self, sp_page incoming)
{
    struct gclock *gclock = self;
    uint64_t left = ((uint64_t)gclock->most + 1) * gclock->ring.count;
    sp_page page = sp_list_back(&gclock->ring);

    (void)incoming;
    for (; left > 0; left--) { /* other threads may set bits meanwhile, but not keep us */
        uint8_t count = gclock->counts[page];

        gclock->env->referenced(gclock->env, page); /* watch it: hits alone count */
        if (count == 0)
            break;
        gclock->counts[page] = count - 1;
        sp_list_to_front(&gclock->ring, gclock->links, page);
        page = sp_list_back(&gclock->ring);
    }
    return page;
}

static void gclock_remove(void *self, sp_page page, enum sp_removal why)
{
    struct gclock *gclock = self;

    sp_list_remove(&gclock->ring, gclock->links, page);
    if (why == SP_EVICTED || why == SP_DISCARDED)
        gclock->counts[page] = 0;
}

/* A page that will not be needed goes under the hand with its count at zero. */
static void gclock_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct gclock *gclock = self;

    if (hint == SP_HINT_WILL_NEED) {
        gclock_hit(self, page, SP_READ);
        return;
    }
    gclock_remove(self, page, SP_DISCARDED);
    sp_list_push_back(&gclock->ring, gclock->links, page);
    gclock->env->referenced(gclock->env, page);
}

const struct sp_policy policy_gclock = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_FORGETS,
    .name = "gclock",
    .summary = "clock with counters of n bits",
    .source = "Smith 1978",
    .params = gclock_params,
    .size = gclock_size,
    .pages_at = offsetof(struct gclock, links),
    .page_bytes = sizeof(struct sp_link),
    .init = gclock_init,
    .insert = gclock_insert,
    .hit = gclock_hit,
    .victim = gclock_victim,
    .remove = gclock_remove,
    .hint = gclock_hint,
};
