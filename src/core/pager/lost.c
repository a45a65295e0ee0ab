/* Frames that physmem repossessed: what becomes of their pages.
 *
 * A page whose contents are elsewhere too goes there (SWAPPED), or can be made again (ABSENT). One
 * that was written and not stored is DEAD, and so is a pinned one, whatever it held: the program
 * counts on it. A frame that is being filled, or stored, or that rights were asked for, leaves when
 * that has ended: its slot is not used again before, and meanwhile no new frames are asked for, since
 * they could come to lie in the extent that is gone. */
#include "core/pager/lost.h"

#include "base/assert.h"
#include "core/pager/judge.h"
#include "core/pager/mapping.h"
#include "core/pager/page.h"
#include "core/pager/sense.h"
#include "core/pager/slots.h"

void lost_page_end(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool precious = page_kind(pager, page) == SP_PRECIOUS;

    check((p->flags & PAGE_STORING) == 0 && (p->flags & PAGE_MAPPED) == 0);
    if (p->pins > 0 || (p->flags & PAGE_DIRTY) != 0) {
        p->state = PAGE_DEAD;
    } else if (precious && (p->flags & PAGE_HAS_SWAP) != 0) {
        p->state = PAGE_SWAPPED;
    } else {
        p->state = PAGE_ABSENT;
        if (!precious) {
            p->flags |= PAGE_LOST;
            pager->stats->dropped++;
        }
    }
    page_clear_dirty(pager, p);
    slots_free(pager, p->slot);
}

static void resident_lost(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(p->state == PAGE_RESIDENT);
    sense_ahead(pager, page);
    if (page_is_with_policy(p))
        page_remove(pager, page, SP_DISCARDED);
    if ((p->flags & PAGE_MAPPED) != 0)
        mapping_unmap(pager, page);
    page_goes(pager, page);
    judge_wasted(pager, p);
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    if ((p->flags & PAGE_STORING) != 0) {
        p->state = PAGE_LEAVING; /* the store may have been in time */
        pager->leaving++;
        return;
    }
    lost_page_end(pager, page);
}

static void slot_lost(struct pager *pager, uint32_t slot)
{
    struct pager_slot *s = &pager->slot[slot];

    check(slot < pager->config.slots);
    if (s->state == SLOT_HOLE || s->state == SLOT_GONE || (s->flags & SLOT_LOST) != 0)
        return;
    if (s->state == SLOT_FREE && !slots_claim(pager, slot))
        return; /* physmem had it already, by the frame stack */
    pager->stats->frames_lost++;
    pager->losing++;
    s->flags |= SLOT_LOST;
    if (s->state == SLOT_FREE)
        slots_end(pager, slot);
    else if (pager->page[s->page_or_prev].state == PAGE_RESIDENT)
        resident_lost(pager, s->page_or_prev);
}

void pager_lost(struct pager *pager, uint32_t slot, uint32_t count)
{
    uint32_t slots = pager->config.slots;
    uint32_t end = slot < slots && count < slots - slot ? slot + count : slots;

    ensure(pager->going == 0);
    slots_begin(pager);
    check(end <= slots);
    for (uint32_t i = slot; i < end; i++) {
        uint32_t in_allocation = i - pager->allocate_slot;

        if (pager->slot[i].state == SLOT_HOLE && pager->allocating &&
            in_allocation < pager->allocate_count)
            pager->allocation_lost |= UINT64_C(1) << in_allocation;
        slot_lost(pager, i);
    }
}

bool pager_lost_has(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check(page < pager->config.pages);
    return p->state < PAGE_LOADING || (pager->slot[p->slot].flags & SLOT_LOST) != 0;
}
