/* Memory from the allocator that a pure module was given. The caller that frees a block says how large
 * it was. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/allocator.h"

/* `size` bytes of zeros, or NULL. */
static inline void *memory_new(const struct allocator *allocator, size_t size)
{
    void *block = allocator->resize(allocator->context, NULL, 0, size);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

/* Free what memory_new or memory_reserve gave; NULL does nothing. */
static inline void memory_free(const struct allocator *allocator, void *block, size_t size)
{
    if (block != NULL)
        allocator->resize(allocator->context, block, size, 0);
}

/* memory_reserve, where there is not room yet. A function of its own, since it is rare. */
static __attribute__((noinline, unused)) int memory_grow(const struct allocator *allocator,
                                                         void *arrayp, uint32_t *capacityp,
                                                         size_t item, uint32_t wanted)
{
    uint32_t capacity = *capacityp > 0 ? *capacityp : 8;
    void *array;

    while (capacity < wanted) {
        if (capacity > UINT32_MAX / 2)
            return -ENOMEM;
        capacity *= 2;
    }
    memcpy(&array, arrayp, sizeof(array));
    array = allocator->resize(allocator->context, array, item * *capacityp, item * capacity);
    if (array == NULL)
        return -ENOMEM;
    memcpy(arrayp, &array, sizeof(array));
    *capacityp = capacity;
    return 0;
}

/* Make room for `wanted` items of `item` bytes in the array *arrayp, which has room for *capacityp,
 * by doubling; new items are undefined. Returns 0 or -ENOMEM, and then nothing has changed. */
static inline int memory_reserve(const struct allocator *allocator, void *arrayp,
                                 uint32_t *capacityp, size_t item, uint32_t wanted)
{
    if (wanted <= *capacityp)
        return 0;
    return memory_grow(allocator, arrayp, capacityp, item, wanted);
}

#endif
