#include "core/physmem/settle.h"

#include "core/physmem/allocation.h"
#include "core/physmem/arbiter.h"
#include "core/physmem/availability.h"
#include "core/physmem/extra.h"
#include "core/physmem/queue.h"
#include "core/physmem/recall.h"
#include "core/physmem/rows.h"

/* Whether planning the first request again could come to anything else than last time. */
static bool is_worth_planning(const struct physmem *physmem)
{
    const struct pending *first = physmem->pending_first;
    uint32_t available = frame_table_available(&physmem->frames);

    return physmem->pending_stale || first->need <= available ||
           ((first->allocation.flags & PHYSMEM_PARTIAL) != 0 && available > 0);
}

/* Serve or refuse the first request. False if it has to go on waiting. */
static bool serve_first(struct physmem *physmem)
{
    const struct pending pending = *physmem->pending_first;
    /* Destroying a container cancels what waits for it, so that the container is there. */
    struct container *container = handle_object(&physmem->containers, pending.allocation.container);
    struct plan plan;

    ensure(container != NULL);
    queue_first_needs(physmem, 0);
    plan = allocation_plan(physmem, &pending.request, container, &pending.allocation, true);
    if (plan.waits) {
        queue_first_needs(physmem, plan.need);
        return false;
    }
    queue_drop_first(physmem);
    allocation_finish(physmem, &pending.request, container, &pending.allocation, &plan);
    return true;
}

/* Serve requests that wait, in turn. There is one. */
static void serve(struct physmem *physmem)
{
    while (is_worth_planning(physmem) && serve_first(physmem))
        if (physmem->pending_first == NULL)
            break;
    physmem->pending_stale = false;
}

/* Recall what requests that wait still lack. True if frames came at once. */
static bool recall_for_waiting(struct physmem *physmem)
{
    uint32_t available = frame_table_available(&physmem->frames);
    uint64_t there = (uint64_t)available + frames_coming(physmem);
    uint32_t batch = physmem->config.frames / 64;
    uint32_t missing = physmem->waiting > there ? (uint32_t)(physmem->waiting - there) : 0;

    missing -= recall_from_late(physmem, missing);
    /* A little ahead of need, so that recalls are few. */
    if (missing > 0)
        arbiter_short(physmem, missing, batch);
    return frame_table_available(&physmem->frames) > available;
}

void settle_input(struct physmem *physmem)
{
    uint32_t available;

    if (physmem->pending_first != NULL)
        serve(physmem);
    availability_settle(physmem);
    while (physmem->pending_first != NULL && recall_for_waiting(physmem))
        serve(physmem); /* frames came at once, from a frame stack */
    check((physmem->pending_first == NULL) == (physmem->waiting == 0));
    available = frame_table_available(&physmem->frames);
    if (physmem->wanting_first != NULL && available > physmem->available)
        extra_notify(physmem);
    physmem->available = available;
    rows_publish(physmem);
    availability_later(physmem);
}
