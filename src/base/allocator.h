/* Where the pure layers get memory: their callers pass an allocator. */
#ifndef BASE_ALLOCATOR_H
#define BASE_ALLOCATOR_H

#include <stddef.h>

struct allocator {
    /* Like realloc: grow or shrink `block` (NULL: a new one) from old_size to new_size bytes
     * (0: free it, returns NULL). New bytes are undefined. NULL when there is no memory; `block`
     * is then unchanged. */
    void *(*resize)(void *context, void *block, size_t old_size, size_t new_size);
    void *context;
};

#endif
