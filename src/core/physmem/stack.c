/* Frame stacks: frames that are taken from a task without asking it. */
#include "core/physmem/internal.h"

/* Places that are looked at, at least, and for each frame that is wanted: a small stack is seen whole,
 * whatever places in it are empty; but nobody keeps physmem busy with a large one full of nonsense. */
#define LOOK_LEAST 1024u
#define LOOK_SHARE 4u

void physmem_stack_open(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container, uint32_t places)
{
    struct physmem_task *task = request->task;
    struct physmem_effect *effect;

    if (!physmem_begin(physmem, now, request) ||
        container_of_request(physmem, request, container) == NULL)
        return;
    if (task->stack != NULL || task->stack_container != 0) {
        physmem_reply_done(physmem, request, EEXIST, 0, "the task has a frame stack");
        return;
    }
    if (places == 0 || places > FRAME_STACK_PLACES_MAX) {
        physmem_reply_done(physmem, request, EINVAL, 0, "a frame stack has 1 to 65536 places");
        return;
    }
    task->stack_container = container;
    effect = physmem_reply(physmem, PHYSMEM_STACK_CREATE, request, 0, NULL);
    effect->stack.places = places;
}

void physmem_stack_ready(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, struct frame_stack *stack,
                         uint32_t places, uint32_t descriptor, uint32_t error)
{
    struct physmem_task *task = request->task;
    struct physmem_effect *effect;

    physmem_advance(physmem, now);
    if (error != 0) {
        task->stack_container = 0;
        physmem_reply_done(physmem, request, (int)error, 0, "physmem could not make a frame stack");
        return;
    }
    task->stack = stack;
    task->stack_places = places;
    effect = physmem_reply(physmem, PHYSMEM_REPLY_STACK, request, 0, NULL);
    effect->stack.stack = stack;
    effect->stack.places = places;
    effect->stack.descriptor = descriptor;
}

uint64_t stack_ghost_hits(struct physmem_task *task)
{
    uint64_t hits = task->stack != NULL ? frame_stack_ghost_hits(task->stack) : 0;

    if (hits > task->ghost_hits)
        task->ghost_hits = hits;
    return task->ghost_hits;
}

uint32_t stack_demand(const struct physmem_task *task)
{
    return task->stack != NULL ? frame_stack_demand(task->stack) : 0;
}

void stack_close(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_effect *effect;

    task->stack_container = 0;
    if (task->stack == NULL)
        return;
    effect = physmem_emit(physmem, PHYSMEM_STACK_DESTROY, NULL);
    effect->stack.stack = task->stack;
    effect->stack.places = task->stack_places;
    task->stack = NULL;
}

/* The extent of a slot whose frame may be taken; NULL if it may not. Nothing that the task said is
 * believed: it must be an allocated slot about which no question is open. */
static struct extent *takeable(const struct physmem_task *task, const struct container *container,
                               uint32_t slot)
{
    const struct mapping *mapping = &task->mapping;
    struct extent *extent;

    if (slot >= container->slots)
        return NULL;
    extent = container_extent(container, slot);
    if (extent == NULL || !slot_is_allocated(extent_slot(extent, slot)) ||
        extent_slot(extent, slot)->unmapping)
        return NULL;
    if (mapping->container == container && slot >= mapping->range.start &&
        slot - mapping->range.start < mapping->range.count)
        return NULL;
    return extent;
}

uint32_t stack_take(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    struct container *container = handle_object(&physmem->containers, task->stack_container);
    struct punch punch = {NULL};
    struct frame_walk walk;
    uint32_t taken = 0;
    uint32_t slot;

    if (task->stack == NULL || container == NULL || container->owner != task || frames == 0)
        return 0;
    walk = frame_walk_start(task->stack, task->stack_places,
                            smaller(frames, FRAME_STACK_PLACES_MAX) * LOOK_SHARE + LOOK_LEAST);
    while (taken < frames && (slot = frame_walk_next(&walk)) != FRAME_STACK_NONE) {
        struct extent *extent = takeable(task, container, slot);

        if (extent == NULL || !frame_walk_claim(&walk))
            continue;
        slot_drop(physmem, container, extent, slot, &punch);
        container_extent_trim(physmem->allocator, container, slot);
        taken++;
    }
    punch_flush(physmem, &punch);
    if (taken == 0)
        return 0;
    container->version++;
    task->frames_transparent += taken;
    task->recalls_transparent++;
    physmem->counters.frames_transparent += taken;
    physmem->counters.recalls_transparent++;
    physmem->counters.regained += taken;
    frame_stack_tell(task->stack, (uint32_t)task->frames_transparent);
    control_changed(physmem, task);
    return taken;
}
