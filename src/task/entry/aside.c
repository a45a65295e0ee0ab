#include "task/entry/aside.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/effects/work.h"
#include "task/entry/recalls.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/units.h"

/* How often, and how long in between, an allocation is tried again while the regions' frames are on
 * their way back. */
#define ATTEMPTS 2000u
#define PAUSE_NS INT64_C(1000000)

/* ---- Room beside the regions ---- */

/* Frames that the pager must give up, so that `aside` frames fit within the guarantee, or (extra)
 * the contracts. The lock is held. */
static uint32_t surplus(const struct sp_task *task, bool extra)
{
    uint64_t most = (uint64_t)task->promise.guaranteed + (extra ? task->promise.extra : 0);
    uint64_t held = units_base(task, task->pager.held);

    check(hold_is_ours());
    if (held == 0 || held + task->aside <= most)
        return 0;
    return (uint32_t)(held + task->aside - most < held ? held + task->aside - most : held);
}

/* The pager returns frames until the new ones fit. False if it cannot. */
static bool regions_yield(struct sp_task *task, bool extra)
{
    check(!hold_is_ours());
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        uint32_t wanted, owed;

        hold_take(task);
        wanted = units_for(task, surplus(task, extra));
        owed = task->pager.owed;
        if (wanted > owed)
            pager_debts_owe(&task->pager, wanted - owed);
        work_carry_out(task);
        hold_release(task);
        if (wanted == 0)
            return true;
        recalls_pay(task);
        events_poke(task);
        if (task->has_swap)
            channel_poll(&task->swap);
        events_wait(task, events, PAUSE_NS);
    }
    return false;
}

void aside_set(struct sp_task *task, int64_t more)
{
    hold_take(task);
    ensure((int64_t)task->aside + more >= 0);
    task->aside = (uint32_t)((int64_t)task->aside + more);
    units_allow_pager(task);
    hold_release(task);
}

/* Whether an allocation that was refused for want of frames is worth another attempt: frames of the
 * pager were in the way, or are still on their way to physmem. Waits for them. *yieldedp: false at
 * first. */
static bool make_room(struct sp_task *task, bool extra, bool *yieldedp)
{
    uint32_t wanted;

    check(!hold_is_ours());
    hold_take(task);
    wanted = surplus(task, extra);
    hold_release(task);
    if (wanted > 0) {
        *yieldedp = regions_yield(task, extra);
    } else if (*yieldedp) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);

        events_wait(task, events, PAUSE_NS);
    }
    return *yieldedp;
}

/* Ask once. A function of its own: while the pager makes room, its message is not on the stack. */
static __attribute__((noinline)) long ask(struct sp_task *task, const struct aside *aside,
                                          struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};

    check(aside->holes <= aside->count && !hold_is_ours());
    message.allocate.container = aside->container;
    message.allocate.start = aside->start;
    message.allocate.count = aside->count;
    message.allocate.flags = aside->flags;
    message.allocate.order = aside->order;
    message.allocate.ceiling = aside->ceiling;
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        return error_set(error, EPIPE, "physmem is gone, or has revoked this task");
    if (message.error != 0)
        return error_set(error, (int)message.error, "physmem: %s",
                         message.type == WIRE_DONE && message.done.text[0] != '\0'
                             ? message.done.text
                             : strerror((int)message.error));
    if (message.type != WIRE_ALLOCATED || message.allocated.count > aside->count)
        return error_set(error, EPROTO, "physmem allocated slots that were not asked for");
    return (long)message.allocated.count;
}

long aside_allocate(struct sp_task *task, const struct aside *aside, struct sp_error *error)
{
    bool extra = (aside->flags & WIRE_ALLOCATE_EXTRA) != 0;
    bool yielded = false;
    long result;

    check(aside->holes <= aside->count);
    aside_set(task, aside->holes);
    (void)make_room(task, extra, &yielded);
    for (uint32_t attempt = 0;; attempt++) {
        result = ask(task, aside, error);
        if (result != -ENOMEM || attempt == ATTEMPTS || !make_room(task, extra, &yielded))
            break;
    }
    aside_set(task, -(int64_t)aside->holes);
    return result;
}
