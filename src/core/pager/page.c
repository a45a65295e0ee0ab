/* Pages come to the policy, and leave it. */
#include "core/pager/page.h"

#include "base/assert.h"

void page_insert(struct pager *pager, sp_page page, bool write)
{
    check(page_is_with_policy(&pager->page[page]));
    pager->config.policy->insert(pager->policy_state, page, write ? SP_WRITE : SP_READ);
    pager->with_policy++;
    check(pager->with_policy <= pager->held);
}

void page_remove(struct pager *pager, sp_page page, enum sp_removal why)
{
    ensure(pager->with_policy > 0);
    pager->config.policy->remove(pager->policy_state, page, why);
    pager->with_policy--;
}
