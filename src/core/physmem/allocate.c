/* Allocation: what a task may have, and what it has to wait for. */
#include "core/frames/compact.h"
#include "core/physmem/internal.h"

static const char beyond_text[] = "beyond what the contracts allow";
static const char pressure_text[] = "no extra frames now: memory is short";

/* ---- One allocation ---- */

/* What an allocation comes to, as things stand. */
struct plan {
    uint32_t span; /* slots from the start that it can serve */
    uint32_t need; /* frames for that */
    int error;     /* why it cannot serve more */
    const char *text;
};

/* How many slots from the start of an allocation take at most `frames` frames. Sets *needp to the
 * frames they take, and *occupiedp to whether an occupied slot stands in the way of more. */
static uint32_t span_of(const struct container *container,
                        const struct physmem_allocation *allocation, uint32_t frames,
                        uint32_t *needp, bool *occupiedp)
{
    uint32_t need = 0;
    uint32_t i;

    *occupiedp = false;
    for (i = 0; i < allocation->count; i++) {
        uint32_t slot = allocation->start + i;
        struct extent *extent = container_extent(container, slot);

        if (extent != NULL && slot_is_allocated(extent_slot(extent, slot))) {
            if ((allocation->flags & PHYSMEM_SQUASH) == 0) {
                *occupiedp = true;
                break;
            }
        } else if (need == frames) {
            break;
        } else {
            need++;
        }
    }
    *needp = need;
    return i;
}

/* Cut a plan down to what takes at most `frames` frames. False if the container's occupied slots
 * stand in the way of more. */
static bool plan_cut(const struct container *container, const struct physmem_allocation *allocation,
                     struct plan *plan, uint32_t frames)
{
    bool occupied;

    plan->span = span_of(container, allocation, frames, &plan->need, &occupied);
    if (allocation->order > 0) {
        plan->span -= plan->span % (UINT32_C(1) << allocation->order);
        plan->need = smaller(plan->need, plan->span);
    }
    return !occupied;
}

/* Find out how much of an allocation is allowed. */
static struct plan plan_make(struct physmem *physmem, struct physmem_task *task,
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

    if (!plan_cut(container, allocation, &plan, UINT32_MAX)) {
        plan.error = EEXIST;
        plan.text = "a slot is occupied";
    }
    within = commitment > has ? smaller(plan.need, commitment - has) : 0;
    beyond = plan.need - within;
    if (beyond == 0)
        return plan;
    if ((allocation->flags & PHYSMEM_EXTRA) != 0)
        extra = extra_allowed(physmem, task, within, beyond, &pressure);
    if (extra < beyond) {
        plan.error = ENOMEM;
        plan.text = pressure ? pressure_text : beyond_text;
        plan_cut(container, allocation, &plan, within + extra);
    }
    return plan;
}

/* Free tables of `span` slots that turned out to be of no use. */
static void tables_trim(struct physmem *physmem, struct container *container, uint32_t start,
                        uint32_t span)
{
    for (uint32_t slot = start; slot < start + span;
         slot = (slot / EXTENT_PAGES + 1) * EXTENT_PAGES)
        container_extent_trim(physmem->allocator, container, slot);
}

/* Make the tables for `span` slots. Returns 0 or ENOMEM. */
static int tables_make(struct physmem *physmem, struct container *container, uint32_t start,
                       uint32_t span)
{
    uint32_t slot = start;

    while (slot < start + span) {
        if (container_extent_make(physmem->allocator, container, slot) == NULL) {
            tables_trim(physmem, container, start, slot - start);
            return ENOMEM;
        }
        slot = (slot / EXTENT_PAGES + 1) * EXTENT_PAGES;
    }
    return 0;
}

/* Give single frames, of which enough are free, to `span` slots. True if all of them are known to
 * hold zeros. */
static bool fill_singly(struct physmem *physmem, struct container *container,
                        const struct physmem_allocation *allocation, uint32_t span)
{
    struct physmem_task *task = container->owner;
    bool zero = (allocation->flags & PHYSMEM_ZERO) != 0;
    bool zeroed = true;
    struct punch punch = {NULL};

    for (uint32_t slot = allocation->start; slot < allocation->start + span; slot++) {
        struct extent *extent = container_extent(container, slot);
        struct container_slot *entry = extent_slot(extent, slot);

        if (entry->frame != SLOT_NO_FRAME) {
            if (entry->soft) {
                frame_table_harden(&physmem->frames, entry->frame);
                container_slot_harden(container, extent, slot);
                task->soft--;
                task->held++;
            }
            if (zero)
                punch_add(physmem, &punch, extent, slot);
            else
                zeroed = zeroed && extent->handle == 0;
        } else {
            container_slot_fill(container, extent, slot,
                                frame_table_take(&physmem->frames, 0, container->handle, slot));
            task->held++;
        }
    }
    punch_flush(physmem, &punch);
    return zeroed;
}

