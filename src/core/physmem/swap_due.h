/* What was put off about swap. */
#ifndef CORE_PHYSMEM_SWAP_DUE_H
#define CORE_PHYSMEM_SWAP_DUE_H

#include "core/physmem/state.h"

/* Look at requests that waited for others, and give up what tasks that have gone had in swap. */
void swap_due(struct physmem *physmem);

#endif
