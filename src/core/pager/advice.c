/* What the program expects of its pages. */
#include "core/pager/pager.h"

#include "base/assert.h"
#include "core/pager/effects.h"
#include "core/pager/page.h"
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

void pager_advice_hint(struct pager *pager, sp_page page, enum sp_hint hint)
{
    ensure(page < pager->config.pages);
    if (pager->config.policy->hint != NULL && page_is_with_policy(&pager->page[page]))
        pager->config.policy->hint(pager->policy_state, page, hint);
}
