/* Rights to map that physmem gives, and takes back at any time. */
#include "core/pager/rights.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/mapping.h"
#include "core/pager/sense.h"
#include "core/pager/slots.h"

/* Slots for which rights are asked for in one round trip. */
#define GRANT_MOST 32u

/* Ask for the slot's rights, and in the same round trip for those of its neighbours above. */
void rights_ask(struct pager *pager, uint32_t slot)
{
    uint32_t count = 0;

    check(pager->slot[slot].state == SLOT_USED);
    while (count < GRANT_MOST && slot + count < pager->slots_top) {
        struct pager_slot *s = &pager->slot[slot + count];

        if (s->state == SLOT_HOLE || (s->flags & (SLOT_GRANTING | SLOT_LOST)) != 0 ||
            s->rights == (PAGE_READ | PAGE_WRITE))
            break;
        s->flags |= SLOT_GRANTING;
        count++;
    }
    ensure(count > 0);
    effects_add(pager, (struct pager_effect){.kind = EFFECT_GRANT, .slot = slot, .count = count});
}

void pager_rights_granted(struct pager *pager, uint32_t slot, uint8_t rights)
{
    struct pager_slot *s = &pager->slot[slot];

    ensure(slot < pager->config.slots);
    if ((s->flags & SLOT_GRANTING) == 0)
        return;
    if (s->state == SLOT_GONE) {
        slots_end_granted(pager, slot);
        return;
    }
    if ((s->flags & SLOT_TAKEN) == 0)
        s->rights |= rights;
    s->flags &= (uint8_t) ~(SLOT_GRANTING | SLOT_TAKEN);
}

void pager_rights_taken(struct pager *pager, uint32_t slot, uint32_t count, uint8_t rights,
                        uint32_t *referenced, uint32_t *dirty)
{
    uint32_t slots = pager->config.slots;
    uint32_t end = slot < slots && count < slots - slot ? slot + count : slots;

    ensure(pager->going == 0);
    check(end <= slots && pager->slots_top <= slots);
    for (uint32_t i = slot; i < end; i++) {
        struct pager_slot *s = &pager->slot[i];
        struct pager_page *page;

        if (s->state == SLOT_HOLE) {
            if (pager->allocating && i - pager->allocate_slot < pager->allocate_count)
                pager->allocation_unmapped = true;
            continue;
        }
        s->rights &= (uint8_t)~rights;
        if ((s->flags & SLOT_GRANTING) != 0)
            s->flags |= SLOT_TAKEN;
        if (s->state != SLOT_USED)
            continue;
        check(s->page_or_prev < pager->config.pages);
        page = &pager->page[s->page_or_prev];
        if ((page->flags & PAGE_MAPPED) == 0)
            continue;
        if (sense_referenced(pager, s->page_or_prev)) {
            page->flags |= PAGE_REFERENCED;
            (*referenced)++;
            *dirty += (page->protection & PAGE_WRITE) != 0;
        }
        pager->stats->pages_unmapped++;
        if ((rights & PAGE_READ) != 0)
            mapping_unmap(pager, s->page_or_prev);
        else if ((page->protection & rights) != 0)
            mapping_protect(pager, s->page_or_prev, page->protection & (uint8_t)~rights);
    }
}
