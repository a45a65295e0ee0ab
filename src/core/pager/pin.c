/* Pages that neither policy nor recall may evict. */
#include "core/pager/pager.h"

#include "base/assert.h"
#include "core/pager/page.h"

bool pager_pin(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(p->state == PAGE_RESIDENT);
    if (p->pins == UINT8_MAX)
        return false;
    p->pins++; /* from now on the policy cannot have it watched */
    if (p->pins == 1) {
        page_remove(pager, page, SP_PINNED);
        check(pager->pinned < pager->held);
        pager->pinned++;
        pager->stats->pinned = pager->pinned;
    }
    return true;
}

void pager_pin_undo(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    ensure(p->pins > 0);
    p->pins--;
    if (p->pins == 0) {
        ensure(pager->pinned > 0);
        pager->pinned--;
        pager->stats->pinned = pager->pinned;
        if (p->state == PAGE_RESIDENT)
            page_insert(pager, page, false);
    }
}
