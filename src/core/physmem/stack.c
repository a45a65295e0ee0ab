#include "core/physmem/stack.h"

#include "core/physmem/answer.h"
#include "core/physmem/books.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/slots.h"

/* Places that are looked at: at least this many, and this many for each frame that is wanted. A small stack is read
 * whole, however many of its places are empty; a large one full of nonsense cannot keep physmem busy. */
#define LOOK_LEAST 1024u
#define LOOK_SHARE 4u

void stack_close(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_effect *effect;

    check(task->stack == NULL || task->stack_places > 0);
    task->stack_container = 0;
    if (task->stack == NULL)
        return;
    effect = emit_effect(physmem, PHYSMEM_STACK_DESTROY, NULL);
    effect->stack.stack = task->stack;
    effect->stack.places = task->stack_places;
    task->stack = NULL;
}

void physmem_stack_open(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container, uint32_t places)
{
    struct physmem_task *task = request->task;

    if (!input_begin(physmem, now, request) || input_container(physmem, request, container) == NULL)
        return;
    check(task->stack == NULL || task->stack_container != 0);
    if (task->stack != NULL || task->stack_container != 0) {
        emit_done(physmem, request, EEXIST, 0, "the task has a frame stack");
        return;
    }
    if (places == 0 || places > FRAME_STACK_PLACES_MAX) {
        emit_done(physmem, request, EINVAL, 0, "a frame stack has 1 to 65536 places");
        return;
    }
    task->stack_container = container;
    emit_reply(physmem, PHYSMEM_STACK_CREATE, request, 0, NULL)->stack.places = places;
}

void physmem_stack_ready(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, struct frame_stack *stack,
                         uint32_t places, uint32_t descriptor, uint32_t error)
{
    struct physmem_task *task = request->task;
    struct physmem_effect *effect;

    input_advance(physmem, now);
    ensure(task->stack == NULL);
    check(error != 0 || (places > 0 && places <= FRAME_STACK_PLACES_MAX));
    if (error != 0) {
        task->stack_container = 0;
        emit_done(physmem, request, (int)error, 0, "physmem could not make a frame stack");
        return;
    }
    task->stack = stack;
    task->stack_places = places;
    if (task->state != STANDING_THERE) { /* revoked meanwhile */
        stack_close(physmem, task);
        emit_done(physmem, request, EPIPE, 0, "this task has been revoked");
        return;
    }
    effect = emit_reply(physmem, PHYSMEM_REPLY_STACK, request, 0, NULL);
    effect->stack.stack = stack;
    effect->stack.places = places;
    effect->stack.descriptor = descriptor;
}

/* The extent of a slot whose frame may be taken; NULL if it may not. Nothing that the task said is
 * believed: it must be an allocated slot about which no question is open. */
static struct extent *takeable(const struct physmem_task *task, const struct container *container,
                               uint32_t slot)
{
    const struct mapping *mapping = &task->mapping;
    struct extent *extent;

    check(container->owner == task);
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

/* Take frames from slots that the stack names. Returns how many. */
static uint32_t take_listed(struct physmem *physmem, struct physmem_task *task,
                            struct container *container, uint32_t frames)
{
    struct punch punch = {NULL};
    struct frame_walk walk;
    uint32_t taken = 0;
    uint32_t slot;

    check(frames > 0 && task->stack != NULL);
    walk =
        frame_stack_walk_start(task->stack, task->stack_places,
                               smaller(frames, FRAME_STACK_PLACES_MAX) * LOOK_SHARE + LOOK_LEAST);
    while (taken < frames && (slot = frame_stack_walk_next(&walk)) != FRAME_STACK_NONE) {
        struct extent *extent = takeable(task, container, slot);

        if (extent == NULL || !frame_stack_walk_claim(&walk))
            continue;
        slots_drop(physmem, container, extent, slot, &punch);
        container_extent_trim(physmem->allocator, container, slot);
        taken++;
    }
    punch_flush(physmem, &punch);
    check(taken <= frames);
    return taken;
}

uint32_t stack_take(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    struct container *container = handles_object(&physmem->containers, task->stack_container);
    uint32_t taken;

    if (task->stack == NULL || container == NULL || container->owner != task || frames == 0)
        return 0;
    taken = take_listed(physmem, task, container, frames);
    ensure(taken <= frames);
    if (taken == 0)
        return 0;
    container->version++;
    task->frames_transparent += taken;
    task->recalls_transparent++;
    physmem->counters.frames_transparent += taken;
    physmem->counters.recalls_transparent++;
    physmem->counters.regained += taken;
    frame_stack_tell(task->stack, (uint32_t)task->frames_transparent);
    books_row_changed(physmem, task);
    return taken;
}
