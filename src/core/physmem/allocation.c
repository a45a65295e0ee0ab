#include "core/physmem/allocation.h"

#include "core/frames/compact.h"
#include "core/physmem/breach.h"
#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/extra.h"
#include "core/physmem/pool.h"
#include "core/physmem/recall.h"
#include "core/physmem/slots.h"

/* ---- The plan ---- */

/* What is known of the slots of an allocation up to a point. */
struct span {
    uint32_t slots;
    uint32_t need;
    int obstacle; /* why not more: a slot is occupied (EEXIST), or its memory was cut off (ENXIO); 0: neither */
};

/* Go on with a span through slots of one extent, slot by slot, while it takes at most `frames` frames. False if it
 * ends there. */
static bool span_slots(struct extent *extent, uint32_t slot, uint32_t stop, uint32_t frames,
                       bool squash, struct span *span)
{
    check(slot < stop && span->need <= frames);
    for (; slot < stop; slot++, span->slots++) {
        if (extent_is_cut_at(extent, slot)) {
            span->obstacle = ENXIO;
            return false;
        }
        if (slot_is_allocated(extent_slot(extent, slot))) {
            span->obstacle = squash ? 0 : EEXIST;
            if (!squash)
                return false;
        } else if (span->need == frames) {
            return false;
        } else {
            span->need++;
        }
    }
    return true;
}

/* The same, at once if all slots of the extent are alike, or dropped. */
static bool span_extent(struct extent *extent, uint32_t slot, uint32_t stop, uint32_t frames,
                        bool squash, struct span *span)
{
    uint32_t occupied = extent->allocated;
    bool whole = stop - slot == extent->pages;

    check(slot < stop && span->need <= frames);
    if (extent_is_cut(extent) || (occupied > 0 && !(whole && squash)) ||
        stop - slot - occupied > frames - span->need)
        return span_slots(extent, slot, stop, frames, squash, span);
    span->slots += stop - slot;
    span->need += stop - slot - occupied;
    return true;
}

/* How many slots from the start of an allocation take at most `frames` frames, how many frames they
 * take, and which slot stands in the way of more. Whole extents are counted at once. */
static struct span span_of(const struct container *container,
                           const struct physmem_allocation *allocation, uint32_t frames)
{
    bool squash = (allocation->flags & PHYSMEM_SQUASH) != 0;
    uint32_t end = allocation->start + allocation->count;
    struct span span = {0};

    for (uint32_t slot = allocation->start; slot < end;) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop =
            extent != NULL ? extent_end(slot, end) : container_holes_end(container, slot, end);

        if (extent == NULL) {
            uint32_t holes = smaller(stop - slot, frames - span.need);

            span.slots += holes;
            span.need += holes;
            if (holes < stop - slot)
                break;
        } else if (!span_extent(extent, slot, stop, frames, squash, &span)) {
            break;
        }
        slot = stop;
    }
    check(span.need <= frames && span.slots <= allocation->count);
    return span;
}

/* Cut a plan down to what takes at most `frames` frames. Returns what stands in the way of more, or 0. */
static int cut(const struct container *container, const struct physmem_allocation *allocation,
               struct plan *plan, uint32_t frames)
{
    const struct span span = span_of(container, allocation, frames);

    plan->span = span.slots;
    plan->need = span.need;
    if (allocation->order > 0) {
        plan->span -= plan->span % (UINT32_C(1) << allocation->order);
        plan->need = smaller(plan->need, plan->span);
    }
    check(plan->need <= plan->span && plan->span <= allocation->count);
    return span.obstacle;
}

/* Find out how much of an allocation is allowed. */
static struct plan plan_allowed(struct physmem *physmem, struct physmem_task *task,
                                const struct container *container,
                                const struct physmem_allocation *allocation)
{
    uint32_t commitment = task_commitment(task);
    uint32_t has = task->held + task->waiting;
    struct plan plan = {.error = 0};
    bool pressure = false;
    uint32_t extra = 0;
    uint32_t within;
    uint32_t beyond;

    check(task->state == STANDING_THERE && container->owner == task);
    plan.error = cut(container, allocation, &plan, UINT32_MAX);
    if (plan.error != 0)
        plan.text = plan.error == EEXIST
                        ? "a slot is occupied"
                        : "the memory of a slot was taken by force: the frames that "
                          "are left in its extent must be given up first";
    within = commitment > has ? smaller(plan.need, commitment - has) : 0;
    beyond = plan.need - within;
    if (beyond == 0)
        return plan;
    if ((allocation->flags & PHYSMEM_EXTRA) != 0)
        extra = extra_allowed(physmem, task, within, beyond, &pressure);
    if (extra < beyond) {
        plan.error = ENOMEM;
        plan.text =
            pressure ? "no extra frames now: memory is short" : "beyond what the contracts allow";
        cut(container, allocation, &plan, within + extra);
    }
    return plan;
}

