/* Frames that physmem wants back. */
#include "core/pager/pager.h"

#include "base/assert.h"
#include "base/least.h"
#include "core/pager/evict.h"
#include "core/pager/page.h"
#include "core/pager/slots.h"

void pager_debts_owe(struct pager *pager, uint32_t frames)
{
    uint32_t most;

    slots_sweep(pager);
    most = pager->held + (pager->allocating ? pager->allocate_count : 0);
    ensure(pager->owed <= most);
    pager->owed = frames < most - pager->owed ? pager->owed + frames : most;
    check(pager->owed <= most);
}

uint32_t pager_debts_pay(struct pager *pager, uint32_t limit, bool drop_only)
{
    slots_begin(pager);
    limit = least_of(limit, pager->config.batch);
    check(limit <= pager->config.batch);
    while (pager->owed > 0 && pager->free > 0 && limit > 0) {
        slots_return(pager);
        limit--;
    }
    if (pager->owed > pager->leaving)
        evict_pages(pager, least_of(limit, pager->owed - pager->leaving), drop_only);
    check(pager->returns_now <= pager->config.batch);
    return pager->owed;
}

void pager_debts_forgive(struct pager *pager, uint32_t frames)
{
    check(pager->owed <= pager->held + (pager->allocating ? pager->allocate_count : 0));
    pager->owed -= frames < pager->owed ? frames : pager->owed;
}
