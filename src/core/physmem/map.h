/* A map request that waited for an extent goes on. */
#ifndef CORE_PHYSMEM_MAP_H
#define CORE_PHYSMEM_MAP_H

#include "core/physmem/state.h"

/* An extent of this container is there. If the task's map request waits for one of it, give the rights
 * and answer, unless another extent is missing. */
void map_continue(struct physmem *physmem, const struct container *container);

/* The extent of this number could not be made, for a reason (errno value). If the task's map
 * request waits for it, map what lies before it, or refuse. */
void map_without(struct physmem *physmem, const struct container *container, uint32_t number,
                 int error);

#endif
