/* Frames that physmem takes by itself, and the few that it spares.
 *
 * A mapping can only be taken away with the whole extent that it lies in (a page that is merely
 * cleared would read as zeros, silently). So whole extents go, and the task is told which slots: those
 * that were never mapped first, one by one; then the smallest extent that covers what is missing, or,
 * while there is none, the largest there is. */
#include "core/physmem/internal.h"

static bool is_vital(const struct physmem_task *task, const struct container *container,
                     const struct extent *extent)
{
    for (uint32_t i = 0; i < task->vitals; i++)
        if (task->vital[i].container == container->handle &&
            task->vital[i].slot / EXTENT_PAGES == extent->number &&
            slot_is_allocated(&extent->slot[task->vital[i].slot % EXTENT_PAGES]))
            return true;
    return false;
}

/* A task's extents, one after the other. */
struct walk {
    struct container *container;
    struct extent *extent;
    uint32_t slot; /* from which the next is looked for */
};

/* The next extent that may be taken. */
static bool walk_on(struct walk *walk, const struct physmem_task *task)
{
    while (walk->container != NULL) {
        walk->slot = container_skip(walk->container, walk->slot);
        if (walk->slot == walk->container->slots) {
            walk->container = walk->container->next;
            walk->slot = 0;
            continue;
        }
        walk->extent = container_extent(walk->container, walk->slot);
        walk->slot += walk->extent->pages;
        if (walk->extent->allocated > 0 && !walk->extent->pending &&
            !is_vital(task, walk->container, walk->extent))
            return true;
    }
    return false;
}

static struct walk walk_start(const struct physmem_task *task)
{
    return (struct walk){.container = task->container_list};
}

/* Frames that can be taken, up to `enough`. */
static uint32_t takeable(const struct physmem_task *task, uint32_t enough)
{
    struct walk walk = walk_start(task);
    uint32_t frames = 0;

    while (frames < enough && walk_on(&walk, task))
        frames += walk.extent->allocated;
    return frames;
}

/* Note one more slot for the task to be told of. */
static void tell_slot(struct physmem *physmem, struct physmem_effect *effect, uint32_t slot)
{
    struct physmem_map_item *last;

    if (effect->repossessed.count > 0) {
        last = &physmem->item[effect->repossessed.first + effect->repossessed.count - 1];
        if (last->slot + last->count == slot) {
            last->count++;
            return;
        }
    }
    physmem->item[physmem->items++] = (struct physmem_map_item){.slot = slot, .count = 1};
    effect->repossessed.count++;
}

/* Take up to `most` frames of an extent, with its soft ones and its backing. Returns how many that
 * were held. */
static uint32_t take(struct physmem *physmem, struct physmem_task *task, const struct walk *walk,
                     uint32_t most, uint64_t id)
{
    struct container *container = walk->container;
    struct extent *extent = walk->extent;
    uint32_t first = extent->number * EXTENT_PAGES;
    bool whole = extent->handle != 0 || most >= extent->allocated;
    struct physmem_effect *effect;
    struct punch punch = {NULL};
    uint32_t taken = 0;

    /* At least every other slot is none of them. */
    if (memory_reserve(physmem->allocator, &physmem->item, &physmem->item_capacity,
                       sizeof(*physmem->item), physmem->items + EXTENT_PAGES) != 0) {
        physmem->failed = true;
        return 0;
    }
    extent_destroy(physmem, task, extent);
    container->version++;
    effect = physmem_emit(physmem, PHYSMEM_SEND_REPOSSESSED, task);
    effect->repossessed.id = id;
    effect->repossessed.container = container->handle;
    effect->repossessed.first = physmem->items;
    for (uint32_t slot = first; slot < first + extent->pages; slot++) {
        const struct container_slot *entry = extent_slot(extent, slot);

        if (entry->frame == SLOT_NO_FRAME || (!whole && (entry->soft || taken == most)))
            continue;
        if (!entry->soft) {
            tell_slot(physmem, effect, slot);
            taken++;
        }
        slot_drop(physmem, container, extent, slot, &punch);
    }
    effect->repossessed.frames = taken;
    container_extent_trim(physmem->allocator, container, first);
    return taken;
}

/* Take the extent that fits best. Returns the frames taken. */
static uint32_t take_best(struct physmem *physmem, struct physmem_task *task, uint32_t missing,
                          uint64_t id)
{
    struct walk walk = walk_start(task);
    struct walk best = {NULL};

    while (walk_on(&walk, task)) {
        uint32_t has = walk.extent->allocated;
        uint32_t most = best.extent != NULL ? best.extent->allocated : 0;

        if (walk.extent->handle == 0) {
            best = walk;
            break;
        }
        if (best.extent == NULL || (most < missing ? has > most : has >= missing && has < most))
            best = walk;
    }
    return best.extent != NULL ? take(physmem, task, &best, missing, id) : 0;
}

bool repossess(struct physmem *physmem, struct recall *recall)
{
    struct physmem_task *task = recall->task;
    uint64_t id = recall->id;
    uint32_t missing = recall->missing;
    uint32_t taken = 0;

    if (takeable(task, missing) < missing)
        return false;
    while (taken < missing && !physmem->failed)
        taken += take_best(physmem, task, missing - taken, id);
    task->repossessed += taken;
    physmem->counters.repossessed += taken;
    if (!recall->overdue)
        recall_restart(physmem, recall); /* it was not met, however it ends */
    recall_settle(physmem, recall, smaller(taken, missing));
    recall_pay(physmem, task, taken - smaller(taken, missing));
    control_changed(physmem, task);
    availability_changed(physmem);
    return true;
}

/* ---- Vital slots ---- */

void vital_forget(struct physmem *physmem, struct physmem_task *task, uint32_t container)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < task->vitals && container != 0; i++)
        if (task->vital[i].container != container)
            task->vital[left++] = task->vital[i];
    task->vitals = left;
    if (container == 0) {
        memory_free(physmem->allocator, task->vital, PHYSMEM_VITAL_MAX * sizeof(*task->vital));
        task->vital = NULL;
    }
}

void physmem_vital(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct physmem_task *task = request->task;
    struct container *container = begin_ranges(physmem, now, request, handle, ranges, count);
    uint32_t room = PHYSMEM_VITAL_MAX;
    uint64_t slots = 0;

    if (container == NULL)
        return;
    for (uint32_t i = 0; i < task->vitals; i++)
        room -= task->vital[i].container != handle;
    for (uint32_t i = 0; i < count; i++)
        slots += ranges[i].count;
    if (slots > room) {
        physmem_reply_done(physmem, request, E2BIG, 0, "a task may name 16 slots as vital");
        return;
    }
    if (task->vital == NULL)
        task->vital = memory_new(physmem->allocator, PHYSMEM_VITAL_MAX * sizeof(*task->vital));
    if (task->vital == NULL) {
        physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for vital slots");
        return;
    }
    vital_forget(physmem, task, handle);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < ranges[i].count; j++)
            task->vital[task->vitals++] = (struct vital){handle, ranges[i].start + j};
    physmem_reply_done(physmem, request, 0, (uint32_t)slots, NULL);
}