/* Free tables of `span` slots that turned out to be of no use. */
static void tables_trim(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t span)
{
    check(span <= PHYSMEM_ALLOCATE_MAX && start + span <= container->slots);
    for (uint32_t slot = start; slot < start + span; slot = extent_end(slot, UINT32_MAX))
        container_extent_trim(physmem->allocator, container, slot);
}

/* Make the tables for `span` slots. */
static bool tables_make(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t span)
{
    check(span <= PHYSMEM_ALLOCATE_MAX && start + span <= container->slots);
    for (uint32_t slot = start; slot < start + span; slot = extent_end(slot, UINT32_MAX)) {
        struct extent *extent = container_extent_make(physmem->allocator, container, slot);

        if (extent == NULL) {
            tables_trim(physmem, container, start, slot - start);
            return false;
        }
        slots_extent_renew(physmem, container, extent);
    }
    return true;
}

/* Whether frames are there for the plan, or for a part of it that is worth serving; the plan is
 * then cut down to that. */
static bool frames_are_there(const struct physmem *physmem, const struct container *container,
                             const struct physmem_allocation *allocation, bool turn,
                             struct plan *plan)
{
    uint32_t available = frames_available(physmem);
    struct plan less = *plan;

    check(plan->error == 0);
    if (plan->need == 0 || (turn && plan->need <= available))
        return true;
    if (!turn || (allocation->flags & PHYSMEM_PARTIAL) == 0)
        return false;
    cut(container, allocation, &less, available);
    if (less.span == 0)
        return false;
    *plan = less;
    return true;
}

struct plan allocation_plan(struct physmem *physmem, const struct physmem_request *request,
                            struct container *container,
                            const struct physmem_allocation *allocation, bool turn)
{
    struct plan plan = plan_allowed(physmem, request->task, container, allocation);

    if (plan.error != 0 && ((allocation->flags & PHYSMEM_PARTIAL) == 0 || plan.span == 0))
        return plan;
    plan.error = 0;
    plan.waits = !frames_are_there(physmem, container, allocation, turn, &plan);
    if (plan.waits)
        return plan;
    /* Before the tables: giving soft frames back may free tables that were just made. */
    pool_make_free(physmem, plan.need);
    if (!tables_make(physmem, container, allocation->start, plan.span)) {
        plan = (struct plan){.error = ENOBUFS, .text = "physmem has no memory for its tables"};
    }
    return plan;
}

/* ---- Carrying it out ---- */

/* Give single frames to `span` slots; enough are free. True if all of them are known to hold
 * zeros. */
static bool fill_singly(struct physmem *physmem, struct container *container,
                        const struct physmem_allocation *allocation, uint32_t span)
{
    struct physmem_task *task = container->owner;
    bool zero = (allocation->flags & PHYSMEM_ZERO) != 0;
    bool zeroed = true;
    struct punch punch = {NULL}, keep = {.when = PUNCH_NEVER};

    check(span <= allocation->count);
    for (uint32_t slot = allocation->start; slot < allocation->start + span; slot++) {
        struct extent *extent = container_extent(container, slot);
        struct container_slot *entry = extent_slot(extent, slot);

        if (entry->frame != SLOT_NO_FRAME) {
            if (entry->soft)
                slots_harden(physmem, container, extent, slot);
            if (zero)
                punch_add(physmem, &punch, extent, slot);
            else if (entry->copy)
                punch_add(physmem, &keep, extent, slot);
            if (entry->copy)
                copies_leave(physmem, extent, slot);
            if (!zero)
                zeroed = zeroed && extent->handle == 0;
        } else {
            uint32_t frame = frame_table_take(&physmem->frames, 0, 0, container->handle, slot);

            check(frame != BUDDY_NONE);
            container_slot_fill(container, extent, slot, frame);
            task->held++;
        }
    }
    punch_flush(physmem, &punch);
    punch_flush(physmem, &keep);
    return zeroed;
}

/* Empty `span` slots. */
static void slots_empty(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t span)
{
    struct punch punch = {NULL};

    check(start + span <= container->slots);
    for (uint32_t slot = start; slot < start + span; slot++) {
        struct extent *extent = container_extent(container, slot);

        if (extent_slot(extent, slot)->frame != SLOT_NO_FRAME)
            slots_drop(physmem, container, extent, slot, &punch);
    }
    punch_flush(physmem, &punch);
}

/* The frame of a slot has been exchanged for this one. */
static void slot_renumber(void *context, uint32_t number)
{
    struct physmem *physmem = context;
    const struct frame *frame = &physmem->frames.frame[number];
    struct container *container = handles_object(&physmem->containers, frame->container);
    uint32_t slot = frame->slot;

    ensure(container != NULL && slot < container->slots);
    extent_slot(container_extent(container, slot), slot)->frame = number & SLOT_NO_FRAME;
    physmem->counters.compacted++;
}