/* Empty `span` slots. */
static void slots_drop(struct physmem *physmem, struct container *container, uint32_t start,
                       uint32_t span, struct punch *punch)
{
    for (uint32_t slot = start; slot < start + span; slot++) {
        struct extent *extent = container_extent(container, slot);

        if (extent_slot(extent, slot)->frame != SLOT_NO_FRAME)
            slot_drop(physmem, container, extent, slot, punch);
    }
}

/* The frame of a slot has been exchanged for this one. */
static void slot_renumber(void *context, uint32_t number)
{
    struct physmem *physmem = context;
    const struct frame *frame = &physmem->frames.frame[number];
    struct container *container = handle_object(&physmem->containers, frame->container);
    uint32_t slot = frame->slot;

    extent_slot(container_extent(container, slot), slot)->frame = number & SLOT_NO_FRAME;
    physmem->counters.compacted++;
}

/* Give blocks, for which enough frames are free, to `span` slots, whose contents are dropped. */
static void fill_blocks(struct physmem *physmem, struct container *container,
                        const struct physmem_allocation *allocation, uint32_t span)
{
    struct frame_table *frames = &physmem->frames;
    struct physmem_task *task = container->owner;
    uint32_t block = UINT32_C(1) << allocation->order;
    struct punch punch = {NULL};

    slots_drop(physmem, container, allocation->start, span, &punch);
    punch_flush(physmem, &punch);
    for (uint32_t start = allocation->start; start < allocation->start + span; start += block) {
        uint32_t frame = frame_table_take(frames, allocation->order, container->handle, start);

        if (frame == BUDDY_NONE) {
            compact(frames, allocation->order, slot_renumber, physmem);
            frame = frame_table_take(frames, allocation->order, container->handle, start);
        }
        for (uint32_t i = 0; i < block; i++)
            container_slot_fill(container, container_extent(container, start + i), start + i,
                                frame + i);
        task->held += block;
    }
}

/* Carry out a plan, for which enough frames are available, and answer. */
static void plan_carry_out(struct physmem *physmem, const struct physmem_request *request,
                           struct container *container, const struct physmem_allocation *allocation,
                           const struct plan *plan)
{
    struct physmem_task *task = request->task;
    uint32_t held = task->held;
    uint32_t span = plan->span;
    struct punch punch = {NULL};
    bool zeroed = true;
    struct physmem_effect *effect;

    while (physmem->frames.buddy.free < plan->need && physmem->frames.soft > 0)
        soft_reuse(physmem, &punch);
    punch_flush(physmem, &punch);
    if (tables_make(physmem, container, allocation->start, span) != 0) {
        physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for its tables");
        return;
    }
    if (allocation->order == 0)
        zeroed = fill_singly(physmem, container, allocation, span);
    else
        fill_blocks(physmem, container, allocation, span);

    if (task->held < held) {
        recall_pay(physmem, task, held - task->held);
    } else {
        task->allocations += task->held - held;
        task->wanted -= smaller(task->wanted, task->held - held);
        physmem->counters.allocated += task->held - held;
    }
    effect = physmem_reply(physmem, PHYSMEM_REPLY_ALLOCATED, request, 0, NULL);
    effect->allocated.count = span;
    effect->allocated.zeroed = zeroed;
    if (task->held > held)
        recall_count_demand(physmem, task, task->held - held);
}

/* Serve or refuse an allocation; `first` if nobody waits who came before. Returns 0 if it was
 * answered, or the number of frames it has to wait for. */
static uint32_t allocate(struct physmem *physmem, const struct physmem_request *request,
                         struct container *container, const struct physmem_allocation *allocation,
                         bool first)
{
    struct plan plan = plan_make(physmem, request->task, container, allocation);
    bool partial = (allocation->flags & PHYSMEM_PARTIAL) != 0;
    uint32_t available = frame_table_available(&physmem->frames);
    bool short_of_frames;

    if (plan.error != 0 && (!partial || plan.span == 0)) {
        physmem_reply_done(physmem, request, plan.error, plan.span, plan.text);
        if (plan.error == ENOMEM)
            recall_count_demand(physmem, request->task, 0);
        return 0;
    }
    short_of_frames = plan.need > 0 && (!first || plan.need > available);
    if (short_of_frames) {
        struct plan cut = plan;

        if (!first || !partial)
            return plan.need;
        plan_cut(container, allocation, &cut, available);
        if (cut.span == 0)
            return plan.need;
        plan = cut;
    }
    plan_carry_out(physmem, request, container, allocation, &plan);
    return 0;
}

