/* The pager's memory, its regions, its policy's surroundings, and the check of its books. */
#include "core/pager/internal.h"

#include <string.h>

#define ALIGNMENT 64u

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* One page more at either end, so that every page has neighbours. */
static size_t pages_size(const struct pager_config *config)
{
    return aligned(((size_t)config->pages + 2) * sizeof(struct pager_page));
}

static size_t slots_size(const struct pager_config *config)
{
    return aligned((size_t)config->slots * sizeof(struct pager_slot));
}

static struct sp_policy_config policy_config(const struct pager_config *config)
{
    return (struct sp_policy_config){.pages = config->pages, .frames = 1, .params = config->params};
}

size_t pager_size(const struct pager_config *config)
{
    struct sp_policy_config policy = policy_config(config);

    return pages_size(config) + slots_size(config) + aligned(config->policy->size(&policy));
}

void pager_init(struct pager *pager, const struct pager_config *config, void *memory)
{
    unsigned char *bytes = memory;

    memset(pager, 0, sizeof(*pager));
    pager->config = *config;
    if (config->batch == 0)
        pager->config.batch = PAGER_BATCH;
    pager->stats = config->stats;
    pager->page = (struct pager_page *)(void *)bytes + 1;
    bytes += pages_size(config);
    pager->slot = (struct pager_slot *)(void *)bytes;
    bytes += slots_size(config);
    pager->policy_state = bytes;
    pager->random = random_seeded(config->seed);
    pager->map_limit = config->map_limit;
    pager->free_head = PAGER_NONE;
    pager->free_tail = PAGER_NONE;
    pager->skipped_head = PAGER_NONE;
    pager->faulting = SP_NO_PAGE;
    pager_env_init(pager);
    pager->policy_config = policy_config(config);
    pager->policy_config.env = &pager->env;
    if (config->policy->init != NULL)
        config->policy->init(pager->policy_state, &pager->policy_config);
    pager_set_allowance(pager, 0, 0);
}

void pager_emit(struct pager *pager, struct pager_effect effect)
{
    pager->config.sink(pager->config.context, &effect);
}

enum sp_kind pager_kind(const struct pager *pager, sp_page page)
{
    return (enum sp_kind)pager->region[pager->page[page].region - 1].kind;
}

/* ---- The policy's surroundings ---- */

static struct pager *pager_of(struct sp_policy_env *env)
{
    return (struct pager *)(void *)((char *)env - offsetof(struct pager, env));
}

/* A policy may ask about any number; only resident pages have an answer. */
static struct pager_page *askable(struct pager *pager, sp_page page)
{
    if (page >= pager->config.pages || pager->page[page].state != PAGE_RESIDENT)
        return NULL;
    return &pager->page[page];
}

/* A reference that is under way must come to its end, a pinned page stays mapped, and where the
 * kernel has no more areas there is no splitting them. */
static bool may_watch(const struct pager *pager, sp_page page)
{
    return page != pager->faulting && pager->page[page].pins == 0 &&
           pager->maps + 2 <= pager->map_limit;
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    struct pager *pager = pager_of(env);
    struct pager_page *p = askable(pager, page);

    if (p != NULL && p->protection != 0 && may_watch(pager, page))
        pager_protect(pager, page, 0);
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    struct pager *pager = pager_of(env);
    struct pager_page *p = askable(pager, page);
    bool referenced;

    if (p == NULL)
        return false;
    /* What may be accessed without a fault counts as accessed; but not where it could not be
     * watched for lack of areas, for then all pages would be referenced at all times. */
    referenced = (p->flags & PAGE_REFERENCED) != 0 || page == pager->faulting ||
                 (p->protection != 0 && pager->maps + 2 <= pager->map_limit);
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    env_watch(env, page);
    return referenced;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    struct pager_page *p = askable(pager_of(env), page);

    return p != NULL && (p->flags & PAGE_DIRTY) != 0;
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    return random_below(&pager_of(env)->random, bound);
}

void pager_env_init(struct pager *pager)
{
    pager->env.referenced = env_referenced;
    pager->env.watch = env_watch;
    pager->env.dirty = env_dirty;
    pager->env.random = env_random;
}

void pager_policy_insert(struct pager *pager, sp_page page, bool write)
{
    pager->config.policy->insert(pager->policy_state, page, write ? SP_WRITE : SP_READ);
    pager->with_policy++;
}

void pager_policy_remove(struct pager *pager, sp_page page, enum sp_removal why)
{
    pager->config.policy->remove(pager->policy_state, page, why);
    pager->with_policy--;
}

/* ---- Regions ---- */

/* The first page at or after `from` where `pages` fit, given the regions there are. */
static sp_page find_room(const struct pager *pager, uint32_t pages)
{
    sp_page from = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < pager->regions; i++) {
            const struct pager_region *r = &pager->region[i];

            if (r->pages > 0 && from <= r->first + r->pages && r->first <= from + pages) {
                from = r->first + r->pages + 1;
                moved = true;
            }
        }
        if (from > pager->config.pages || pages > pager->config.pages - from)
            return SP_NO_PAGE;
    }
    return from;
}

sp_page pager_region_create(struct pager *pager, uint32_t pages, enum sp_kind kind, bool undefined,
                            bool refill)
{
    uint32_t index = 0;
    sp_page first;

    if (pages > pager->config.pages)
        return SP_NO_PAGE;
    first = find_room(pager, pages);
    while (index < pager->regions && pager->region[index].pages > 0)
        index++;
    if (first == SP_NO_PAGE || index == PAGER_REGIONS_MAX)
        return SP_NO_PAGE;
    if (index == pager->regions)
        pager->regions++;
    pager->region[index] = (struct pager_region){.first = first,
                                                 .pages = pages,
                                                 .kind = (uint8_t)kind,
                                                 .undefined = undefined,
                                                 .refill = refill};
    for (uint32_t i = 0; i < pages; i++)
        pager->page[first + i] = (struct pager_page){.region = (uint8_t)(index + 1)};
    pager->stats->pages += pages;
    return first;
}