/* A block for slots from `start`, or BUDDY_NONE if low frames stand in the way, or there are too many of
 * them. As many frames are free. */
static uint32_t take_block(struct physmem *physmem, const struct container *container,
                           const struct physmem_allocation *allocation, uint32_t start)
{
    struct frame_table *frames = &physmem->frames;
    unsigned order = allocation->order;
    uint32_t ceiling = allocation->ceiling;
    uint32_t frame;

    if (ceiling > 0 && !frame_table_may_be_low(frames, order))
        return BUDDY_NONE;
    frame = frame_table_take(frames, order, ceiling, container->handle, start);
    if (frame == BUDDY_NONE && compact(frames, order, ceiling, slot_renumber, physmem))
        frame = frame_table_take(frames, order, ceiling, container->handle, start);
    ensure(frame != BUDDY_NONE || ceiling > 0 || frames->low > 0);
    return frame;
}

/* Give blocks, for which enough frames are free, to `span` slots, whose contents are dropped. Returns how
 * many slots have theirs. */
static uint32_t fill_blocks(struct physmem *physmem, struct container *container,
                            const struct physmem_allocation *allocation, uint32_t span)
{
    struct physmem_task *task = container->owner;
    uint32_t block = UINT32_C(1) << allocation->order;
    uint32_t start = allocation->start;

    ensure(span % block == 0);
    slots_empty(physmem, container, start, span);
    for (; start < allocation->start + span; start += block) {
        uint32_t frame = take_block(physmem, container, allocation, start);

        if (frame == BUDDY_NONE)
            break;
        for (uint32_t i = 0; i < block; i++)
            container_slot_fill(container, container_extent(container, start + i), start + i,
                                frame + i);
        task->held += block;
    }
    return start - allocation->start;
}

/* Give frames as a plan says. What cannot be placed where it must lie is cut off the plan, or makes it an
 * error. True if all frames are known to hold zeros. */
static bool fill(struct physmem *physmem, struct container *container,
                 const struct physmem_allocation *allocation, struct plan *plan)
{
    uint32_t filled;

    check(plan->error == 0 && !plan->waits);
    if (allocation->order == 0 && allocation->ceiling == 0)
        return fill_singly(physmem, container, allocation, plan->span);
    container->blocks = true;
    filled = fill_blocks(physmem, container, allocation, plan->span);
    if (filled == plan->span)
        return true;
    if ((allocation->flags & PHYSMEM_PARTIAL) == 0 && filled > 0) {
        slots_empty(physmem, container, allocation->start, filled);
        filled = 0;
    }
    if (filled == 0) {
        plan->error = ENOMEM;
        plan->text = "no such block of frames can be made below that number, or because of frames "
                     "that must lie below one";
        tables_trim(physmem, container, allocation->start, plan->span);
    }
    plan->span = filled;
    return true;
}

static void refuse(struct physmem *physmem, const struct physmem_request *request,
                   const struct plan *plan)
{
    bool no_frames = plan->error == ENOMEM;

    check(plan->error != 0 && !plan->waits);
    emit_done(physmem, request, plan->error == ENOBUFS ? ENOMEM : plan->error, plan->span,
              plan->text);
    if (no_frames)
        breach_count_demand(physmem, request->task, 0);
}

/* The task holds `more` frames more than before. */
static void count_gained(struct physmem *physmem, struct physmem_task *task, uint32_t more)
{
    check(task->held >= more);
    task->allocations += more;
    task->wanted -= smaller(task->wanted, more);
    physmem->counters.allocated += more;
}

void allocation_finish(struct physmem *physmem, const struct physmem_request *request,
                       struct container *container, const struct physmem_allocation *allocation,
                       const struct plan *planned)
{
    struct physmem_task *task = request->task;
    uint32_t held = task->held;
    struct plan plan = *planned;
    struct physmem_effect *effect;
    bool zeroed;

    ensure(!plan.waits);
    if (plan.error != 0) {
        refuse(physmem, request, &plan);
        return;
    }
    zeroed = fill(physmem, container, allocation, &plan);
    container->version++;
    if (task->held < held)
        recall_pay(physmem, task, held - task->held);
    else
        count_gained(physmem, task, task->held - held);
    if (plan.error != 0) {
        refuse(physmem, request, &plan);
        return;
    }
    effect = emit_reply(physmem, PHYSMEM_REPLY_ALLOCATED, request, 0, NULL);
    effect->allocated.count = plan.span;
    effect->allocated.zeroed = zeroed;
    if (task->held > held)
        breach_count_demand(physmem, task, task->held - held);
}
