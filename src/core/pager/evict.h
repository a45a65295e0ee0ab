#ifndef CORE_PAGER_EVICT_H
#define CORE_PAGER_EVICT_H

#include "core/pager/pager.h"

/* Let up to `want` pages leave; if `drop_only`, none that would have to be written. Returns how many
 * left or are leaving. */
uint32_t evict_pages(struct pager *pager, uint32_t want, bool drop_only);

#endif
