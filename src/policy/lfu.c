/* Least frequently used: the page with the fewest references leaves, and of those with as few the
 * one whose last lies longest ago. Counts age, lest pages stay that were popular once.
 *
 * In constant time by a list for each count: K. Shah, A. Mitra and D. Matani, "An O(1) algorithm
 * for implementing the LFU cache eviction scheme", 2010. Ageing by halving all counts, as J. T.
 * Robinson and M. V. Devarakonda, "Data cache management using frequency-based replacement",
 * SIGMETRICS 1990; here whenever `age` references a frame have come, with counts of 255 at most. */
#include "policy/buckets.h"
#include "policy/registry.h"

enum { LFU_AGE };

struct lfu {
    const double *params;
    uint64_t period; /* references between two halvings; 0: never */
    uint64_t passed;
    struct buckets buckets;
    struct sp_link memory[];
};

static const struct sp_policy_param lfu_params[] = {
    [LFU_AGE] = {"age", 10.0, 0.0, 1e6,
                 "references a frame after which counts are halved; 0: never"},
    {NULL},
};

static size_t lfu_size(const struct sp_policy_config *config)
{
    return sizeof(struct lfu) + buckets_size(config->pages);
}

/* Never less than the buckets there are, so that halving stays cheap with few frames. */
static void lfu_resize(void *self, uint32_t frames)
{
    struct lfu *lfu = self;
    double period = lfu->params[LFU_AGE] * frames;

    lfu->period = (uint64_t)period;
    if (lfu->params[LFU_AGE] > 0 && lfu->period < BUCKETS)
        lfu->period = BUCKETS;
}

static void lfu_init(void *self, const struct sp_policy_config *config)
{
    struct lfu *lfu = self;

    lfu->params = config->params;
    buckets_init(&lfu->buckets, lfu->memory, config->pages);
    lfu_resize(self, config->frames);
}

static void lfu_age(struct lfu *lfu)
{
    if (++lfu->passed < lfu->period || lfu->period == 0)
        return;
    lfu->passed = 0;
    buckets_halve(&lfu->buckets);
}

/* A page that is back from having been pinned or skipped still has its count. */
static void lfu_insert(void *self, sp_page page, enum sp_access access)
{
    struct lfu *lfu = self;
    uint32_t count = bucket_count(&lfu->buckets, page);

    (void)access;
    bucket_add(&lfu->buckets, page, count > 0 ? count : 1);
    lfu_age(lfu);
}

static void lfu_hit(void *self, sp_page page, enum sp_access access)
{
    struct lfu *lfu = self;

    (void)access;
    bucket_change(&lfu->buckets, page, bucket_count(&lfu->buckets, page) + 1);
    lfu_age(lfu);
}

static sp_page lfu_victim(void *self, sp_page incoming)
{
    (void)incoming;
    return bucket_least(&((struct lfu *)self)->buckets);
}

static void lfu_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lfu *lfu = self;

    bucket_remove(&lfu->buckets, page);
    if (why == SP_EVICTED || why == SP_DISCARDED)
        lfu->buckets.cells[page].count = 0;
}

/* A page that will not be needed counts as never referenced. */
static void lfu_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lfu *lfu = self;
    uint32_t count = bucket_count(&lfu->buckets, page);

    bucket_change(&lfu->buckets, page, hint == SP_HINT_WILL_NEED ? count : 0);
}

const struct sp_policy policy_lfu = {
    .abi = SP_POLICY_ABI,
    .name = "lfu",
    .summary = "least frequently used, with ageing",
    .source = "Shah et al. 2010; ageing: Robinson and Devarakonda 1990",
    .params = lfu_params,
    .size = lfu_size,
    .init = lfu_init,
    .insert = lfu_insert,
    .hit = lfu_hit,
    .victim = lfu_victim,
    .remove = lfu_remove,
    .resize = lfu_resize,
    .hint = lfu_hint,
    .live_form = "gclock",
};
