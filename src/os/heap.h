/* The allocator of programs: malloc and its kin. */
#ifndef OS_HEAP_H
#define OS_HEAP_H

#include "base/allocator.h"

extern const struct allocator heap_allocator;

#endif
