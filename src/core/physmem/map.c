/* Rights to slots. The extents that they refer to are made when they are first mapped. */
#include "core/physmem/map.h"

#include "core/physmem/copies.h"
#include "core/physmem/copying.h"
#include "core/physmem/emit.h"
#include "core/physmem/idle.h"
#include "core/physmem/input.h"
#include "core/physmem/status.h"

/* The waiting request is refused. */
static void fail(struct physmem *physmem, struct physmem_task *task, int error, const char *text)
{
    const struct physmem_request request = {task, task->mapping.seq, task->mapping.control};

    ensure(task->mapping.container != NULL);
    task->mapping.container = NULL;
    emit_done(physmem, &request, error, 0, text);
}

/* Ask for the backing of an extent. Returns 0 or a positive errno value. */
static int extent_request(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    struct physmem_effect *effect;

    ensure(extent->handle == 0);
    if (task->extents >= physmem_task_extents_most(task_commitment(task) + task->extra))
        return EMFILE;
    extent->handle = handles_new(&physmem->extents, extent);
    if (extent->handle == 0)
        return ENOMEM;
    extent->pending = true;
    task->extents++;
    physmem->extent_count++;
    effect = emit_effect(physmem, PHYSMEM_EXTENT_CREATE, task);
    effect->extent.extent = extent->handle;
    effect->extent.count = extent->pages;
    return 0;
}

/* Whether a slot of an extent is mapped from a clean extent, and not made the slot's own first. */
static bool is_elsewhere(struct extent *extent, uint32_t slot, uint8_t rights)
{
    check(slot / EXTENT_PAGES == extent->number);
    return extent->copies > 0 && (rights & PHYSMEM_FORCE_WRITE) == 0 &&
           slot_is_allocated(extent_slot(extent, slot)) && extent_slot(extent, slot)->copy;
}

/* The end of the run of allocated slots in one extent from `slot`, at most `end`, that lie in a
 * row: at home, or in one clean extent. */
static uint32_t run_end(struct extent *extent, uint32_t slot, uint32_t end, uint8_t rights)
{
    uint32_t stop = extent_end(slot, end);

    check(slot < end);
    if (is_elsewhere(extent, slot, rights))
        return copies_run(extent, slot, stop);
    while (slot < stop && slot_is_allocated(extent_slot(extent, slot)) &&
           (extent->copies == 0 || !is_elsewhere(extent, slot, rights)))
        slot++;
    return slot;
}

/* See that a run of slots has backing, and the task its descriptor. Returns 0 or a positive
 * errno value. */
static int run_back(struct physmem *physmem, struct physmem_task *task, struct extent *extent,
                    uint32_t slot)
{
    check(slot_is_allocated(extent_slot(extent, slot)));
    if (is_elsewhere(extent, slot, task->mapping.rights)) {
        copies_show(physmem, task, copies_extent(physmem, extent, slot));
        return 0;
    }
    return extent->handle == 0 ? extent_request(physmem, task, extent) : 0;
}

/* What becomes of a mapping. */
enum progress {
    MAP_READY,  /* every slot that is left of it has backing */
    MAP_WAITS,  /* for an extent */
    MAP_HOLE,   /* its first slot has no frame */
    MAP_FAILED, /* its first slot gets no extent */
};

/* See that the slots of a mapping have backing, up to the first hole or failure, at which the
 * range is cut. *errorp: why an extent cannot be had. */
static enum progress back(struct physmem *physmem, struct physmem_task *task, int *errorp)
{
    struct mapping *mapping = &task->mapping;
    uint32_t start = mapping->range.start;
    uint32_t end = start + mapping->range.count;
    uint32_t slot = start;

    check(task->mapping.container != NULL);
    for (unsigned items = 0; slot < end && items < PHYSMEM_MAPS_MAX; items++) {
        struct extent *extent = container_extent(mapping->container, slot);
        uint32_t stop = extent == NULL ? slot : run_end(extent, slot, end, mapping->rights);

        *errorp = 0;
        if (stop == slot)
            break;
        *errorp = run_back(physmem, task, extent, slot);
        if (*errorp != 0)
            break;
        if (extent->pending && !is_elsewhere(extent, slot, mapping->rights))
            return MAP_WAITS;
        slot = stop;
        if (slot % EXTENT_PAGES != 0 && extent->copies == 0)
            break;
    }
    mapping->range.count = slot - start;
    if (slot > start)
        return MAP_READY;
    return *errorp != 0 ? MAP_FAILED : MAP_HOLE;
}

