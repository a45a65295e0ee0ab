/* Requests that give frames back, to the pool or softly, and that take soft ones again. */
#include "core/physmem/frames.h"

#include "core/physmem/breach.h"
#include "core/physmem/emit.h"
#include "core/physmem/freeing.h"
#include "core/physmem/input.h"
#include "core/physmem/recall.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"
#include "core/physmem/soft.h"

/* Frames and holes of one slice of a request; see also core/physmem/bury.h. */
#define SLICE    4096u
#define SLICE_NS UINT64_C(250000)

/* A request that names more slots than this is carried out in slices. */
#define AT_ONCE 16384u

/* ---- Deallocate ---- */

/* Drop the frames of a range from its first slot on, for at most `budget` slots that have tables. The
 * range becomes what is left of it. Returns the slots looked at; adds to *framesp those that were
 * held. */
static uint32_t drop_some(struct physmem *physmem, struct container *container,
                          struct physmem_range *range, uint32_t budget, uint32_t *framesp)
{
    uint32_t end = range->start + range->count;
    uint32_t slot = container_skip(container, range->start);
    uint32_t held = container->allocated;
    uint32_t looked = 0;
    struct punch punch = {NULL};

    check(budget > 0);
    while (slot < end && looked < budget) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);
        uint32_t first = slot;

        looked += stop - slot;
        for (; slot < stop; slot++)
            if (extent_slot(extent, slot)->frame != SLOT_NO_FRAME)
                slots_drop(physmem, container, extent, slot, &punch);
        punch_flush(physmem, &punch);
        slots_extent_audit(physmem, extent);
        container_extent_trim(physmem->allocator, container, first);
        slot = container_skip(container, slot);
    }
    slot = smaller(slot, end);
    *range = (struct physmem_range){slot, end - slot};
    ensure(container->allocated <= held);
    *framesp += held - container->allocated;
    return looked;
}

/* Frames came back by a request: they count against what is owed. */
static void returned(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    check(task->state == STANDING_THERE);
    physmem->counters.regained += frames;
    recall_pay(physmem, task, frames);
}

/* Frames came back by a request, which is done with that. */
static void returned_all(struct physmem *physmem, const struct physmem_request *request,
                         uint32_t frames)
{
    returned(physmem, request->task, frames);
    emit_done(physmem, request, 0, frames, NULL);
    settle_input(physmem);
}

void frames_free_on(struct physmem *physmem, struct physmem_task *task)
{
    struct freeing *freeing = task->freeing;
    struct container *container = handles_object(&physmem->containers, freeing->container);
    uint32_t budget = SLICE;
    uint32_t frames = 0;

    /* Destroying the container cancels the request. */
    ensure(container != NULL && container->owner == task);
    while (freeing->next < freeing->count && budget > 0) {
        struct physmem_range *range = &freeing->ranges[freeing->next];

        budget -= smaller(budget, drop_some(physmem, container, range, budget, &frames) + 1);
        freeing->next += range->count == 0;
    }
    freeing->frames += frames;
    returned(physmem, task, frames);
    if (freeing->next < freeing->count) {
        deadlines_start(&physmem->deadlines, &freeing->deadline, physmem->now + SLICE_NS);
        return;
    }
    emit_done(physmem, &freeing->request, 0, freeing->frames, NULL);
    freeing_end(physmem, task);
}

/* Carry a large request out in slices. */
static void free_in_slices(struct physmem *physmem, const struct physmem_request *request,
                           uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct physmem_task *task = request->task;
    struct freeing *freeing;

    check(count > 0);
    if (task->freeing != NULL) {
        emit_done(physmem, request, EBUSY, 0,
                  "another large request of this task is still being carried out");
        return;
    }
    freeing = memory_new(physmem->allocator, sizeof(*freeing) + count * sizeof(ranges[0]));
    if (freeing == NULL) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request");
        return;
    }
    memcpy(freeing->ranges, ranges, count * sizeof(ranges[0]));
    freeing->request = *request;
    freeing->container = handle;
    freeing->count = count;
    freeing->deadline.purpose = PURPOSE_FREE;
    task->freeing = freeing;
    frames_free_on(physmem, task);
    settle_input(physmem);
}

/* Let go softly of the frames of one range. Returns how many. */
static uint32_t range_soften(struct physmem *physmem, struct container *container,
                             const struct physmem_range *range)
{
    uint32_t end = range->start + range->count;
    uint32_t slot = range->start;
    uint32_t held = container->allocated;

    check(range->start < container->slots);
    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);

        for (; slot < stop; slot++)
            if (slot_is_allocated(extent_slot(extent, slot)))
                slots_soften(physmem, container, extent, slot);
    }
    return held - container->allocated;
}

/* Slots that ranges name. */
static uint64_t slots_named(const struct physmem_range *ranges, uint32_t count)
{
    uint64_t slots = 0;

    for (uint32_t i = 0; i < count; i++)
        slots += ranges[i].count;
    return slots;
}

void physmem_frames_deallocate(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_ranges(physmem, now, request, handle, ranges, count);
    uint32_t frames = 0;

    if (container == NULL)
        return;
    container->version++;
    if (slots_named(ranges, count) > AT_ONCE) {
        free_in_slices(physmem, request, handle, ranges, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct physmem_range range = ranges[i];

        drop_some(physmem, container, &range, UINT32_MAX, &frames);
    }
    returned_all(physmem, request, frames);
}

void physmem_frames_release(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t handle,
                            const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_few_ranges(physmem, now, request, handle, ranges, count);
    uint32_t frames = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        frames += range_soften(physmem, container, &ranges[i]);
    container->version += frames > 0;
    returned_all(physmem, request, frames);
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
    struct container *container = input_few_ranges(physmem, now, request, handle, ranges, count);
    uint32_t recovered = 0;
    int error = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count && error == 0; i++) {
        for (uint32_t j = 0; j < ranges[i].count && error == 0; j++) {
            error = soft_recover(physmem, container, ranges[i].start + j);
            recovered += error == 0;
        }
    }
    container->version += recovered > 0;
    emit_done(physmem, request, error, recovered, recover_text(error));
    if (recovered > 0 || error == ENOMEM)
        breach_count_demand(physmem, request->task, recovered);
    settle_input(physmem);
}
