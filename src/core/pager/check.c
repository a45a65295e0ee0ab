/* The check of the pager's books: each equation at the top of struct pager, counted anew. */
#include "core/pager/mapping.h"
#include "core/pager/page.h"

struct tally {
    uint32_t held, free, leaving, loading, with_policy, dirty, stores, resident, pinned, listed;
    uint32_t going, going_clean;
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
    if (p->state == PAGE_LEAVING && (p->flags & PAGE_STORING) == 0 && !p->going)
        return "a page is leaving without a store, and unmapped";
    if (p->going && p->state != PAGE_LEAVING)
        return "a page is going that is not leaving";
    if ((p->flags & PAGE_DIRTY) != 0 && p->state != PAGE_RESIDENT && p->state != PAGE_LEAVING)
        return "a dirty page has no frame";
    if ((p->flags & PAGE_DIRTY) == 0 && page_kind(pager, page) == SP_PRECIOUS &&
        (p->protection & PAGE_WRITE) != 0)
        return "a clean precious page is mapped for writing";
    if ((p->bits & BITS_ARMED) != 0 &&
        (p->protection == 0 || ((p->bits & BITS_AREA) == 0 && !mapping_is_alone(pager, page))))
        return "a page is armed that cannot be accessed, or whose area has others and is not watched";
    if ((p->bits & BITS_NEW) != 0)
        return "a page is to be armed after the call that said so";
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
    tally->going += p->going;
    tally->going_clean += p->going && (p->flags & PAGE_DIRTY) == 0;
    tally->resident += p->state == PAGE_RESIDENT;
    tally->with_policy += page_is_with_policy(p);
    tally->dirty += (p->flags & PAGE_DIRTY) != 0;
    tally->pinned += p->pins > 0;
    return NULL;
}

static const char *check_totals(const struct pager *pager, const struct tally *tally)
{
    uint64_t in_regions = 0;

    for (uint32_t i = 0; i < pager->regions; i++)
        in_regions += pager->region[i].resident;
    if (tally->held != pager->held || tally->held != pager->stats->held)
        return "held is not the number of slots with a frame";
    if (tally->free != pager->free)
        return "free is not the length of the free list";
    if (tally->going != pager->going || tally->going_clean != pager->going_clean)
        return "pages that are being unmapped are miscounted";
    if (tally->leaving != pager->leaving || tally->loading != pager->loading)
        return "pages in transit are miscounted";
    if (tally->resident != pager->stats->resident || tally->resident != in_regions ||
        tally->pinned != pager->pinned)
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
