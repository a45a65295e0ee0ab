/* Whether reading ahead is worth it: recent counts of pages that were used, and of those that were not, bound
 * the window of all runs. See ahead.c. */
#include "core/pager/judge.h"

#include "base/assert.h"
#include "base/least.h"

/* Window that is left at least, in pages. */
#define WINDOW_LEAST 2u

/* So many pages make a judgement. */
#define JUDGED 64u

/* Halve or double the bound when enough is known, and forget half of it. */
static void settle(struct pager *pager)
{
    struct pager_ahead *ahead = &pager->ahead;

    if (ahead->used + ahead->wasted < JUDGED)
        return;
    if (ahead->wasted > ahead->used)
        ahead->most = ahead->most / 2 > WINDOW_LEAST ? ahead->most / 2 : WINDOW_LEAST;
    else if (4 * ahead->wasted < ahead->used)
        ahead->most = least_of(2 * ahead->most, pager->config.read_ahead);
    ahead->used /= 2;
    ahead->wasted /= 2;
    check(ahead->used + ahead->wasted < JUDGED);
}

void judge_use(struct pager *pager, struct pager_page *page)
{
    ensure(page->ahead);
    page->ahead = false;
    pager->stats->read_ahead_used++;
    pager->ahead.used++;
    settle(pager);
}

void judge_waste(struct pager *pager, struct pager_page *page)
{
    ensure(page->ahead);
    page->ahead = false;
    pager->stats->read_ahead_wasted++;
    pager->ahead.wasted++;
    settle(pager);
}
