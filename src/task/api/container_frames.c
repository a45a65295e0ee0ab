/* Frames of the program's containers: allocated, given back, released and recovered, and their pages given to swap and
 * had back. */
#include <errno.h>
#include <string.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/containers/windows.h"
#include "task/entry/aside.h"
#include "task/state/attached.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

#define ALLOCATE_FLAGS                                                                             \
    (SP_ALLOCATE_PARTIAL | SP_ALLOCATE_SQUASH | SP_ALLOCATE_EXTRA | SP_ALLOCATE_ZERO)

/* How often physmem is asked while it finds rights to a slot that were given up, or slots without frames. */
#define ATTEMPTS 4u

/* The largest order that any physmem has; its own is less, as a rule. */
#define ORDER_MOST 15u

_Static_assert(SP_ALLOCATE_PARTIAL == WIRE_ALLOCATE_PARTIAL &&
                   SP_ALLOCATE_SQUASH == WIRE_ALLOCATE_SQUASH &&
                   SP_ALLOCATE_EXTRA == WIRE_ALLOCATE_EXTRA &&
                   SP_ALLOCATE_ZERO == WIRE_ALLOCATE_ZERO,
               "the same flags");

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

static void set_aside(struct sp_task *task, int64_t more)
{
    struct guard guard;

    check(!hold_is_ours());
    guard_begin(&guard);
    aside_set(task, more);
    guard_end(&guard);
}

/* Give up the rights to slots that are mapped. `all`: also those of which physmem alone knows, since it asks for them
 * just now, or a thread that got them did not map them. */
static void give_up(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                    bool all)
{
    struct guard guard;

    check(!hold_is_ours());
    guard_begin(&guard);
    windows_give_up(task, container, (struct wire_range){first, count}, all);
    guard_end(&guard);
}

/* ---- What the program calls ---- */

long sp_container_allocate_blocks(struct sp_task *task, sp_container container,
                                  const struct sp_allocation *allocation, struct sp_error *error)
{
    struct aside aside = {.container = container,
                          .start = allocation->first,
                          .count = allocation->count,
                          .ceiling = allocation->ceiling,
                          .flags = (uint8_t)allocation->flags,
                          .order = (uint8_t)allocation->order};
    struct guard guard;
    long allocated;

    check(attached_task() == task);
    if ((allocation->flags & ~ALLOCATE_FLAGS) != 0)
        return error_set(error, EINVAL, "allocate: flags %#x do not exist", allocation->flags);
    if (allocation->order > ORDER_MOST)
        return error_set(error, EINVAL, "allocate: blocks of order %u: %u is the largest",
                         allocation->order, ORDER_MOST);
    if ((allocation->flags & SP_ALLOCATE_SQUASH) != 0)
        give_up(task, container, aside.start, aside.count, false);
    aside.holes = holes_in(task, container, aside.start, aside.count);
    guard_begin(&guard);
    allocated = aside_allocate(task, &aside, error);
    guard_end(&guard);
    if (allocated > 0)
        take_down(task, container, aside.start, (uint32_t)allocated, true);
    return allocated;
}

long sp_container_allocate(struct sp_task *task, sp_container container, uint32_t first,
                           uint32_t count, unsigned flags, struct sp_error *error)
{
    const struct sp_allocation allocation = {.first = first, .count = count, .flags = flags};

    check(attached_task() == task);
    return sp_container_allocate_blocks(task, container, &allocation, error);
}

/* Keep threads from filling slots of a region meanwhile. False if one does. */
static bool begin_taking(struct sp_task *task, sp_container container, uint32_t first,
                         uint32_t count)
{
    const struct wire_range slots = {first, count};
    struct guard guard;
    bool begun;

    guard_begin(&guard);
    hold_take(task);
    begun = filling_forbid(task, container, &slots);
    hold_release(task);
    guard_end(&guard);
    return begun;
}

static void end_taking(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                       bool taken)
{
    const struct wire_range slots = {first, count};
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    filling_permit(task, container, &slots, taken);
    hold_release(task);
    events_signal(task);
    guard_end(&guard);
}