/* A piece that lies in a clean extent: it can be read. */
static struct physmem_map_item item_elsewhere(const struct physmem *physmem, struct extent *extent,
                                              uint32_t slot, uint32_t count)
{
    const struct extent *clean = copies_extent(physmem, extent, slot);

    check(clean->clean != NULL && clean->handle != 0 && count > 0);
    return (struct physmem_map_item){slot,          count,
                                     clean->handle, extent->copied[slot % EXTENT_PAGES].page,
                                     SLOT_READ,     clean->descriptor};
}

/* The task has rights to slots of an extent, and is asked for none of them. */
static void set_rights(struct extent *extent, uint32_t slot, uint32_t end, uint8_t rights)
{
    check(slot / EXTENT_PAGES == extent->number);
    for (; slot < end; slot++) {
        extent_slot(extent, slot)->rights |= rights & (SLOT_RIGHTS - 1);
        extent_slot(extent, slot)->unmapping = 0;
    }
}

/* A piece that lies at home. */
static struct physmem_map_item item_at_home(const struct extent *extent, uint32_t slot,
                                            uint32_t count, uint8_t rights)
{
    ensure(extent->handle != 0 && !extent->pending);
    return (struct physmem_map_item){
        slot, count, extent->handle, slot % EXTENT_PAGES, rights, extent->descriptor};
}

/* Give the rights to slots of a plain extent: one piece, for which there is room. */
static void give_plainly(struct physmem *physmem, const struct mapping *mapping,
                         struct extent *extent)
{
    uint8_t rights = mapping->rights & (SLOT_RIGHTS - 1);
    uint32_t slot = mapping->range.start;

    check(physmem->items < physmem->item_capacity);
    physmem->item[physmem->items++] = item_at_home(extent, slot, mapping->range.count, rights);
    set_rights(extent, slot, slot + mapping->range.count, rights);
}

/* Give the rights, and list the pieces, for which there is room. */
static void give_rights(struct physmem *physmem, const struct mapping *mapping)
{
    uint32_t slot = mapping->range.start;
    uint32_t end = slot + mapping->range.count;

    check(mapping->range.count > 0);
    while (slot < end) {
        struct extent *extent = container_extent(mapping->container, slot);
        uint32_t stop = extent->copies == 0 ? extent_end(slot, end)
                                            : run_end(extent, slot, end, mapping->rights);
        uint8_t rights = mapping->rights & (SLOT_RIGHTS - 1);

        check(physmem->items < physmem->item_capacity);
        if (is_elsewhere(extent, slot, mapping->rights)) {
            rights = SLOT_READ;
            physmem->item[physmem->items++] = item_elsewhere(physmem, extent, slot, stop - slot);
        } else {
            if (extent->copies > 0)
                copies_break(physmem, extent, slot, stop);
            physmem->item[physmem->items++] = item_at_home(extent, slot, stop - slot, rights);
        }
        set_rights(extent, slot, stop, rights);
        slot = stop;
    }
}

/* The extent of a mapping that lies in one, which has backing, and in which all is allocated and nothing copied; NULL:
 * it takes a closer look. */
static struct extent *plain_extent(const struct mapping *mapping)
{
    uint32_t slot = mapping->range.start;
    uint32_t end = slot + mapping->range.count;
    struct extent *extent = container_extent(mapping->container, slot);

    check(mapping->range.count > 0);
    if (extent == NULL || extent->copies > 0 || extent->handle == 0 || extent->pending ||
        extent_end(slot, end) != end)
        return NULL;
    while (slot < end && slot_is_allocated(extent_slot(extent, slot)))
        slot++;
    return slot == end ? extent : NULL;
}

