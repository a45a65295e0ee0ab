/* What became of pages that were read ahead. */
#ifndef CORE_PAGER_JUDGE_H
#define CORE_PAGER_JUDGE_H

#include "base/assert.h"
#include "core/pager/pager.h"

/* The page was read ahead, and is referenced, or was; or it loses its frame, and no reference is known. The
 * first such verdict counts. */
void judge_use(struct pager *pager, struct pager_page *page);
void judge_waste(struct pager *pager, struct pager_page *page);

/* The same of any page: most were not read ahead. */
static inline void judge_used(struct pager *pager, struct pager_page *page)
{
    check(page >= pager->page && page < pager->page + pager->config.pages);
    if (page->ahead)
        judge_use(pager, page);
}

static inline void judge_wasted(struct pager *pager, struct pager_page *page)
{
    check(page >= pager->page && page < pager->page + pager->config.pages);
    if (page->ahead)
        judge_waste(pager, page);
}

#endif
