/* Frames that physmem takes by itself. */
#ifndef CORE_PHYSMEM_REPOSSESS_H
#define CORE_PHYSMEM_REPOSSESS_H

#include "core/physmem/state.h"

/* Take the frames that are missing from a recall, and say which. False if those that are not vital
 * are too few; nothing is taken then. */
bool repossess_missing(struct physmem *physmem, struct recall *recall);

/* Whether all that a breach costs the task, by each of its contracts, is that frames are repossessed.
 * A fault of an extent then costs the task only this extent: a physmem that re-lets its frames must not be revoked
 * for what one of its tasks did. */
bool repossess_is_all(const struct physmem_task *task);

/* Take an extent, which is backed, whole, vital or not, and say so: no slots, if none had a frame. */
void repossess_extent(struct physmem *physmem, struct container *container, struct extent *extent);

#endif
