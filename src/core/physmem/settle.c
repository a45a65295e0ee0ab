#include "core/physmem/settle.h"

#include "core/physmem/allocation.h"
#include "core/physmem/arbiter.h"
#include "core/physmem/availability.h"
#include "core/physmem/books.h"
#include "core/physmem/extra.h"
#include "core/physmem/pending.h"
#include "core/physmem/pool.h"
#include "core/physmem/recall.h"
#include "core/physmem/rows.h"

/* ---- Requests that wait ---- */

/* Plan a request again, and serve or refuse it, unless it has to go on waiting. Returns whether it does
 * not. */
static bool serve_one(struct physmem *physmem, struct pending **linkp, struct pending *before)
{
    const struct pending pending = **linkp;
    /* Destroying a container cancels what waits for it, so that the container is there. */
    struct container *container =
        handles_object(&physmem->containers, pending.allocation.container);
    struct plan plan;

    ensure(container != NULL);
    pending_set_need(physmem, *linkp, 0);
    plan = allocation_plan(physmem, &pending.request, container, &pending.allocation, true);
    pending.request.task->stale = false;
    if (plan.waits) {
        pending_set_need(physmem, *linkp, plan.need);
        return false;
    }
    pending_drop(physmem, linkp, before);
    allocation_finish(physmem, &pending.request, container, &pending.allocation, &plan);
    return true;
}

/* Whether planning a request again could come to anything else than last time. A request never
 * overtakes one of the same task. */
static bool is_worth_planning(const struct physmem *physmem, const struct pending *pending)
{
    const struct physmem_task *task = pending->request.task;

    check(pending->need > 0);
    return task->passed != physmem->pending_pass &&
           (task->stale || pending_least(pending) <= frames_available(physmem));
}

/* Go once through the queue, and serve what can be. False if that was cut short, since a task was
 * revoked and requests left the queue. */
static bool pass(struct physmem *physmem)
{
    struct pending **linkp = &physmem->pending_first;
    struct pending *before = NULL;
    uint32_t least = UINT32_MAX;
    uint32_t cuts = physmem->pending_cuts;

    physmem->pending_pass++;
    while (*linkp != NULL) {
        struct pending *pending = *linkp;

        check(before == NULL || before->next == pending);
        if (before != NULL && !pending_is_patient(physmem))
            return true; /* what is not looked at keeps its marks */
        if (is_worth_planning(physmem, pending) && serve_one(physmem, linkp, before)) {
            if (physmem->pending_cuts != cuts)
                return false;
            continue;
        }
        pending->request.task->passed = physmem->pending_pass;
        least = smaller(least, pending_least(pending));
        before = pending;
        linkp = &pending->next;
    }
    physmem->pending_least = least;
    physmem->pending_stale = false;
    return true;
}

/* Frames that tasks want and that are neither free nor recalled yet. */
static uint32_t wanted_beyond(const struct physmem *physmem)
{
    uint64_t wanted = extra_wanted_by_others(physmem, NULL) + physmem->waiting;
    uint64_t there = (uint64_t)frames_available(physmem) + frames_coming(physmem);

    check(physmem->config.stacked);
    wanted -= wanted < there ? wanted : there;
    return wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX;
}

/* Serve those that wait, as far as frames are there for them: the physmem above first. */
static __attribute__((noinline)) void serve(struct physmem *physmem)
{
    pool_settle(physmem);
    if (physmem->pending_first == NULL)
        return;
    while (physmem->pending_stale || physmem->pending_least <= frames_available(physmem))
        if (pass(physmem))
            break;
}

/* Whether a request waits for frames, or the physmem above does. */
static bool somebody_waits(const struct physmem *physmem)
{
    return physmem->pending_first != NULL || physmem->upstream.due > 0;
}

/* Recall what requests that wait, and the physmem above, still lack. True if frames came at once. */
static bool recall_for_waiting(struct physmem *physmem)
{
    uint32_t available = frames_available(physmem);
    uint64_t there = (uint64_t)available + frames_coming(physmem);
    uint32_t batch = frames_there(physmem) / 64;
    uint64_t lacked = (uint64_t)physmem->waiting + physmem->upstream.due;
    uint32_t missing = lacked > there ? (uint32_t)(lacked - there) : 0;

    check(lacked > 0);
    missing -= recall_from_late(physmem, missing);
    /* A little ahead of need, so that recalls are few. */
    if (missing > 0)
        arbiter_short(physmem, missing, batch);
    return frames_available(physmem) > available;
}

/* Recall frames while the recalls bring some at once, from frame stacks, and serve with these. */
static __attribute__((noinline)) void recall_and_serve(struct physmem *physmem)
{
    check(physmem->now < DEADLINE_NEVER);
    while (somebody_waits(physmem) && recall_for_waiting(physmem))
        serve(physmem);
}

/* Ask the physmem above for the frames that tasks want and that no task here gives. */
static __attribute__((noinline)) void ask_above(struct physmem *physmem)
{
    check(physmem->config.stacked);
    pool_ask(physmem, wanted_beyond(physmem));
}

void settle_input(struct physmem *physmem)
{
    uint32_t available;

    check(physmem->now < DEADLINE_NEVER);
    if (somebody_waits(physmem))
        serve(physmem);
    availability_settle(physmem);
    if (somebody_waits(physmem))
        recall_and_serve(physmem);
    if (physmem->config.stacked)
        ask_above(physmem);
    check((physmem->pending_first == NULL) == (physmem->waiting == 0));
    available = frames_available(physmem);
    if (physmem->wanting_first != NULL && available > physmem->available)
        extra_notify(physmem);
    physmem->available = available;
    rows_publish(physmem);
    availability_later(physmem);
    check(books_balance(physmem));
}
