/* Least frequently used: the page with the fewest references leaves, and of those with as few the
 * one whose last lies longest ago. Counts age, lest pages stay that were popular once.
 *
 * In constant time by a list for each count: K. Shah, A. Mitra and D. Matani, "An O(1) algorithm
 * for implementing the LFU cache eviction scheme", 2010. Ageing by halving all counts, as J. T.
 * Robinson and M. V. Devarakonda, "Data cache management using frequency-based replacement",
 * SIGMETRICS 1990; here whenever `age` references a frame have come. Aged counts are 255 at most.
 *
 * `age=0` counts for ever, and without a bound: there the pages are in a heap, with counts and times
 * that may be too low. It is put right from its top when a page has to leave. */
#include "policy/buckets.h"
#include "policy/heap.h"
#include "policy/registry.h"

enum { LFU_AGE };

/* What is known of a page without ageing; of one that is away, too. */
struct lfu_page {
    uint64_t count;
    uint64_t last; /* reference, by `passed` */
};

struct lfu {
    const double *params;
    uint64_t period; /* references between two halvings; 0: never */
    uint64_t passed;
    struct buckets buckets; /* with ageing */
    struct heap heap;       /* without; the page that leaves is on top */
    struct lfu_page *pages; /* without, by page */
    struct sp_link memory[];
};

static const struct sp_policy_param lfu_params[] = {
    [LFU_AGE] = {"age", 10.0, 0.0, 1e6,
                 "references a frame after which counts are halved; 0: never"},
    {NULL},
};

static bool lfu_ages(const struct lfu *lfu)
{
    return lfu->params[LFU_AGE] > 0;
}

static size_t lfu_size(const struct sp_policy_config *config)
{
    size_t ageing = buckets_size(config->pages);
    size_t counting = heap_size(config->pages) + config->pages * sizeof(struct lfu_page);

    return sizeof(struct lfu) + (config->params[LFU_AGE] > 0 ? ageing : counting);
}

/* Never less than the buckets there are, so that halving stays cheap with few frames. */
static void lfu_resize(void *self, uint32_t frames)
{
    struct lfu *lfu = self;
    double period = lfu->params[LFU_AGE] * frames;

    lfu->period = (uint64_t)period;
    if (lfu_ages(lfu) && lfu->period < BUCKETS)
        lfu->period = BUCKETS;
}

static void lfu_init(void *self, const struct sp_policy_config *config)
{
    struct lfu *lfu = self;

    lfu->params = config->params;
    if (lfu_ages(lfu)) {
        buckets_init(&lfu->buckets, lfu->memory, config->pages);
    } else {
        heap_init(&lfu->heap, lfu->memory);
        lfu->pages = (struct lfu_page *)((char *)lfu->memory + heap_size(config->pages));
    }
    lfu_resize(self, config->frames);
}

/* ---- With ageing ---- */

static void lfu_age(struct lfu *lfu)
{
    if (++lfu->passed < lfu->period)
        return;
    lfu->passed = 0;
    buckets_halve(&lfu->buckets);
}

/* ---- Without ---- */

/* The page with the least count, and of those the one referenced longest ago, has the largest key.
 * There is room for 2^26 references to a page, 2^38 in all. */
static uint64_t counted_key(const struct lfu *lfu, sp_page page)
{
    const uint64_t count_most = (UINT64_C(1) << 26) - 1, last_most = (UINT64_C(1) << 38) - 1;
    const struct lfu_page *p = &lfu->pages[page];
    uint64_t count = p->count < count_most ? p->count : count_most;

    return ~(count << 38 | (p->last & last_most));
}

static sp_page counted_least(struct lfu *lfu)
{
    for (;;) {
        sp_page page = heap_top(&lfu->heap);
        uint64_t key = counted_key(lfu, page);

        if (heap_key(&lfu->heap, page) == key)
            return page;
        heap_change(&lfu->heap, page, key);
    }
}

/* ---- Either ---- */

/* A page that is back from having been pinned or skipped still has its count. */
static void lfu_insert(void *self, sp_page page, enum sp_access access)
{
    struct lfu *lfu = self;

    (void)access;
    if (lfu_ages(lfu)) {
        uint32_t count = buckets_count(&lfu->buckets, page);

        buckets_add(&lfu->buckets, page, count > 0 ? count : 1);
        lfu_age(lfu);
        return;
    }
    if (lfu->pages[page].count == 0)
        lfu->pages[page].count = 1;
    lfu->pages[page].last = ++lfu->passed;
    heap_add(&lfu->heap, page, counted_key(lfu, page));
}

static void lfu_hit(void *self, sp_page page, enum sp_access access)
{
    struct lfu *lfu = self;

    (void)access;
    if (lfu_ages(lfu)) {
        buckets_change(&lfu->buckets, page, buckets_count(&lfu->buckets, page) + 1);
        lfu_age(lfu);
        return;
    }
    lfu->pages[page].count++;
    lfu->pages[page].last = ++lfu->passed;
}

static sp_page lfu_victim(void *self, sp_page incoming)
{
    struct lfu *lfu = self;

    (void)incoming;
    return lfu_ages(lfu) ? buckets_least(&lfu->buckets) : counted_least(lfu);
}

static void lfu_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lfu *lfu = self;
    bool forget = why == SP_EVICTED || why == SP_DISCARDED;

    if (lfu_ages(lfu)) {
        buckets_remove(&lfu->buckets, page);
        if (forget)
            lfu->buckets.cells[page].count = 0;
        return;
    }
    heap_remove(&lfu->heap, page);
    if (forget)
        lfu->pages[page].count = 0;
}

sp_page lfu_turn(void *self)
{
    struct lfu *lfu = self;
    sp_page page;

    if (!lfu_ages(lfu)) {
        page = counted_least(lfu);
        lfu->pages[page] = (struct lfu_page){.count = 1, .last = ++lfu->passed};
        heap_change(&lfu->heap, page, counted_key(lfu, page));
        return page;
    }
    page = buckets_renew(&lfu->buckets);
    lfu_age(lfu);
    return page;
}

/* A page that will not be needed counts as never referenced. */
static void lfu_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lfu *lfu = self;

    if (lfu_ages(lfu)) {
        uint32_t count = buckets_count(&lfu->buckets, page);

        buckets_change(&lfu->buckets, page, hint == SP_HINT_WILL_NEED ? count : 0);
    } else if (hint == SP_HINT_WILL_NEED) {
        lfu->pages[page].last = ++lfu->passed;
    } else {
        lfu->pages[page].count = 0;
        heap_change(&lfu->heap, page, counted_key(lfu, page));
    }
}

const struct sp_policy policy_lfu = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
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
