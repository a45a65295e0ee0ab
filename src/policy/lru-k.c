/* LRU-K: the page leaves whose K-th last reference lies longest ago; one with fewer references has
 * none, and goes before all others, the least recently used first.
 *
 * E. J. O'Neil, P. E. O'Neil and G. Weikum, "The LRU-K page replacement algorithm for database disk
 * buffering", SIGMOD 1993, figure 2.1. References that follow the last within the correlated
 * reference period count as one with it, and a page is not chosen before that is over, if there is
 * another near the top of the order; the times of pages that left are remembered for the retained
 * information period. Both are in references a frame here; the paper leaves them to the user, as
 * seconds. The order changes anywhere, so that a reference takes logarithmic time. */
#include "policy/heap.h"
#include "policy/registry.h"

/* Places in the heap, from the top, that are searched for a page whose burst is over. */
#define SEARCH 21u

enum { LRUK_K, LRUK_CORRELATED, LRUK_RETAINED };

struct lruk {
    struct sp_policy_env *env;
    const double *params;
    uint32_t k;
    uint64_t correlated;
    uint64_t retained;
    struct heap heap;
    uint64_t *last;  /* by page: the last reference; 0: none is remembered */
    uint64_t *times; /* k for each page: the last uncorrelated references, the newest first */
    uint64_t memory[];
};

static const struct sp_policy_param lruk_params[] = {
    [LRUK_K] = {"k", 2.0, 1.0, 8.0, "which of the last references counts"},
    [LRUK_CORRELATED] = {"correlated", 0.0, 0.0, 1e6, "references a frame that count as one burst"},
    [LRUK_RETAINED] = {"retained", 10.0, 0.0, 1e6, "references a frame for which ghosts are kept"},
    {NULL},
};

static size_t lruk_size(const struct sp_policy_config *config)
{
    size_t words = 1 + (size_t)config->params[LRUK_K];

    return sizeof(struct lruk) + heap_size(config->pages) +
           config->pages * words * sizeof(uint64_t);
}

static void lruk_resize(void *self, uint32_t frames)
{
    struct lruk *lruk = self;

    lruk->correlated = (uint64_t)(lruk->params[LRUK_CORRELATED] * frames);
    lruk->retained = (uint64_t)(lruk->params[LRUK_RETAINED] * frames);
}

static void lruk_init(void *self, const struct sp_policy_config *config)
{
    struct lruk *lruk = self;

    lruk->env = config->env;
    lruk->params = config->params;
    lruk->k = (uint32_t)config->params[LRUK_K];
    heap_init(&lruk->heap, lruk->memory);
    lruk->last = lruk->memory + heap_size(config->pages) / sizeof(uint64_t);
    lruk->times = lruk->last + config->pages;
    lruk_resize(self, config->frames);
}

/* Times are those of the engine plus one, so that 0 is free to mean none. */
static uint64_t lruk_now(const struct lruk *lruk)
{
    return lruk->env->time + 1;
}

/* Larger for a page that leaves earlier. */
static uint64_t lruk_key(const struct lruk *lruk, sp_page page)
{
    uint64_t kth = lruk->times[(size_t)page * lruk->k + lruk->k - 1];
    uint64_t infinite = UINT64_C(1) << 63;

    return kth == 0 ? infinite | (infinite - 1 - lruk->last[page]) : infinite - 1 - kth;
}

static void lruk_refer(struct lruk *lruk, sp_page page)
{
    uint64_t *times = &lruk->times[(size_t)page * lruk->k];
    uint64_t now = lruk_now(lruk), burst;

    if (lruk->last[page] == 0) {
        for (uint32_t i = 1; i < lruk->k; i++)
            times[i] = 0;
    } else if (now - lruk->last[page] > lruk->correlated) {
        burst = lruk->last[page] - times[0]; /* it took no time, as far as distances go */
        for (uint32_t i = lruk->k - 1; i > 0; i--)
            times[i] = times[i - 1] != 0 ? times[i - 1] + burst : 0;
    } else {
        lruk->last[page] = now;
        return;
    }
    times[0] = lruk->last[page] = now;
}

static void lruk_insert(void *self, sp_page page, enum sp_access access)
{
    struct lruk *lruk = self;

    (void)access;
    if (lruk_now(lruk) - lruk->last[page] > lruk->retained + lruk->correlated)
        lruk->last[page] = 0;
    lruk_refer(lruk, page);
    heap_add(&lruk->heap, page, lruk_key(lruk, page));
}

static void lruk_hit(void *self, sp_page page, enum sp_access access)
{
    struct lruk *lruk = self;

    (void)access;
    lruk_refer(lruk, page);
    heap_change(&lruk->heap, page, lruk_key(lruk, page));
}

static sp_page lruk_victim(void *self, sp_page incoming)
{
    struct lruk *lruk = self;
    uint64_t now = lruk_now(lruk), key = 0;
    sp_page chosen = heap_top(&lruk->heap);

    (void)incoming;
    if (lruk->correlated == 0 || now - lruk->last[chosen] > lruk->correlated)
        return chosen;
    for (uint32_t i = 1; i < SEARCH && i < lruk->heap.count; i++) {
        const struct heap_entry *entry = &lruk->heap.entries[i];

        if (entry->key > key && now - lruk->last[entry->page] > lruk->correlated) {
            key = entry->key;
            chosen = entry->page;
        }
    }
    return chosen;
}

static void lruk_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lruk *lruk = self;

    heap_remove(&lruk->heap, page);
    if (why == SP_DISCARDED)
        lruk->last[page] = 0;
}

/* A page that will not be needed has no history: it leaves before those that have one. */
static void lruk_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lruk *lruk = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    heap_change(&lruk->heap, page, UINT64_MAX);
    lruk->last[page] = 0;
}

const struct sp_policy policy_lru_k = {
    .abi = SP_POLICY_ABI,
    .name = "lru-k",
    .summary = "the K-th last reference decides, not the last",
    .source = "O'Neil et al. 1993",
    .params = lruk_params,
    .size = lruk_size,
    .init = lruk_init,
    .insert = lruk_insert,
    .hit = lruk_hit,
    .victim = lruk_victim,
    .remove = lruk_remove,
    .resize = lruk_resize,
    .hint = lruk_hint,
    .live_form = "lru",
};
