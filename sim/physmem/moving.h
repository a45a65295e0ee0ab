/* Contents of pages go to pages of other extents.
 *
 * An extent is read at once: pread waits for nobody. It is written at once, too, where nobody else has had it. Holes of an
 * extent that a task has are filled at once in a way that waits for nobody (os/holes.h); where pages are there already, or
 * that cannot be had, a change writes it (change.h), with the contents as they were read; until that is done these
 * count as its contents. */
#ifndef PHYSMEM_MOVING_H
#define PHYSMEM_MOVING_H

#include "service.h"

/* PHYSMEM_EXTENT_COPY. Contents only move between pages of one task: if they cannot, it is this task that ends. */
void moving_copy(struct service *service, const struct physmem_effect *effect);

#endif
