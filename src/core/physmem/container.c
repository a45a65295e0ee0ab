/* Containers of tasks, and frames that leave their slots. */
#include "core/physmem/internal.h"

void punch_flush(struct physmem *physmem, struct punch *punch)
{
    struct physmem_effect *effect;

    if (punch->extent == NULL)
        return;
    effect = physmem_emit(physmem, PHYSMEM_EXTENT_PUNCH, NULL);
    effect->extent.extent = punch->extent->handle;
    effect->extent.descriptor = punch->extent->descriptor;
    effect->extent.offset = punch->first;
    effect->extent.count = punch->count;
    punch->extent = NULL;
}

void punch_add(struct physmem *physmem, struct punch *punch, struct extent *extent, uint32_t slot)
{
    uint32_t page = slot % EXTENT_PAGES;

    if (extent->handle == 0 || extent->pending)
        return;
    if (punch->extent == extent && page == punch->first + punch->count) {
        punch->count++;
        return;
    }
    punch_flush(physmem, punch);
    *punch = (struct punch){.extent = extent, .first = page, .count = 1};
}

void slot_drop(struct physmem *physmem, struct container *container, struct extent *extent,
               uint32_t slot, struct punch *punch)
{
    struct physmem_task *task = container->owner;
    struct container_slot *entry = extent_slot(extent, slot);

    if (entry->soft)
        task->soft--;
    else
        task->held--;
    frame_table_give(&physmem->frames, entry->frame);
    container_slot_clear(container, extent, slot);
    sample_lost(task, container->handle, slot);
    punch_add(physmem, punch, extent, slot);
}

void soft_reuse(struct physmem *physmem, struct punch *punch)
{
    const struct frame *frame = &physmem->frames.frame[physmem->frames.soft_oldest];
    struct container *container = handle_object(&physmem->containers, frame->container);
    uint32_t slot = frame->slot;

    container->version++;
    slot_drop(physmem, container, container_extent(container, slot), slot, punch);
    container_extent_trim(physmem->allocator, container, slot);
}

struct container *container_of_request(struct physmem *physmem,
                                       const struct physmem_request *request, uint32_t handle)
{
    struct container *container = handle_object(&physmem->containers, handle);

    if (container != NULL && container->owner == request->task) {
        container->version++;
        return container;
    }
    physmem_reply_done(physmem, request, ENOENT, 0, "the task has no container of this number");
    return NULL;
}

void physmem_container_create(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, uint32_t slots)
{
    struct physmem_task *task = request->task;
    struct container *container;

    if (!physmem_begin(physmem, now, request))
        return;
    if (slots == 0 || slots > CONTAINER_SLOTS_MAX) {
        physmem_reply_done(physmem, request, EINVAL, 0, "a container has 1 to 16777216 slots");
        return;
    }
    if (task->containers == PHYSMEM_CONTAINERS_MAX) {
        physmem_reply_done(physmem, request, EMFILE, 0, "a task may have 256 containers");
        return;
    }
    container = container_new(physmem->allocator, slots);
    if (container != NULL) {
        container->handle = handle_new(&physmem->containers, container);
        if (container->handle == 0)
            container_free(physmem->allocator, &container);
    }
    if (container == NULL) {
        physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for a container");
        return;
    }
    container->owner = task;
    container->next = task->container_list;
    if (container->next != NULL)
        container->next->prev = container;
    task->container_list = container;
    task->containers++;
    physmem_reply(physmem, PHYSMEM_REPLY_CONTAINER, request, 0, NULL)->container.container =
        container->handle;
}

void extent_destroy(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    struct physmem_effect *effect;

    if (extent->handle == 0)
        return;
    if (!extent->pending) {
        effect = physmem_emit(physmem, PHYSMEM_EXTENT_DESTROY, NULL);
        effect->extent.extent = extent->handle;
        effect->extent.descriptor = extent->descriptor;
        effect->extent.count = extent->pages;
    }
    handle_free(&physmem->extents, extent->handle);
    extent->handle = 0;
    task->extents--;
    physmem->extent_count--;
}

