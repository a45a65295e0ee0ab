/* Read-ahead: pages that will be needed soon are loaded together with the one that is needed now. */
#ifndef CORE_PAGER_AHEAD_H
#define CORE_PAGER_AHEAD_H

#include "core/pager/pager.h"

/* Load a swapped page, which has its slot and is LOADING, by EFFECT_LOAD; and before and after it those that
 * the run goes on with that it belongs to. The effects come in the order of pages. */
void ahead_load(struct pager *pager, sp_page page);

/* A fault has given the page a frame: if free ones have become few, have pages evicted. If the driver wants it that
 * way, and the page is in swap, that is done when its load has begun. */
void ahead_reserve(struct pager *pager, sp_page page);

#endif
