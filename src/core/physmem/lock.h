/* Locks that begin and end: see core/physmem/shares.h. */
#ifndef CORE_PHYSMEM_LOCK_H
#define CORE_PHYSMEM_LOCK_H

#include "core/physmem/state.h"

/* The owner has given up rights to a container: a lock that waits for that may begin. */
void lock_continue(struct physmem *physmem, struct container *container);

/* The time of a lock is over. */
void lock_due(struct physmem *physmem, struct sharing *sharing);

#endif
