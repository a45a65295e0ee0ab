/* Rights to slots, and the extents that they refer to: made when first mapped, and audited. */
#include "core/physmem/internal.h"

/* Extents that a task may have. */
static uint32_t extents_allowed(const struct physmem_task *task)
{
    return EXTENTS_PER_TASK + (task_commitment(task) + task->extra) / EXTENT_SHARE;
}

static void map_fail(struct physmem *physmem, struct physmem_task *task, int error,
                     const char *text)
{
    const struct physmem_request request = {task, task->mapping.seq, task->mapping.control};

    task->mapping.container = NULL;
    physmem_reply_done(physmem, &request, error, 0, text);
}

/* Ask for the backing of an extent. Returns 0 or a positive errno value. */
static int extent_request(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    struct physmem_effect *effect;

    if (task->extents >= extents_allowed(task))
        return EMFILE;
    extent->handle = handle_new(&physmem->extents, extent);
    if (extent->handle == 0)
        return ENOMEM;
    extent->pending = true;
    task->extents++;
    physmem->extent_count++;
    effect = physmem_emit(physmem, PHYSMEM_EXTENT_CREATE, task);
    effect->extent.extent = extent->handle;
    effect->extent.count = extent->pages;
    return 0;
}

/* The end of the run of allocated slots in one extent from `slot`, at most `end`. */
static uint32_t run_end(struct extent *extent, uint32_t slot, uint32_t end)
{
    uint32_t stop = smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);

    while (slot < stop && slot_is_allocated(extent_slot(extent, slot)))
        slot++;
    return slot;
}

/* See that the slots of a mapping have backing, up to the first hole, at which the range is cut.
 * True if they have; else the reply has been given or waits for an extent. */
static bool map_back(struct physmem *physmem, struct physmem_task *task)
{
    struct mapping *mapping = &task->mapping;
    uint32_t start = mapping->range.start;
    uint32_t end = start + mapping->range.count;
    uint32_t slot = start;

    for (unsigned items = 0; slot < end && items < PHYSMEM_MAPS_MAX; items++) {
        struct extent *extent = container_extent(mapping->container, slot);
        uint32_t stop = extent == NULL ? slot : run_end(extent, slot, end);
        int error = 0;

        if (stop == slot)
            break;
        if (extent->handle == 0)
            error = extent_request(physmem, task, extent);
        if (error == 0 && extent->pending)
            return false;
        if (error != 0 && slot == start) {
            map_fail(physmem, task, error,
                     error == EMFILE ? "the task has as many extents as it may: use slots closer "
                                       "together"
                                     : "physmem has no memory for an extent");
            return false;
        }
        if (error != 0)
            break;
        slot = stop;
        if (slot % EXTENT_PAGES != 0)
            break;
    }
    mapping->range.count = slot - start;
    if (slot == start)
        map_fail(physmem, task, ENOENT, "the slot has no frame");
    return slot > start;
}

/* Give the rights and answer, unless an extent is missing. */
static void map_continue(struct physmem *physmem, struct physmem_task *task)
{
    struct mapping *mapping = &task->mapping;
    struct physmem_request request = {task, mapping->seq, mapping->control};
    uint32_t slot = mapping->range.start;
    struct physmem_effect *effect;
    uint32_t end;
    uint32_t first;

    if (!map_back(physmem, task))
        return;
    end = slot + mapping->range.count;
    first = physmem->items;
    if (memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                       sizeof(*physmem->item), first + PHYSMEM_MAPS_MAX) != 0) {
        map_fail(physmem, task, ENOMEM, "physmem has no memory for a reply");
        return;
    }
    while (slot < end) {
        struct extent *extent = container_extent(mapping->container, slot);
        uint32_t stop = smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);

        physmem->item[physmem->items++] =
            (struct physmem_map_item){slot, stop - slot, extent->handle, slot % EXTENT_PAGES};
        for (; slot < stop; slot++) {
            extent_slot(extent, slot)->rights |= mapping->rights & (SLOT_RIGHTS - 1);
            extent_slot(extent, slot)->unmapping = 0;
        }
    }
    effect = physmem_reply(physmem, PHYSMEM_REPLY_MAPPED, &request, 0, NULL);
    effect->mapped.first = first;
    effect->mapped.count = physmem->items - first;
    effect->mapped.rights = mapping->rights;
    mapping->container = NULL;
}

