#include "os/heap.h"

#include <stdlib.h>

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

static void *resize_zeros(void *context, void *block, size_t old_size, size_t new_size)
{
    if (block == NULL && new_size > 0)
        return calloc(1, new_size);
    return resize(context, block, old_size, new_size);
}

const struct allocator heap_allocator = {.resize = resize};
const struct allocator heap_zeros = {.resize = resize_zeros};
