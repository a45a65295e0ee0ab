/* References that no fault tells of.
 *
 * A page is watched in one of two ways. Without help from the kernel its mapping loses all protection, and its next
 * reference is a soft fault. With help it is armed: it leaves the page table, but stays mapped, so that its
 * next reference is served by the kernel alone, and leaves a present bit behind. The answers are the same: a page
 * counts as referenced if it could be accessed without a fault in the first way, and if it was accessed at all in
 * the second, since there the first access would have ended the watch. What differs is when the pager hears of it: at
 * once, or when the policy asks. A policy that has SP_POLICY_SAMPLES does not mind. */
#include "core/pager/sense.h"

#include "base/assert.h"
#include "core/pager/judge.h"

bool sense_referenced(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(page < pager->config.pages && (p->protection != 0 || (p->bits & BITS_ARMED) == 0));
    if (p->protection == 0)
        return false;
    if ((p->bits & BITS_ARMED) == 0)
        return true;
    if ((p->bits & BITS_NEW) != 0 || !pager->config.referenced(pager->config.referenced_arg, page))
        return false;
    p->bits &= (uint8_t)~BITS_ARMED;
    judge_used(pager, p);
    return true;
}

void sense_ahead(struct pager *pager, sp_page page)
{
    struct pager_page *p = &pager->page[page];

    check(page < pager->config.pages);
    if (p->ahead && (p->bits & BITS_ARMED) != 0)
        sense_referenced(pager, page);
}