/* ---- Requests that wait ---- */

static void pending_add(struct physmem *physmem, const struct physmem_request *request,
                        const struct physmem_allocation *allocation, uint32_t need)
{
    struct physmem_task *task = request->task;
    struct pending *pending;

    if (task->pending == PHYSMEM_PENDING_MAX) {
        physmem_reply_done(physmem, request, EBUSY, 0, "too many requests of this task wait");
        return;
    }
    pending = memory_new(physmem->allocator, sizeof(*pending));
    if (pending == NULL) {
        physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request");
        return;
    }
    *pending = (struct pending){NULL, *request, *allocation, need};
    if (physmem->pending_last != NULL)
        physmem->pending_last->next = pending;
    else
        physmem->pending_first = pending;
    physmem->pending_last = pending;
    task->pending++;
    task->waiting += need;
    physmem->waiting += need;
}

/* Take *linkp, behind `before`, out of the queue. */
static struct pending *pending_unlink(struct physmem *physmem, struct pending **linkp,
                                      struct pending *before)
{
    struct pending *pending = *linkp;

    control_changed(physmem, pending->request.task);
    pending->request.task->pending--;
    pending->request.task->waiting -= pending->need;
    physmem->waiting -= pending->need;
    *linkp = pending->next;
    if (physmem->pending_last == pending)
        physmem->pending_last = before;
    return pending;
}

/* Put a request back at the front of the queue: it still waits. */
static void pending_relink(struct physmem *physmem, struct pending *pending, uint32_t need)
{
    pending->request.task->pending++;
    pending->request.task->waiting += need;
    physmem->waiting += need;
    pending->need = need;
    pending->next = physmem->pending_first;
    if (physmem->pending_first == NULL)
        physmem->pending_last = pending;
    physmem->pending_first = pending;
}

void pending_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text)
{
    struct pending **linkp = &physmem->pending_first;
    struct pending *before = NULL;

    while (task->pending > 0 && *linkp != NULL) {
        struct pending *pending = *linkp;

        if (pending->request.task != task ||
            (container != 0 && pending->allocation.container != container)) {
            before = pending;
            linkp = &pending->next;
            continue;
        }
        if (error != 0)
            physmem_reply_done(physmem, &pending->request, error, 0, text);
        pending_unlink(physmem, linkp, before);
        memory_free(physmem->allocator, pending, sizeof(*pending));
    }
}

void pending_serve(struct physmem *physmem)
{
    while (physmem->pending_first != NULL) {
        struct pending *pending = pending_unlink(physmem, &physmem->pending_first, NULL);
        /* Destroying a container cancels what waits for it, so it is there. */
        struct container *container =
            handle_object(&physmem->containers, pending->allocation.container);
        uint32_t need = allocate(physmem, &pending->request, container, &pending->allocation, true);

        if (need > 0) {
            pending_relink(physmem, pending, need);
            return;
        }
        memory_free(physmem->allocator, pending, sizeof(*pending));
    }
}

void physmem_allocate(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_allocation *allocation)
{
    struct container *container;
    uint32_t need;

    if (!physmem_begin(physmem, now, request))
        return;
    container = container_of_request(physmem, request, allocation->container);
    if (container == NULL)
        return;
    if (allocation->count == 0 || allocation->count > PHYSMEM_ALLOCATE_MAX ||
        allocation->start >= container->slots ||
        allocation->count > container->slots - allocation->start) {
        physmem_reply_done(physmem, request, EINVAL, 0,
                           "1 to 65536 slots, all within the container, can be allocated at once");
        return;
    }
    if (allocation->flags >= PHYSMEM_FLAGS || allocation->order > physmem->config.max_order ||
        allocation->count % (UINT32_C(1) << allocation->order) != 0) {
        physmem_reply_done(physmem, request, EINVAL, 0,
                           "unknown flags, or no whole number of blocks of a legal order");
        return;
    }
    need = allocate(physmem, request, container, allocation, physmem->pending_first == NULL);
    if (need > 0)
        pending_add(physmem, request, allocation, need);
    physmem_settle(physmem);
}
