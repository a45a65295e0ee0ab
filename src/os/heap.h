/* The allocator of programs: malloc and its kin. */
#ifndef OS_HEAP_H
#define OS_HEAP_H

#include "base/allocator.h"

extern const struct allocator heap_allocator;

/* The same, but new blocks are zeros, which cost nothing until they are touched; a block that is made
 * larger is not. */
extern const struct allocator heap_zeros;

#endif
