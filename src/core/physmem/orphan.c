/* The request to leave data to those that have copies of it: slots name their own pages again, without the
 * contents, and keep their frames. */
#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/punch.h"

/* The first slot, from `slot` to `end`, that is a copy; `end` if there is none. */
static uint32_t next_copy(const struct container *container, uint32_t slot, uint32_t end)
{
    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);

        check(stop > slot && stop <= end);
        if (extent->copies == 0) {
            slot = stop;
            continue;
        }
        for (; slot < stop; slot++)
            if (slot_is_allocated(extent_slot(extent, slot)) && extent_slot(extent, slot)->copy)
                return slot;
    }
    return end;
}

/* Whether no slot of a range that is a copy is mapped. If one is, *slotp is set to it. */
static bool are_unmapped(const struct container *container, const struct physmem_range *range,
                         uint32_t *slotp)
{
    uint32_t end = range->start + range->count;

    check(end <= container->slots);
    for (uint32_t slot = range->start; (slot = next_copy(container, slot, end)) < end; slot++) {
        const struct container_slot *entry = extent_slot(container_extent(container, slot), slot);

        if (entry->rights != 0 || entry->unmapping) {
            *slotp = slot;
            return false;
        }
    }
    return true;
}

/* Returns how many slots were copies. */
static uint32_t range_orphan(struct physmem *physmem, const struct container *container,
                             const struct physmem_range *range)
{
    uint32_t end = range->start + range->count;
    struct punch keep = {.when = PUNCH_NEVER};
    uint32_t count = 0;

    for (uint32_t slot = range->start; (slot = next_copy(container, slot, end)) < end; slot++) {
        struct extent *extent = container_extent(container, slot);

        punch_add(physmem, &keep, extent, slot);
        copies_leave(physmem, extent, slot);
        count++;
    }
    punch_flush(physmem, &keep);
    check(count <= range->count);
    return count;
}

void physmem_orphan(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_few_ranges(physmem, now, request, handle, ranges, count);
    uint32_t orphaned = 0, slot;

    if (container == NULL)
        return;
    check(container->owner == request->task);
    for (uint32_t i = 0; i < count; i++)
        if (!are_unmapped(container, &ranges[i], &slot)) {
            emit_done(physmem, request, EBUSY, 0,
                      "the task still has rights to a slot: give them up first");
            return;
        }
    for (uint32_t i = 0; i < count; i++)
        orphaned += range_orphan(physmem, container, &ranges[i]);
    container->version += orphaned > 0;
    emit_done(physmem, request, 0, orphaned, NULL);
}
