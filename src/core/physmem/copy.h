/* The request to copy slots. */
#ifndef CORE_PHYSMEM_COPY_H
#define CORE_PHYSMEM_COPY_H

#include "core/physmem/state.h"

/* A clean extent for a request that waits was made with this descriptor, or could not be
 * (`error`, a positive errno value, is not 0). */
void copy_continue(struct physmem *physmem, struct extent *extent, uint32_t descriptor, int error);

#endif