/* DEALLOCATE or RELEASE. */
static long give_back(struct sp_task *task, uint8_t type, sp_container container, uint32_t first,
                      uint32_t count, struct sp_error *error)
{
    struct wire_message message = {.type = type};
    struct wire_message reply;
    int result;

    check(type == WIRE_DEALLOCATE || type == WIRE_RELEASE);
    if (container != 0 && !begin_taking(task, container, first, count))
        return error_set(error, EBUSY, "a thread touches these pages, which are being filled");
    give_up(task, container, first, count, false);
    message.deallocate.container = container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){first, count};
    result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    if (result == 0)
        take_down(task, container, first, count, false);
    if (container != 0)
        end_taking(task, container, first, count, result == 0);
    return result != 0 ? result : (long)reply.done.count;
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

long sp_container_orphan(struct sp_task *task, sp_container container, uint32_t first,
                         uint32_t count, struct sp_error *error)
{
    struct wire_message message, reply;
    int result = -EBUSY;

    check(attached_task() == task);
    if (container != 0 && !begin_taking(task, container, first, count))
        return error_set(error, EBUSY, "a thread touches these pages, which are being filled");
    for (uint32_t i = 0; i < ATTEMPTS && result == -EBUSY; i++) {
        give_up(task, container, first, count, i > 0);
        message = (struct wire_message){.type = WIRE_ORPHAN};
        message.orphan.container = container;
        message.orphan.ranges_count = 1;
        message.orphan.ranges[0] = (struct wire_range){first, count};
        result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    }
    if (container != 0)
        end_taking(task, container, first, count, result == 0);
    return result != 0 ? result : (long)reply.done.count;
}

/* ---- Swap ---- */

_Static_assert(WIRE_BATCH == 64u, "the header says so");

static uint32_t step_of(uint32_t count)
{
    check(count > 0);
    return count < WIRE_BATCH ? count : WIRE_BATCH;
}

/* Store one step. Returns 0 or a negative errno. */
static int swap_step(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                     sp_swapped *numbers, struct sp_error *error)
{
    struct wire_message message, reply;
    int result = -EBUSY;

    check(count > 0 && count <= WIRE_BATCH);
    for (uint32_t i = 0; i < ATTEMPTS && result == -EBUSY; i++) {
        give_up(task, container, first, count, i > 0);
        message = (struct wire_message){.type = WIRE_SWAP_OUT};
        message.swap_out.container = container;
        message.swap_out.start = first;
        message.swap_out.count = count;
        result = ask_physmem(task, &message, WIRE_SWAPPED, &reply, error);
    }
    if (result == 0 && reply.swapped.pages_count != count)
        result = error_set(error, EPROTO, "physmem answered for %u of %u slots",
                           reply.swapped.pages_count, count);
    for (uint32_t i = 0; result == 0 && i < count; i++)
        numbers[i] = reply.swapped.pages[i].value;
    if (result == 0)
        take_down(task, container, first, count, false);
    return result;
}

long sp_swap(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
             sp_swapped *numbers, struct sp_error *error)
{
    uint32_t done = 0;
    int result = 0;

    check(attached_task() == task);
    if (container == 0 || container == task->container)
        return error_set(error, ENOENT, "the program has made no such container");
    if (count == 0)
        return error_set(error, EINVAL, "no slots to swap");
    memset(numbers, 0, count * sizeof(*numbers));
    if (!begin_taking(task, container, first, count))
        return error_set(error, EBUSY, "a thread touches these pages, which are being filled");
    while (done < count && result == 0) {
        uint32_t step = step_of(count - done);

        result = swap_step(task, container, first + done, step, numbers + done, error);
        done += result == 0 ? step : 0;
    }
    end_taking(task, container, first, count, done > 0);
    return done > 0 ? (long)done : result;
}

/* Get frames for the slots of a step whose numbers are left and that have none. Returns 0 or a negative errno. */
static int frames_for(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                      unsigned flags, const sp_swapped *numbers, struct sp_error *error)
{
    check(count <= WIRE_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        long allocated;

        if (numbers[i] == 0 || holes_in(task, container, first + i, 1) == 0)
            continue;
        /* It may have a soft frame of something else. */
        allocated =
            sp_container_allocate(task, container, first + i, 1, flags | SP_ALLOCATE_SQUASH, error);
        if (allocated < 0)
            return (int)allocated;
    }
    return 0;
}

