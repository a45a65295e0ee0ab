/* An allocator that counts what is out, and can run dry. */
#ifndef TESTS_L4_HEAP_H
#define TESTS_L4_HEAP_H

#include <limits.h>
#include <stdlib.h>

#include <selfpage/l4.h>

static size_t heap_bytes;                   /* that are out */
static unsigned long heap_left = ULONG_MAX; /* calls that still succeed */

static void *heap_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    void *result;

    (void)context;
    if (new_size == 0) {
        free(block);
        heap_bytes -= old_size;
        return NULL;
    }
    if (heap_left == 0)
        return NULL;
    heap_left -= heap_left != ULONG_MAX;
    result = realloc(block, new_size);
    if (result != NULL)
        heap_bytes += new_size - old_size;
    return result;
}

static const struct sp_l4_memory heap = {.resize = heap_resize};

#endif