/* Everything has backing, in this extent alone if it is plain: give the rights and answer. */
static void finish(struct physmem *physmem, struct physmem_task *task, struct extent *plain)
{
    struct mapping *mapping = &task->mapping;
    const struct physmem_request request = {task, mapping->seq, mapping->control};
    uint32_t first = physmem->items;
    struct physmem_effect *effect;

    check(task->mapping.container != NULL);
    if (memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                       sizeof(*physmem->item), first + PHYSMEM_MAPS_MAX) != 0) {
        fail(physmem, task, ENOMEM, "physmem has no memory for a reply");
        return;
    }
    if (plain != NULL)
        give_plainly(physmem, mapping, plain);
    else
        give_rights(physmem, mapping);
    if ((mapping->rights & SLOT_WRITE) != 0)
        mapping->container->version++;
    effect = emit_reply(physmem, PHYSMEM_REPLY_MAPPED, &request, 0, NULL);
    effect->mapped.first = first;
    effect->mapped.count = physmem->items - first;
    mapping->container = NULL;
}

static void go_on(struct physmem *physmem, struct physmem_task *task)
{
    struct extent *plain = plain_extent(&task->mapping);
    int error = 0;

    check(task->mapping.container != NULL && task->mapping.container->owner == task);
    if (plain != NULL) {
        finish(physmem, task, plain);
        return;
    }
    switch (back(physmem, task, &error)) {
    case MAP_READY:
        finish(physmem, task, NULL);
        break;
    case MAP_WAITS:
        break;
    case MAP_HOLE:
        fail(physmem, task, ENOENT, "the slot has no frame");
        break;
    case MAP_FAILED:
        fail(physmem, task, error,
             error == EMFILE ? "the task has as many extents as it may: use slots closer together"
                             : "physmem has no memory for an extent");
        break;
    }
}

void map_continue(struct physmem *physmem, const struct container *container)
{
    struct physmem_task *task = container->owner;

    if (task->mapping.container == container)
        go_on(physmem, task);
}

void map_without(struct physmem *physmem, const struct container *container, uint32_t number,
                 int error)
{
    struct physmem_task *task = container->owner;
    struct mapping *mapping = &task->mapping;

    ensure(error != 0);
    if (mapping->container != container)
        return;
    if (number * EXTENT_PAGES <= mapping->range.start) {
        fail(physmem, task, error, "physmem could not make an extent");
        return;
    }
    mapping->range.count = number * EXTENT_PAGES - mapping->range.start;
    go_on(physmem, task);
}

static bool are_rights(uint8_t rights)
{
    if ((rights & PHYSMEM_FORCE_WRITE) != 0)
        return rights < 2 * PHYSMEM_FORCE_WRITE && (rights & SLOT_WRITE) != 0;
    return rights != 0 && rights < SLOT_RIGHTS;
}

/* The container to be mapped; NULL, and the request is answered, if it cannot be. */
static struct container *decode(struct physmem *physmem, uint64_t now,
                                const struct physmem_request *request, uint32_t handle,
                                struct physmem_range range, uint8_t rights)
{
    struct container *container;

    if (!input_begin(physmem, now, request))
        return NULL;
    container = input_container(physmem, request, handle);
    if (container == NULL)
        return NULL;
    if (range.count == 0 || range.start >= container->slots ||
        range.count > container->slots - range.start || !are_rights(rights)) {
        emit_done(physmem, request, EINVAL, 0,
                  "a MAP names slots within the container, and at least one right");
        return NULL;
    }
    if (request->task->mapping.container != NULL || copying_waits(request->task)) {
        emit_done(physmem, request, EBUSY, 0, "another request still waits for an extent");
        return NULL;
    }
    return container;
}

void physmem_map(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                 uint32_t handle, uint32_t start, uint32_t count, uint8_t rights)
{
    struct physmem_task *task = request->task;
    struct container *container;

    container = decode(physmem, now, request, handle, (struct physmem_range){start, count}, rights);
    if (container == NULL)
        return;
    check(container->owner == task && !copying_waits(task));
    if ((rights & PHYSMEM_FORCE_WRITE) != 0)
        count = smaller(count, PHYSMEM_COPY_MAX); /* contents may have to move */
    count = idle_mapped(task, handle, start, count);
    task->mapping =
        (struct mapping){container, request->seq, {start, count}, rights, request->control};
    go_on(physmem, task);
}

uint8_t physmem_map_rights(const struct physmem *physmem, uint32_t handle, uint32_t slot)
{
    const struct container *container = handles_object(&physmem->containers, handle);
    struct extent *extent = NULL;

    if (container != NULL && slot < container->slots)
        extent = container_extent(container, slot);
    return extent != NULL ? (uint8_t)extent_slot(extent, slot)->rights : 0;
}