uint32_t container_destroy(struct physmem *physmem, struct container *container)
{
    struct physmem_task *task = container->owner;
    uint32_t held = container->allocated;
    uint32_t slot = 0;

    while ((slot = container_skip(container, slot)) < container->slots) {
        struct extent *extent = container_extent(container, slot);

        extent_destroy(physmem, task, extent);
        for (uint32_t i = 0; i < extent->pages; i++)
            if (extent->slot[i].frame != SLOT_NO_FRAME)
                frame_table_give(&physmem->frames, extent->slot[i].frame);
        slot += extent->pages;
    }
    task->held -= held;
    task->soft -= container->soft;
    if (task->mapping.container == container)
        task->mapping.container = NULL;
    vital_forget(physmem, task, container->handle);
    if (container->next != NULL)
        container->next->prev = container->prev;
    if (container->prev != NULL)
        container->prev->next = container->next;
    else
        task->container_list = container->next;
    task->containers--;
    handle_free(&physmem->containers, container->handle);
    container_free(physmem->allocator, &container);
    return held;
}

void physmem_container_destroy(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle)
{
    struct physmem_task *task = request->task;
    struct container *container;
    uint32_t held;

    if (!physmem_begin(physmem, now, request))
        return;
    container = container_of_request(physmem, request, handle);
    if (container == NULL)
        return;
    pending_cancel(physmem, task, handle, ENOENT, "the container was destroyed");
    held = container_destroy(physmem, container);
    physmem->counters.regained += held;
    recall_pay(physmem, task, held);
    physmem_reply_done(physmem, request, 0, held, NULL);
    physmem_settle(physmem);
}

/* Check ranges of a request; if one is outside the container the request is answered. */
static bool ranges_are_good(struct physmem *physmem, const struct physmem_request *request,
                            const struct container *container, const struct physmem_range *ranges,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].count == 0 || ranges[i].start >= container->slots ||
            ranges[i].count > container->slots - ranges[i].start) {
            physmem_reply_done(physmem, request, EINVAL, 0,
                               "a range is empty or ends beyond the container");
            return false;
        }
    }
    return true;
}

struct container *begin_ranges(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count)
{
    struct container *container;

    if (!physmem_begin(physmem, now, request))
        return NULL;
    container = container_of_request(physmem, request, handle);
    if (container == NULL || !ranges_are_good(physmem, request, container, ranges, count))
        return NULL;
    return container;
}

/* Drop the frames of one range. Returns how many were held. */
static uint32_t range_drop(struct physmem *physmem, struct container *container,
                           const struct physmem_range *range, struct punch *punch)
{
    uint32_t end = range->start + range->count;
    uint32_t slot = range->start;
    uint32_t held = container->allocated;

    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);
        uint32_t first = slot;

        for (; slot < stop; slot++)
            if (extent_slot(extent, slot)->frame != SLOT_NO_FRAME)
                slot_drop(physmem, container, extent, slot, punch);
        punch_flush(physmem, punch);
        extent_audit(physmem, extent);
        container_extent_trim(physmem->allocator, container, first);
    }
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
        uint32_t stop = smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);

        for (; slot < stop; slot++) {
            if (!slot_is_allocated(extent_slot(extent, slot)))
                continue;
            frame_table_soften(&physmem->frames, extent_slot(extent, slot)->frame);
            container_slot_soften(container, extent, slot);
            task->held--;
            task->soft++;
        }
    }
    return held - container->allocated;
}

static void frames_returned(struct physmem *physmem, const struct physmem_request *request,
                            uint32_t frames)
{
    physmem->counters.regained += frames;
    recall_pay(physmem, request->task, frames);
    physmem_reply_done(physmem, request, 0, frames, NULL);
    physmem_settle(physmem);
}

void physmem_deallocate(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t handle,
                        const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = begin_ranges(physmem, now, request, handle, ranges, count);
    struct punch punch = {NULL};
    uint32_t frames = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        frames += range_drop(physmem, container, &ranges[i], &punch);
    frames_returned(physmem, request, frames);
}

void physmem_release(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = begin_ranges(physmem, now, request, handle, ranges, count);
    uint32_t frames = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        frames += range_soften(physmem, container, &ranges[i]);
    frames_returned(physmem, request, frames);
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
    frame_table_harden(&physmem->frames, extent_slot(extent, slot)->frame);
    container_slot_harden(container, extent, slot);
    task->soft--;
    task->held++;
    task->allocations++;
    physmem->counters.allocated++;
    return 0;
}

void physmem_recover(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = begin_ranges(physmem, now, request, handle, ranges, count);
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
    physmem_reply_done(physmem, request, error, recovered,
                       error == ENOENT   ? "the frame has been reused"
                       : error == ENOMEM ? "not within what the contracts allow now"
                                         : NULL);
    if (recovered > 0 || error == ENOMEM)
        recall_count_demand(physmem, request->task, recovered);
    physmem_settle(physmem);
}
