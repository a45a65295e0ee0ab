/* Pages become resident, and are mapped. */
#include "core/pager/resident.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/mapping.h"
#include "core/pager/page.h"
#include "core/pager/rights.h"

void resident_clear(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    struct pager_slot *slot = &pager->slot[p->slot];

    check(p->state < PAGE_LOADING && slot->state == SLOT_USED && slot->page_or_prev == page);
    if (!pager->region[p->region - 1].undefined && (slot->flags & SLOT_ZERO) == 0) {
        pager->stats->zeroed++;
        effects_add(pager, (struct pager_effect){.kind = EFFECT_CLEAR, .slot = p->slot});
    }
    slot->flags &= (uint8_t)~SLOT_ZERO;
}

void resident_begin(struct pager *pager, sp_page page, bool write)
{
    struct pager_page *p = &pager->page[page];

    check(p->state != PAGE_RESIDENT && pager->slot[p->slot].page_or_prev == page);
    p->state = PAGE_RESIDENT;
    page_comes(pager, page);
    page_insert(pager, page, write);
    if (write && page_kind(pager, page) == SP_PRECIOUS)
        page_set_dirty(pager, p);
}

/* What a mapping of this page should permit now. The pager must notice a write to a precious page
 * while the page is clean, or while its frame is being stored. */
static uint8_t wanted_protection(const struct pager *pager, sp_page page)
{
    const struct pager_page *p = &pager->page[page];

    check(p->state == PAGE_RESIDENT);
    if (page_kind(pager, page) != SP_PRECIOUS)
        return PAGE_READ | PAGE_WRITE;
    if ((p->flags & PAGE_STORING) != 0)
        return (p->flags & PAGE_REDIRTIED) != 0 ? PAGE_READ | PAGE_WRITE : PAGE_READ;
    return (p->flags & PAGE_DIRTY) != 0 ? PAGE_READ | PAGE_WRITE : PAGE_READ;
}

enum pager_verdict resident_map(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    struct pager_slot *slot = &pager->slot[p->slot];
    uint8_t protection = wanted_protection(pager, page);

    check(p->state == PAGE_RESIDENT && slot->state == SLOT_USED && slot->page_or_prev == page);
    if ((slot->rights & protection) != protection) {
        if ((slot->flags & SLOT_GRANTING) != 0)
            return PAGER_WAIT;
        rights_ask(pager, p->slot);
        return PAGER_CALL;
    }
    if (!mapping_has_room(pager) && !mapping_make_room(pager))
        return pager->stores > 0 ? PAGER_WAIT_STORE : PAGER_STUCK;
    if ((p->flags & PAGE_MAPPED) != 0)
        mapping_protect(pager, page, protection);
    else
        mapping_map(pager, page, protection);
    return PAGER_DONE;
}
