/* Frames of the program's containers: allocated, given back, released and recovered. */
#include <errno.h>
#include <string.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/containers/book.h"
#include "task/containers/windows.h"
#include "task/effects/work.h"
#include "task/entry/recalls.h"
#include "task/state/attached.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

#define ALLOCATE_FLAGS                                                                             \
    (SP_ALLOCATE_PARTIAL | SP_ALLOCATE_SQUASH | SP_ALLOCATE_EXTRA | SP_ALLOCATE_ZERO)

_Static_assert(SP_ALLOCATE_PARTIAL == WIRE_ALLOCATE_PARTIAL &&
                   SP_ALLOCATE_SQUASH == WIRE_ALLOCATE_SQUASH &&
                   SP_ALLOCATE_EXTRA == WIRE_ALLOCATE_EXTRA &&
                   SP_ALLOCATE_ZERO == WIRE_ALLOCATE_ZERO,
               "the same flags");

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

/* `more` frames are set aside for containers, or (negative) no longer. */
static void set_aside(struct sp_task *task, int64_t more)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    ensure((int64_t)task->aside + more >= 0);
    task->aside = (uint32_t)((int64_t)task->aside + more);
    units_allow_pager(task);
    hold_release(task);
    guard_end(&guard);
}

/* Whether an allocation that was refused for want of frames is worth another attempt: frames of
 * regions are in the way, or were, and are still on their way to physmem. */
static bool try_again(struct sp_task *task, bool extra, bool *yieldedp)
{
    struct guard guard;
    uint32_t wanted;
    bool again = *yieldedp;

    check(!hold_is_ours());
    guard_begin(&guard);
    hold_take(task);
    wanted = surplus(task, extra);
    hold_release(task);
    if (wanted > 0) {
        again = regions_yield(task, extra);
        *yieldedp = again;
    } else if (again) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);

        events_wait(task, events, PAUSE_NS);
    }
    guard_end(&guard);
    return again;
}

/* Slots of a range that have no frame; all, if the container is not known. */
static uint32_t holes_in(struct sp_task *task, sp_container container, uint32_t first,
                         uint32_t count)
{
    const struct book *book;
    uint32_t holes = count;
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    book = book_find(task, container);
    if (book != NULL && first < book->pages && count <= book->pages - first)
        holes = book_holes(book, first, count);
    hold_release(task);
    guard_end(&guard);
    check(holes <= count);
    return holes;
}

/* Note that slots have frames, or have none. */
static void take_down(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                      bool held)
{
    struct book *book;
    struct guard guard;

    check(!hold_is_ours());
    guard_begin(&guard);
    hold_take(task);
    book = book_find(task, container);
    if (book != NULL && first < book->pages && count <= book->pages - first)
        book_mark(task, book, first, count, held);
    hold_release(task);
    guard_end(&guard);
}

static void give_up(struct sp_task *task, sp_container container, uint32_t first, uint32_t count)
{
    struct guard guard;

    check(!hold_is_ours());
    guard_begin(&guard);
    windows_give_up(task, container, (struct wire_range){first, count}, false);
    guard_end(&guard);
}

/* ---- What the program calls ---- */

static int ask_to_allocate(struct sp_task *task, const struct wire_message *request, uint32_t holes,
                           struct wire_message *reply, struct sp_error *error)
{
    bool extra = (request->allocate.flags & WIRE_ALLOCATE_EXTRA) != 0;
    bool yielded = false;
    int result;

    check(holes <= request->allocate.count);
    set_aside(task, holes);
    for (uint32_t attempt = 0;; attempt++) {
        struct wire_message message = *request;

        if (attempt == 0)
            (void)try_again(task, extra, &yielded);
        result = ask_physmem(task, &message, WIRE_ALLOCATED, reply, error);
        if (result != -ENOMEM || attempt == ATTEMPTS || !try_again(task, extra, &yielded))
            break;
    }
    set_aside(task, -(int64_t)holes);
    return result;
}

long sp_container_allocate(struct sp_task *task, sp_container container, uint32_t first,
                           uint32_t count, unsigned flags, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};
    struct wire_message reply;
    int result;

    check(attached_task() == task);
    if ((flags & ~ALLOCATE_FLAGS) != 0)
        return error_set(error, EINVAL, "allocate: flags %#x do not exist", flags);
    if ((flags & SP_ALLOCATE_SQUASH) != 0)
        give_up(task, container, first, count);
    message.allocate.container = container;
    message.allocate.start = first;
    message.allocate.count = count;
    message.allocate.flags = (uint8_t)flags;
    result =
        ask_to_allocate(task, &message, holes_in(task, container, first, count), &reply, error);
    if (result != 0)
        return result;
    if (reply.allocated.count > count)
        return error_set(error, EPROTO, "physmem allocated slots that were not asked for");
    take_down(task, container, first, reply.allocated.count, true);
    return (long)reply.allocated.count;
}

/* DEALLOCATE or RELEASE. */
static long give_back(struct sp_task *task, uint8_t type, sp_container container, uint32_t first,
                      uint32_t count, struct sp_error *error)
{
    struct wire_message message = {.type = type};
    struct wire_message reply;
    int result;

    check(type == WIRE_DEALLOCATE || type == WIRE_RELEASE);
    give_up(task, container, first, count);
    message.deallocate.container = container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){first, count};
    result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    if (result != 0)
        return result;
    take_down(task, container, first, count, false);
    return (long)reply.done.count;
}

long sp_container_deallocate(struct sp_task *task, sp_container container, uint32_t first,
                             uint32_t count, struct sp_error *error)
{
    check(attached_task() == task);
    return give_back(task, WIRE_DEALLOCATE, container, first, count, error);
}

long sp_container_release(struct sp_task *task, sp_container container, uint32_t first,
                          uint32_t count, struct sp_error *error)
{
    check(attached_task() == task);
    return give_back(task, WIRE_RELEASE, container, first, count, error);
}

long sp_container_recover(struct sp_task *task, sp_container container, uint32_t first,
                          uint32_t count, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RECOVER};
    uint32_t holes = holes_in(task, container, first, count);
    struct wire_message reply;
    int result;

    check(attached_task() == task && holes <= count);
    message.recover.container = container;
    message.recover.ranges_count = 1;
    message.recover.ranges[0] = (struct wire_range){first, count};
    set_aside(task, holes);
    memset(&reply, 0, sizeof(reply));
    result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    set_aside(task, -(int64_t)holes);
    if (reply.type != WIRE_DONE || reply.done.count > count)
        return result != 0 ? result : -EPROTO;
    /* Slots before the one that failed have their frames. */
    take_down(task, container, first, reply.done.count, true);
    return result != 0 && reply.done.count == 0 ? result : (long)reply.done.count;
}
