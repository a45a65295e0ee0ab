/* Handles: numbers by which others may name objects. The first ones are 1, 2, 3...; a number that
 * was given up comes back with another generation in its upper bits, so that a stale handle names
 * nothing. 0 is never a handle. */
#ifndef BASE_HANDLES_H
#define BASE_HANDLES_H

#include <stdint.h>

#include "base/allocator.h"

#define HANDLES_MAX ((UINT32_C(1) << 20) - 1) /* objects at once */

struct handle_entry {
    void *object;        /* NULL: free */
    uint32_t generation; /* 0 to 4095 */
    uint32_t next_free;  /* index plus 1 */
};

struct handles {
    struct handle_entry *entry;
    uint32_t used; /* entries that are or were in use */
    uint32_t capacity;
    uint32_t free; /* index plus 1 of the first free entry */
    const struct allocator *allocator;
};

void handles_init(struct handles *handles, const struct allocator *allocator);
void handles_fini(struct handles *handles);

/* A handle for `object`, which is not NULL; 0 if there is no memory or there are HANDLES_MAX. */
uint32_t handles_new(struct handles *handles, void *object);

/* Give a valid handle up. */
void handles_free(struct handles *handles, uint32_t handle);

/* The object that a handle names, or NULL. Any number may be asked. */
static inline void *handles_object(const struct handles *handles, uint32_t handle)
{
    uint32_t index = (handle & HANDLES_MAX) - 1;

    if (index >= handles->used || handles->entry[index].generation != handle >> 20)
        return NULL;
    return handles->entry[index].object;
}

#endif
