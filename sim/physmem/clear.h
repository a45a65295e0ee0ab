/* Pages of extents that are given back, and whole extents.
 *
 * Pages that the core wants cleared later (effect->extent.later) are cleared after some milliseconds, or when there are
 * many, unless they are written before that. Nobody waits for it. */
#ifndef PHYSMEM_CLEAR_H
#define PHYSMEM_CLEAR_H

#include "backing.h"

/* PHYSMEM_EXTENT_PUNCH, .._KEEP, .._CUT, .._DESTROY. */
void clear_punch(struct service *service, const struct physmem_effect *effect);
void clear_keep(struct service *service, const struct physmem_effect *effect);
void clear_cut(struct service *service, const struct physmem_effect *effect);
void clear_destroy(struct service *service, const struct physmem_effect *effect);

/* Pages that are about to be written whole need not be cleared before. */
void clear_spare(struct backing *backing, uint32_t page, uint32_t count);

/* Pages of an extent that could wait to be cleared can wait no longer: the next change of it clears them. */
void clear_soon(struct backing *backing);

#endif