/* Ask for what is left of a step. *backp is increased by the pages that have come; *lackp: physmem says that a slot has
 * no frame to load into. Returns 0 or a negative errno. */
static int swap_in_ask(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                       sp_swapped *numbers, uint32_t *backp, bool *lackp, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_SWAP_IN};
    uint32_t holes = holes_in(task, container, first, count);
    struct wire_message reply = {0};
    int result;

    check(count > 0 && holes <= count);
    message.swap_in.container = container;
    message.swap_in.start = first;
    message.swap_in.pages_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++)
        message.swap_in.pages[i].value = numbers[i];
    set_aside(task, holes);
    result = ask_physmem(task, &message, WIRE_SWAPPED, &reply, error);
    set_aside(task, -(int64_t)holes);
    *lackp = reply.type == WIRE_SWAPPED && result == -ENOENT;
    if (reply.type != WIRE_SWAPPED)
        return result;
    if (reply.swapped.pages_count != count)
        return error_set(error, EPROTO, "physmem answered for %u of %u slots",
                         reply.swapped.pages_count, count);
    for (uint32_t i = 0; i < count; i++) {
        if (numbers[i] == 0 || reply.swapped.pages[i].value != 0)
            continue;
        numbers[i] = 0;
        take_down(task, container, first + i, 1, true);
        ++*backp;
    }
    return result;
}

/* Have the pages of one step back: first what is still there; then with frames for the rest. */
static int swap_in_step(struct sp_task *task, sp_container container, uint32_t first,
                        uint32_t count, unsigned flags, sp_swapped *numbers, uint32_t *backp,
                        struct sp_error *error)
{
    int result = -EBUSY;
    bool lacks = false;

    check(count <= WIRE_BATCH);
    for (uint32_t i = 0; i < ATTEMPTS && (result == -EBUSY || lacks); i++) {
        if (lacks)
            result = frames_for(task, container, first, count, flags, numbers, error);
        if (lacks && result != 0)
            return result;
        give_up(task, container, first, count, i > 0);
        result = swap_in_ask(task, container, first, count, numbers, backp, &lacks, error);
    }
    return result;
}

long sp_swap_in(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                unsigned flags, sp_swapped *numbers, struct sp_error *error)
{
    uint32_t back = 0, done = 0;
    int result = 0;

    check(attached_task() == task);
    if (container == 0 || container == task->container)
        return error_set(error, ENOENT, "the program has made no such container");
    if (count == 0 || (flags & ~SP_ALLOCATE_EXTRA) != 0)
        return error_set(error, EINVAL, "swap in: no slots, or flags that do not exist");
    if (!begin_taking(task, container, first, count))
        return error_set(error, EBUSY, "a thread touches these pages, which are being filled");
    while (done < count && result == 0) {
        uint32_t step = step_of(count - done);

        result =
            swap_in_step(task, container, first + done, step, flags, numbers + done, &back, error);
        done += step;
    }
    end_taking(task, container, first, count, false);
    return back > 0 ? (long)back : result;
}

long sp_swap_drop(struct sp_task *task, sp_swapped *numbers, uint32_t count, struct sp_error *error)
{
    uint32_t done = 0;
    long dropped = 0;

    check(attached_task() == task);
    if (count == 0)
        return error_set(error, EINVAL, "no numbers to give up");
    while (done < count) {
        struct wire_message message = {.type = WIRE_SWAP_DROP};
        uint32_t step = step_of(count - done);
        struct wire_message reply;
        int result;

        message.swap_drop.pages_count = (uint16_t)step;
        for (uint32_t i = 0; i < step; i++)
            message.swap_drop.pages[i].value = numbers[done + i];
        result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
        if (result != 0)
            return result;
        memset(numbers + done, 0, step * sizeof(*numbers));
        dropped += (long)reply.done.count;
        done += step;
    }
    return dropped;
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
