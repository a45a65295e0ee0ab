/* What the program expects of its pages. */
#include "core/pager/pager.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/growth.h"
#include "core/pager/page.h"
#include "core/pager/resident.h"
#include "core/pager/slots.h"

bool pager_advice_prefetch(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(page < pager->config.pages);
    if (p->state != PAGE_SWAPPED || pager->free <= slots_low(pager) || !slots_take(pager, page))
        return false;
    pager->slot[p->slot].flags &= (uint8_t)~SLOT_ZERO;
    p->state = PAGE_LOADING;
    pager->loading++;
    effects_add(pager, (struct pager_effect){
                           .kind = EFFECT_LOAD, .page = page, .slot = p->slot, .swap = p->swap});
    return true;
}

/* Give frames to absent pages, and have them cleared: bit i of *takenp is page + i. Returns how many pages
 * were looked at. */
static uint32_t take_frames(struct pager *pager, sp_page page, uint32_t count, uint64_t *takenp)
{
    uint32_t i;

    check(page < pager->config.pages && count <= pager->config.pages - page);
    *takenp = 0;
    for (i = 0; i < count; i++) {
        if (pager->page[page + i].state != PAGE_ABSENT)
            continue;
        if (pager->owed > 0 || pager->free <= slots_low(pager) || !slots_take(pager, page + i))
            break;
        resident_clear(pager, page + i);
        pager->page[page + i].state = PAGE_LOADING; /* the next page wants the frame beside it */
        *takenp |= UINT64_C(1) << i;
    }
    return i;
}

/* Should rights or mappings be short, the access faults and sees to it. */
static void map_if_possible(struct pager *pager, sp_page page)
{
    check(pager->faulting == SP_NO_PAGE);
    if (pager->slot[pager->page[page].slot].rights != (PAGE_READ | PAGE_WRITE) ||
        pager->maps + 2 > pager->map_limit)
        return;
    pager->faulting = page;
    resident_map(pager, page);
    pager->faulting = SP_NO_PAGE;
}

uint32_t pager_advice_populate(struct pager *pager, sp_page page, uint32_t count, bool *growsp)
{
    const struct pager_region *region = pager_regions_of(pager, page);
    uint32_t looked;
    uint64_t taken;

    ensure(region != NULL && count <= region->first + region->pages - page);
    ensure(count <= PAGER_POPULATE_MOST);
    *growsp = false;
    if (region->refill)
        return count;
    slots_begin(pager);
    looked = take_frames(pager, page, count, &taken);
    /* All are cleared before the first is mapped, so that one call maps them together. */
    for (uint32_t i = 0; i < looked; i++)
        if ((taken >> i & 1) != 0) {
            resident_begin(pager, page + i, true);
            map_if_possible(pager, page + i);
        }
    if (looked < count && pager->owed == 0)
        *growsp = growth_ask(pager);
    return looked;
}

void pager_advice_hint(struct pager *pager, sp_page page, enum sp_hint hint)
{
    ensure(page < pager->config.pages);
    if (pager->config.policy->hint != NULL && page_is_with_policy(&pager->page[page]))
        pager->config.policy->hint(pager->policy_state, page, hint);
}