const struct pager_region *pager_region_of(const struct pager *pager, sp_page page)
{
    if (page >= pager->config.pages || pager->page[page].region == 0)
        return NULL;
    return &pager->region[pager->page[page].region - 1];
}

void pager_region_destroy(struct pager *pager, sp_page first)
{
    struct pager_region *region = &pager->region[pager->page[first].region - 1];

    pager->stats->pages -= region->pages;
    memset(&pager->page[first], 0, region->pages * sizeof(struct pager_page));
    region->pages = 0;
}

/* ---- The check ---- */

struct tally {
    uint32_t held, free, leaving, loading, with_policy, dirty, stores, resident, pinned, listed;
};

static const char *check_page(const struct pager *pager, sp_page page, struct tally *tally)
{
    const struct pager_page *p = &pager->page[page];
    bool has_slot = p->state >= PAGE_LOADING;

    if ((p->flags & PAGE_STORING) != 0)
        tally->stores++;
    if ((p->flags & PAGE_MAPPED) != 0 && p->state != PAGE_RESIDENT)
        return "a page is mapped that is not resident";
    if ((p->flags & PAGE_MAPPED) == 0 && p->protection != 0)
        return "a page that is not mapped has a protection";
    if ((p->flags & PAGE_SKIPPED) != 0)
        return "a page is skipped outside of an eviction";
    if (p->state == PAGE_SWAPPED && (p->flags & PAGE_HAS_SWAP) == 0)
        return "a swapped page has no swap slot";
    if (p->state == PAGE_LEAVING && (p->flags & PAGE_STORING) == 0)
        return "a page is leaving without a store";
    if ((p->flags & PAGE_DIRTY) != 0 && p->state != PAGE_RESIDENT && p->state != PAGE_LEAVING)
        return "a dirty page has no frame";
    if ((p->flags & PAGE_DIRTY) == 0 && pager_kind(pager, page) == SP_PRECIOUS &&
        (p->protection & PAGE_WRITE) != 0)
        return "a clean precious page is mapped for writing";
    if (p->pins > 0 && p->state != PAGE_RESIDENT && p->state != PAGE_DEAD &&
        !(p->state == PAGE_LEAVING && (pager->slot[p->slot].flags & SLOT_LOST) != 0))
        return "a pinned page is not resident";
    if (has_slot &&
        (pager->slot[p->slot].state != SLOT_USED || pager->slot[p->slot].page_or_prev != page))
        return "a page and its slot disagree";
    if ((p->protection & ~(has_slot ? pager->slot[p->slot].rights : 0)) != 0)
        return "a page is mapped beyond the rights that physmem gave";
    tally->held += has_slot;
    tally->loading += p->state == PAGE_LOADING;
    tally->leaving += p->state == PAGE_LEAVING;
    tally->resident += p->state == PAGE_RESIDENT;
    tally->with_policy += pager_with_policy(p);
    tally->dirty += (p->flags & PAGE_DIRTY) != 0;
    tally->pinned += p->pins > 0;
    return NULL;
}

static const char *check_totals(const struct pager *pager, const struct tally *tally)
{
    if (tally->held != pager->held || tally->held != pager->stats->held)
        return "held is not the number of slots with a frame";
    if (tally->free != pager->free)
        return "free is not the length of the free list";
    if (tally->leaving != pager->leaving || tally->loading != pager->loading)
        return "pages in transit are miscounted";
    if (tally->resident != pager->stats->resident || tally->pinned != pager->pinned)
        return "resident or pinned pages are miscounted";
    if (tally->with_policy != pager->with_policy || tally->dirty != pager->dirty)
        return "pages with the policy, or dirty ones, are miscounted";
    if (tally->stores != pager->stores)
        return "stores are miscounted";
    if (tally->listed != pager->offers.live)
        return "slots on the frame stack are miscounted";
    if (pager->owed > pager->held + (pager->allocating ? pager->allocate_count : 0))
        return "more is owed than held";
    return NULL;
}

const char *pager_check(const struct pager *pager)
{
    struct tally tally = {0};
    uint32_t used = 0;
    uint32_t losing = 0;
    const char *wrong;

    for (uint32_t i = 0; i < pager->regions; i++)
        for (uint32_t n = 0; n < pager->region[i].pages; n++) {
            wrong = check_page(pager, pager->region[i].first + n, &tally);
            if (wrong != NULL)
                return wrong;
        }
    for (uint32_t slot = 0; slot < pager->slots_top; slot++) {
        used += pager->slot[slot].state == SLOT_USED;
        losing += (pager->slot[slot].flags & SLOT_LOST) != 0;
        if (pager->slot[slot].state != SLOT_FREE && pager->slot[slot].place != 0)
            return "a slot is on the frame stack that is not free";
        tally.listed += pager->slot[slot].place != 0;
    }
    if (used != tally.held)
        return "a slot is used by no page";
    if (losing != pager->losing)
        return "slots that are being lost are miscounted";
    for (uint32_t slot = pager->free_head; slot != PAGER_NONE; slot = pager->slot[slot].next) {
        if (pager->slot[slot].state != SLOT_FREE || ++tally.free > pager->config.slots)
            return "the free list is broken";
    }
    tally.held += tally.free;
    return check_totals(pager, &tally);
}
