#ifndef CORE_PAGER_EVICT_H
#define CORE_PAGER_EVICT_H

#include "core/pager/pager.h"

/* A page gets no frame, perhaps because others are kept. Stop keeping them and return true; if the page is one of
 * them, or none is kept, return false. */
bool evict_forget_kept(struct pager *pager, sp_page page);

/* Let up to `want` pages leave; if `drop_only`, none that would have to be written. Returns how many
 * left or are leaving. */
uint32_t evict_pages(struct pager *pager, uint32_t want, bool drop_only);

#endif
