/* The pages inserted last, which are not to be watched yet in a live task: one instruction may
 * refer to several (a copy between unaligned places: four), and would never end if the fault on one
 * closed another. */
#ifndef POLICY_RECENT_H
#define POLICY_RECENT_H

#include <selfpage/policy.h>

#define RECENT_PAGES 8u

/* Zeros are valid. */
struct recent {
    uint32_t page_plus1[RECENT_PAGES];
    uint32_t next;
};

/* Note that `page` has been inserted. Returns the page that is among the last no longer, or
 * SP_NO_PAGE; it may have left meanwhile, and be back. */
static inline sp_page recent_add(struct recent *recent, sp_page page)
{
    uint32_t *place = &recent->page_plus1[recent->next++ % RECENT_PAGES];
    sp_page oldest = *place - 1;

    *place = page + 1;
    return oldest != page ? oldest : SP_NO_PAGE;
}

#endif
