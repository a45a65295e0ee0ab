/* The end of every input that may have moved frames: requests that wait are served, what they lack is
 * recalled, and tasks are told what they want to know. */
#ifndef CORE_PHYSMEM_SETTLE_H
#define CORE_PHYSMEM_SETTLE_H

#include "core/physmem/state.h"

/* Settle an input. */
void settle_input(struct physmem *physmem);

#endif