void physmem_map(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                 uint32_t handle, uint32_t start, uint32_t count, uint8_t rights)
{
    struct physmem_task *task = request->task;
    struct container *container;

    if (!physmem_begin(physmem, now, request))
        return;
    container = container_of_request(physmem, request, handle);
    if (container == NULL)
        return;
    if (count == 0 || start >= container->slots || count > container->slots - start ||
        rights == 0 || rights >= SLOT_RIGHTS) {
        physmem_reply_done(physmem, request, EINVAL, 0,
                           "slots within the container and some rights are to be named");
        return;
    }
    if (task->mapping.container != NULL) {
        physmem_reply_done(physmem, request, EBUSY, 0, "another request still waits for an extent");
        return;
    }
    count = sample_mapped(task, handle, start, count);
    task->mapping =
        (struct mapping){container, request->seq, {start, count}, rights, request->control};
    map_continue(physmem, task);
}

/* An extent cannot be had: map what lies before it. */
static void map_without(struct physmem *physmem, struct physmem_task *task, uint32_t number,
                        int error)
{
    struct mapping *mapping = &task->mapping;

    if (number * EXTENT_PAGES <= mapping->range.start) {
        map_fail(physmem, task, error, "physmem could not make an extent");
        return;
    }
    mapping->range.count = number * EXTENT_PAGES - mapping->range.start;
    map_continue(physmem, task);
}

void physmem_extent_ready(struct physmem *physmem, uint64_t now, uint32_t handle,
                          uint32_t descriptor, uint32_t error)
{
    struct extent *extent = handle_object(&physmem->extents, handle);
    struct physmem_effect *effect;
    struct container *container;
    struct physmem_task *task;
    uint32_t number;

    physmem_advance(physmem, now);
    if (extent == NULL) {
        if (error == 0) { /* its task has gone meanwhile */
            effect = physmem_emit(physmem, PHYSMEM_EXTENT_DESTROY, NULL);
            effect->extent.extent = handle;
            effect->extent.descriptor = descriptor;
        }
        return;
    }
    container = handle_object(&physmem->containers, extent->container);
    task = container->owner;
    number = extent->number;
    extent->pending = false;
    if (error != 0) {
        handle_free(&physmem->extents, handle);
        extent->handle = 0;
        task->extents--;
        physmem->extent_count--;
        container_extent_trim(physmem->allocator, container, number * EXTENT_PAGES);
        if (task->mapping.container == container)
            map_without(physmem, task, number, (int)error);
        return;
    }
    extent->descriptor = descriptor;
    effect = physmem_emit(physmem, PHYSMEM_EXTENT_SEND, task);
    effect->extent.extent = handle;
    effect->extent.descriptor = descriptor;
    effect->extent.count = extent->pages;
    if (task->mapping.container == container)
        map_continue(physmem, task);
}

/* ---- Audit ---- */

void extent_audit(struct physmem *physmem, struct extent *extent)
{
    struct physmem_effect *effect;

    if (extent->handle == 0 || extent->pending)
        return;
    /* What is allowed is taken now: slots given up later are cleared after the pages are counted.
     */
    effect = physmem_emit(physmem, PHYSMEM_EXTENT_AUDIT, NULL);
    effect->extent.extent = extent->handle;
    effect->extent.descriptor = extent->descriptor;
    effect->extent.count = (uint32_t)extent->allocated + extent->soft;
}

void physmem_audited(struct physmem *physmem, uint64_t now, uint32_t handle, uint32_t allowed,
                     uint64_t pages)
{
    struct extent *extent = handle_object(&physmem->extents, handle);

    physmem_advance(physmem, now);
    if (extent == NULL)
        return;
    physmem->counters.audits++;
    if (pages <= allowed)
        return;
    task_revoke(physmem,
                ((struct container *)handle_object(&physmem->containers, extent->container))->owner,
                SP_REASON_OVERDRAFT, allowed, (uint32_t)(pages - allowed));
    physmem_settle(physmem);
}

void physmem_audit_round(struct physmem *physmem, uint32_t count)
{
    physmem_advance(physmem, physmem->now);
    for (uint32_t seen = 0; seen < physmem->extents.used && count > 0; seen++) {
        struct extent *extent;

        if (physmem->audit_cursor >= physmem->extents.used)
            physmem->audit_cursor = 0;
        extent = physmem->extents.entry[physmem->audit_cursor++].object;
        if (extent == NULL || extent->pending)
            continue;
        extent_audit(physmem, extent);
        count--;
    }
}
