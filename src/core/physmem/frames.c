/* Requests that give frames back, to the pool or softly, and that take soft ones again. */
#include "core/physmem/breach.h"
#include "core/physmem/emit.h"
#include "core/physmem/extra.h"
#include "core/physmem/input.h"
#include "core/physmem/recall.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"

/* Drop the frames of one range. Returns how many were held. */
static uint32_t range_drop(struct physmem *physmem, struct container *container,
                           const struct physmem_range *range)
{
    uint32_t end = range->start + range->count;
    uint32_t slot = range->start;
    uint32_t held = container->allocated;
    struct punch punch = {NULL};

    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);
        uint32_t first = slot;

        for (; slot < stop; slot++)
            if (extent_slot(extent, slot)->frame != SLOT_NO_FRAME)
                slots_drop(physmem, container, extent, slot, &punch);
        punch_flush(physmem, &punch);
        slots_extent_audit(physmem, extent);
        container_extent_trim(physmem->allocator, container, first);
    }
    ensure(container->allocated <= held);
    return held - container->allocated;
}

/* Let go softly of the frames of one range. Returns how many. */
static uint32_t range_soften(struct physmem *physmem, struct container *container,
                             const struct physmem_range *range)
{
    struct physmem_task *task = container->owner;
    uint32_t end = range->start + range->count;
    uint32_t slot = range->start;
    uint32_t held = container->allocated;

    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);

        for (; slot < stop; slot++) {
            if (!slot_is_allocated(extent_slot(extent, slot)))
                continue;
            frame_table_soften(&physmem->frames, extent_slot(extent, slot)->frame);
            container_slot_soften(container, extent, slot);
            check(task->held > 0);
            task->held--;
            task->soft++;
        }
    }
    return held - container->allocated;
}

/* Frames came back by a request: they count against what is owed. */
static void returned(struct physmem *physmem, const struct physmem_request *request,
                     uint32_t frames)
{
    physmem->counters.regained += frames;
    recall_pay(physmem, request->task, frames);
    emit_done(physmem, request, 0, frames, NULL);
    settle_input(physmem);
}

void physmem_frames_deallocate(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_ranges(physmem, now, request, handle, ranges, count);
    uint32_t frames = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        frames += range_drop(physmem, container, &ranges[i]);
    returned(physmem, request, frames);
}

void physmem_frames_release(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t handle,
                            const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_ranges(physmem, now, request, handle, ranges, count);
    uint32_t frames = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        frames += range_soften(physmem, container, &ranges[i]);
    returned(physmem, request, frames);
}

/* Take back one soft slot. Returns 0, ENOENT or ENOMEM. */
static int slot_recover(struct physmem *physmem, struct container *container, uint32_t slot)
{
    struct physmem_task *task = container->owner;
    struct extent *extent = container_extent(container, slot);
    bool within = task->held + task->waiting < task_commitment(task);
    bool pressure;

    if (extent == NULL || extent_slot(extent, slot)->frame == SLOT_NO_FRAME)
        return ENOENT;
    if (!extent_slot(extent, slot)->soft)
        return 0;
    /* Within the commitment the frame is promised to this task as to any that waits. */
    if (!within && extra_allowed(physmem, task, 0, 1, &pressure) == 0)
        return ENOMEM;
    slots_harden(physmem, container, extent, slot);
    task->allocations++;
    physmem->counters.allocated++;
    return 0;
}

static const char *recover_text(int error)
{
    ensure(error == 0 || error == ENOENT || error == ENOMEM);
    return error == ENOENT   ? "the frame has been reused"
           : error == ENOMEM ? "not within what the contracts allow now"
                             : NULL;
}

void physmem_frames_recover(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t handle,
                            const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_ranges(physmem, now, request, handle, ranges, count);
    uint32_t recovered = 0;
    int error = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        for (uint32_t j = 0; j < ranges[i].count && error == 0; j++) {
            error = slot_recover(physmem, container, ranges[i].start + j);
            recovered += error == 0;
        }
    }
    emit_done(physmem, request, error, recovered, recover_text(error));
    if (recovered > 0 || error == ENOMEM)
        breach_count_demand(physmem, request->task, recovered);
    settle_input(physmem);
}
