/* LFU with dynamic ageing: a page is worth its references plus the worth of the page evicted last, at the
 * time of its own last reference. What was popular once is overtaken by the rest, without any parameter.
 *
 * J. Dilley and M. Arlitt, "Improving proxy cache performance: analysis of three replacement policies",
 * IEEE Internet Computing 3(6), 1999: K = F + L with a cost of 1, where F counts the references since
 * the page came in, and L is the K of the page evicted last. Of equals the one leaves that was referenced
 * longest ago. (libCacheSim's LFUDA of 2024 adds L instead of 1 at a hit, which is another policy.)
 *
 * Worths only rise, so that a heap may hold ones that are too low; it is put right from its top when a
 * page has to leave, and hits take constant time. */
#include "policy/heap.h"
#include "policy/registry.h"

struct lfuda_page {
    uint32_t count; /* F; of a page that is pinned or skipped, too */
    uint32_t worth; /* K */
    uint64_t last;  /* reference, by `passed` */
};

struct lfuda {
    uint32_t age; /* L */
    uint64_t passed;
    struct heap heap; /* the page that leaves is on top */
    struct lfuda_page *pages;
    _Alignas(8) char memory[];
};

static size_t lfuda_size(const struct sp_policy_config *config)
{
    return sizeof(struct lfuda) + heap_size(config->pages) +
           config->pages * sizeof(struct lfuda_page);
}

static void lfuda_init(void *self, const struct sp_policy_config *config)
{
    struct lfuda *lfuda = self;

    heap_init(&lfuda->heap, lfuda->memory);
    lfuda->pages = (struct lfuda_page *)(lfuda->memory + heap_size(config->pages));
}

/* The page worth least, and of those the one referenced longest ago, has the largest key. There is room
 * for 2^32 references in all. */
static uint64_t lfuda_key(const struct lfuda *lfuda, sp_page page)
{
    const struct lfuda_page *p = &lfuda->pages[page];
    uint64_t last = p->last < UINT32_MAX ? p->last : UINT32_MAX;

    return ~((uint64_t)p->worth << 32 | last);
}

/* A reference to a page that is, or will be, resident. */
static void lfuda_refer(struct lfuda *lfuda, sp_page page)
{
    struct lfuda_page *p = &lfuda->pages[page];

    p->count += p->count < UINT32_MAX;
    p->worth = p->count < UINT32_MAX - lfuda->age ? p->count + lfuda->age : UINT32_MAX;
    p->last = ++lfuda->passed;
}

static void lfuda_insert(void *self, sp_page page, enum sp_access access)
{
    struct lfuda *lfuda = self;

    (void)access;
    if (lfuda->pages[page].count == 0)
        lfuda_refer(lfuda, page);
    heap_add(&lfuda->heap, page, lfuda_key(lfuda, page));
}

static void lfuda_hit(void *self, sp_page page, enum sp_access access)
{
    (void)access;
    lfuda_refer(self, page);
}

static sp_page lfuda_victim(void *self, sp_page incoming)
{
    struct lfuda *lfuda = self;

    (void)incoming;
    for (;;) {
        sp_page page = heap_top(&lfuda->heap);
        uint64_t key = lfuda_key(lfuda, page);

        if (heap_key(&lfuda->heap, page) == key)
            return page;
        heap_change(&lfuda->heap, page, key);
    }
}

static void lfuda_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lfuda *lfuda = self;
    struct lfuda_page *p = &lfuda->pages[page];

    heap_remove(&lfuda->heap, page);
    if (why == SP_EVICTED && p->worth > lfuda->age)
        lfuda->age = p->worth;
    if (why == SP_EVICTED || why == SP_DISCARDED)
        p->count = 0;
}

/* A page that will not be needed is worth nothing. */
static void lfuda_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lfuda *lfuda = self;

    if (hint == SP_HINT_WILL_NEED) {
        lfuda_refer(lfuda, page);
        return;
    }
    lfuda->pages[page].worth = 0;
    heap_change(&lfuda->heap, page, lfuda_key(lfuda, page));
}

const struct sp_policy policy_lfuda = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "lfuda",
    .summary = "least frequently used, aged by what was evicted last",
    .source = "Dilley and Arlitt 1999",
    .live_form = "gclock",
    .size = lfuda_size,
    .init = lfuda_init,
    .insert = lfuda_insert,
    .hit = lfuda_hit,
    .victim = lfuda_victim,
    .remove = lfuda_remove,
    .hint = lfuda_hint,
};
