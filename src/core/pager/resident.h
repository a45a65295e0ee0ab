#ifndef CORE_PAGER_RESIDENT_H
#define CORE_PAGER_RESIDENT_H

#include "core/pager/pager.h"

/* Prepare the frame of a page whose contents are zeros, or undefined: it is cleared if it must be. The
 * page's slot is set, and the page has no contents anywhere. */
void resident_clear(struct pager *pager, sp_page page);

/* The contents of a page are in its frame: it is resident from now on, and the policy may name it. `write`:
 * it is being written. */
void resident_begin(struct pager *pager, sp_page page, bool write);

/* Map a resident page, or widen its mapping to what its state permits. */
enum pager_verdict resident_map(struct pager *pager, sp_page page);

#endif
