/* Contents that the program gives up. */
#include "core/pager/pager.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/judge.h"
#include "core/pager/mapping.h"
#include "core/pager/page.h"
#include "core/pager/sense.h"
#include "core/pager/slots.h"

bool pager_discard_noted(struct pager *pager, sp_page page)
{
    bool lost = (pager->page[page].flags & PAGE_LOST) != 0;

    ensure(page < pager->config.pages && pager->page[page].region != 0);
    pager->page[page].flags &= (uint8_t)~PAGE_LOST;
    return lost;
}

int pager_discard(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];
    bool resident = p->state == PAGE_RESIDENT;

    ensure(page < pager->config.pages && p->region != 0);
    slots_begin(pager);
    if (p->pins > 0)
        return 0;
    if (p->state == PAGE_LOADING || (p->flags & PAGE_STORING) != 0 || p->going)
        return -1;
    if ((p->flags & PAGE_HAS_SWAP) != 0) {
        effects_add(pager,
                    (struct pager_effect){.kind = EFFECT_FREE_SWAP, .page = page, .swap = p->swap});
        p->flags &= (uint8_t)~PAGE_HAS_SWAP;
    }
    if (resident) {
        sense_ahead(pager, page);
        page_remove(pager, page, SP_DISCARDED);
        if ((p->flags & PAGE_MAPPED) != 0)
            mapping_unmap(pager, page);
        page_goes(pager, page);
        pager->stats->dropped++;
        judge_wasted(pager, p);
        p->flags |= PAGE_LOST;
        page_clear_dirty(pager, p);
    }
    p->flags &= (uint8_t)~PAGE_REFERENCED;
    p->state = PAGE_ABSENT;
    if (resident)
        slots_free(pager, p->slot);
    p->slot = 0;
    check((p->flags & (PAGE_DIRTY | PAGE_MAPPED | PAGE_HAS_SWAP)) == 0);
    return resident;
}
