#include "task/entry/supply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/containers/windows.h"
#include "task/entry/aside.h"
#include "task/entry/stores.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/say.h"

/* How long to wait between attempts, and how often, while slots of a source are in use. While it is
 * locked, attempts do not count: a lock ends. */
#define PAUSE_NS INT64_C(1000000)
#define ATTEMPTS 200u

/* How often to wait for frames that other threads are about to have, or to give back. */
#define ROOM_ATTEMPTS 2000u

/* ---- Frames ---- */

/* Give the frames of slots back (DEALLOCATE, RELEASE), and wait for that. Returns 0 or a negative errno. Functions
 * with a message are not inlined: faults run on short stacks. */
static __attribute__((noinline)) int free_slots(struct sp_task *task, uint8_t type,
                                                uint32_t container, uint32_t slot, uint32_t count)
{
    struct wire_message message = {.type = type};

    check(!hold_is_ours() && count > 0);
    message.deallocate.container = container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){slot, count};
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    return -(int)message.error;
}

/* Take down that busy pages have frames, or have none. */
static void take_down(struct sp_task *task, const struct filling *filling, bool held)
{
    struct book *book;

    hold_take(task);
    book = book_find(task, filling->window.container);
    if (book != NULL)
        book_mark(task, book, filling->window.first + filling->page, filling->count, held);
    hold_release(task);
    check(filling->count > 0);
}

static void end_filling(struct sp_task *task, const struct filling *filling, uint32_t filled)
{
    check(filled <= filling->count);
    hold_take(task);
    filling_end(task, filling, filled);
    hold_release(task);
    events_signal(task);
}

/* Filled pages of the window at an address (NULL: of any) go, `most` at most. Returns how many. */
static uint32_t drop(struct sp_task *task, const void *address, uint32_t most)
{
    uint32_t dropped = 0;

    check(!hold_is_ours());
    while (dropped < most) {
        struct filling filling;
        bool found;
        int error;

        hold_take(task);
        found = filling_begin_drop(task, address, most - dropped, &filling);
        hold_release(task);
        if (!found)
            break;
        error = free_slots(task, WIRE_RELEASE, filling.window.container,
                           filling.window.first + filling.page, filling.count);
        if (error == 0)
            take_down(task, &filling, false);
        end_filling(task, &filling, error == 0 ? 0 : filling.count);
        if (error != 0)
            break;
        dropped += filling.count;
    }
    return dropped;
}

/* Only these pages are filled. */
static void narrow(struct sp_task *task, struct filling *filling, uint32_t page, uint32_t count)
{
    check(count <= filling->count);
    hold_take(task);
    filling_narrow(task, filling, page, count);
    hold_release(task);
    events_signal(task);
}

/* Filled pages go, those of this window first, so that others can be filled; if there are none, written ones go to
 * swap. False: there are none of these, either. */
static bool make_room(struct sp_task *task, const struct filling *filling)
{
    check(filling->count > 0);
    return drop(task, filling->window.address, filling->count) > 0 ||
           drop(task, NULL, filling->count) > 0 || stores_put(task, filling, filling->count) > 0 ||
           stores_put(task, NULL, filling->count) > 0;
}

/* There are no pages that could go. Other threads may be filling some, or giving some back: wait for that. False: it
 * has been waited for often enough, or there is nothing to wait for. */
static bool await_others(struct sp_task *task, uint32_t *attempts)
{
    uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
    bool others;

    hold_take(task);
    ensure(task->fillings > 0); /* this thread is at it, too */
    others = task->fillings > 1;
    hold_release(task);
    if (!others || *attempts >= ROOM_ATTEMPTS)
        return false;
    ++*attempts;
    events_wait(task, events, PAUSE_NS);
    return true;
}

bool supply_yield(struct sp_task *task)
{
    bool in_the_way;

    check(!hold_is_ours());
    hold_take(task);
    in_the_way = task->aside > 0 && task->pager.held >= task->pager.guaranteed + task->pager.extra;
    hold_release(task);
    return in_the_way &&
           (drop(task, NULL, SP_SUPPLY_PAGES) > 0 || stores_put(task, NULL, SP_SUPPLY_PAGES) > 0);
}

/* Pages of the window go that are too many for it. */
static void drop_surplus(struct sp_task *task, const struct filling *filling)
{
    uint32_t dropped;

    check(filling->count > 0);
    if (filling->surplus == 0)
        return;
    dropped = drop(task, filling->window.address, filling->surplus);
    if (dropped < filling->surplus && filling->window.swaps)
        (void)stores_put(task, filling, filling->surplus - dropped);
}

/* Get frames for busy pages; for `page` alone, if there are not enough for all. Returns 0 or a negative
 * errno. */
static int get_frames(struct sp_task *task, struct filling *filling, uint32_t page)
{
    uint32_t attempts = 0;
    long result;

    check(page - filling->page < filling->count);
    for (;;) {
        const struct aside aside = {.container = filling->window.container,
                                    .start = filling->window.first + filling->page,
                                    .count = filling->count,
                                    .holes = filling->count,
                                    .flags = WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_SQUASH};

        result = aside_allocate(task, &aside, NULL);
        if (result == -EBUSY) /* the container is locked: that ends */
            events_wait(task, __atomic_load_n(&task->events, __ATOMIC_ACQUIRE), PAUSE_NS);
        else if (result != -ENOMEM)
            break;
        else if (make_room(task, filling))
            continue;
        else if (filling->count > 1)
            narrow(task, filling, page, 1);
        else if (!await_others(task, &attempts))
            break;
    }
    if (result < 0)
        return (int)result;
    hold_take(task);
    filling_harden(task, filling);
    hold_release(task);
    take_down(task, filling, true);
    return 0;
}

/* ---- Contents ---- */

/* Take slots back that were released. Returns how many, or a negative errno. */
static __attribute__((noinline)) int recover_once(struct sp_task *task, uint32_t container,
                                                  uint32_t slot, uint32_t count)
{
    struct wire_message message = {.type = WIRE_RECOVER};

    check(!hold_is_ours() && count > 0);
    message.recover.container = container;
    message.recover.ranges_count = 1;
    message.recover.ranges[0] = (struct wire_range){slot, count};
    aside_set(task, count);
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    aside_set(task, -(int64_t)count);
    if (message.type != WIRE_DONE || message.done.count == 0 || message.done.count > count)
        return -(int)message.error;
    return (int)message.done.count;
}

/* Have the busy page `page`, and those behind it, again as they were given back. False: they are not to be
 * had. Nothing is busy any more otherwise. */
static bool get_back(struct sp_task *task, struct filling *filling, uint32_t page)
{
    uint32_t count;
    int came;

    check(filling->count > 0);
    hold_take(task);
    count = filling_soft(task, filling, page);
    hold_release(task);
    if (count == 0)
        return false;
    do
        came = recover_once(task, filling->window.container, filling->window.first + page, count);
    while (came == -ENOMEM && make_room(task, filling));
    if (came <= 0)
        return false;
    narrow(task, filling, page, (uint32_t)came);
    take_down(task, filling, true);
    end_filling(task, filling, filling->count);
    return true;
}

static __attribute__((noinline)) int copy_once(struct sp_task *task, const struct filling *filling)
{
    const struct task_window *window = &filling->window;
    struct wire_message message = {.type = WIRE_COPY};

    check(window->source != 0 && filling->count <= SP_SUPPLY_PAGES);
    message.copy.from = window->source;
    message.copy.to = window->container;
    message.copy.pieces_count = 1;
    message.copy.pieces[0] = (struct wire_piece){window->source_first + filling->page,
                                                 window->first + filling->page, filling->count};
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    return -(int)message.error;
}

/* Whether somebody has locked a container. */
static __attribute__((noinline)) bool is_locked(struct sp_task *task, uint32_t container)
{
    struct wire_message message = {.type = WIRE_ASK_VERSION};

    check(container != 0);
    message.ask_version.container = container;
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    return message.error == 0 && message.type == WIRE_VERSION_IS && message.version_is.lock_ns > 0;
}

/* Whether a container is this task's. */
static bool is_own(struct sp_task *task, uint32_t container)
{
    bool own;

    check(container != 0);
    hold_take(task);
    own = book_find(task, container) != NULL;
    hold_release(task);
    return own;
}

/* Make busy pages copies of slots of the source. Another thread that maps pages around its own may have
 * asked for busy ones, too, before they were: the rights that it got are given up, like those to the source. */
static int copy_source(struct sp_task *task, const struct filling *filling)
{
    const struct task_window *window = &filling->window;
    const struct wire_range slots = {window->source_first + filling->page, filling->count};
    const struct wire_range target = {window->first + filling->page, filling->count};
    bool own = is_own(task, window->source);
    uint32_t attempts = 0;
    int error;

    check(filling->count > 0);
    for (;;) {
        if (own)
            windows_give_up(task, window->source, slots, attempts > 0);
        if (attempts > 0)
            windows_give_up(task, window->container, target, true);
        error = copy_once(task, filling);
        if (error != -EBUSY || attempts == ATTEMPTS)
            return error;
        attempts += !is_locked(task, window->source);
        events_wait(task, __atomic_load_n(&task->events, __ATOMIC_ACQUIRE), PAUSE_NS);
    }
}

static int get_contents(struct sp_task *task, const struct filling *filling)
{
    const struct task_window *window = &filling->window;

    check(filling->count > 0);
    if (window->supply == NULL)
        return copy_source(task, filling);
    return -abs(window->supply(window->supply_arg, window->container, window->first + filling->page,
                               filling->page, filling->count));
}

/* The frames of some busy pages, from `first` to `end`, are not needed. */
static void return_frames(struct sp_task *task, const struct filling *filling, uint32_t first,
                          uint32_t end)
{
    struct filling part = *filling;

    check(first <= end);
    if (first == end)
        return;
    part.page = first;
    part.count = end - first;
    /* Should that be refused, since the container was locked: SQUASH takes them the next time. */
    (void)free_slots(task, WIRE_DEALLOCATE, part.window.container, part.window.first + first,
                     part.count);
    take_down(task, &part, false);
}

/* How many busy pages from `page` on are in swap. */
static uint32_t count_away(struct sp_task *task, const struct filling *filling, uint32_t page)
{
    uint32_t away;

    check(filling->stored);
    hold_take(task);
    away = filling_away(task, filling, page);
    hold_release(task);
    return away;
}

/* The first pages of what is busy did not come back: they need no frames. */
static void return_away(struct sp_task *task, const struct filling *filling)
{
    uint32_t end = filling->page + filling->count;

    check(filling->stored);
    for (uint32_t page = filling->page; page < end; page++)
        if (count_away(task, filling, page) > 0)
            return_frames(task, filling, page, page + 1);
}

/* Have pages back from swap: what physmem still has, and then `page` with those behind it. Returns 0 or a negative
 * errno. */
static int bring_back(struct sp_task *task, struct filling *filling, uint32_t page)
{
    uint32_t attempts = 0;
    uint32_t away;
    int error;

    check(filling->stored && filling->count > 0);
    while ((error = stores_get(task, filling)) == -ENOMEM && count_away(task, filling, page) > 0) {
        if (make_room(task, filling))
            continue;
        if (filling->count > 1) /* those that are back may have to go for this one */
            narrow(task, filling, page, 1);
        else if (!await_others(task, &attempts))
            break;
    }
    away = count_away(task, filling, page);
    if (away > 0 && (error == -ENOENT || error == -ENOMEM)) { /* also where the pager has them */
        narrow(task, filling, page, away);
        error = get_frames(task, filling, page);
        if (error == 0) {
            error = stores_get(task, filling);
            if (error != 0)
                return_away(task, filling);
        }
        away = count_away(task, filling, page);
    }
    end_filling(task, filling, 0);
    return away == 0 ? 0 : error != 0 ? error : -EIO;
}

/* Fill what is busy, or `page` alone. Returns 0 or a negative errno. */
static int fill(struct sp_task *task, struct filling *filling, uint32_t page)
{
    uint32_t first, end;
    int error;

    drop_surplus(task, filling);
    if (filling->stored)
        return bring_back(task, filling, page);
    if (get_back(task, filling, page))
        return 0;
    error = get_frames(task, filling, page);
    if (error != 0) {
        end_filling(task, filling, 0);
        return error;
    }
    first = filling->page;
    end = first + filling->count;
    error = get_contents(task, filling);
    if (error != 0 && filling->window.supply == NULL && end - first > 1) {
        /* One of them may be a hole of the source. */
        return_frames(task, filling, first, page);
        return_frames(task, filling, page + 1, end);
        narrow(task, filling, page, 1);
        error = get_contents(task, filling);
    }
    if (error != 0)
        return_frames(task, filling, filling->page, filling->page + filling->count);
    check(filling->count > 0);
    end_filling(task, filling, error == 0 ? filling->count : 0);
    return error;
}

/* A hole was touched. False if it cannot be filled. */
static bool serve_hole(struct sp_task *task, void *address)
{
    uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
    struct filling filling;
    uint32_t page;
    int error;

    check(!hold_is_ours());
    hold_take(task);
    filling_begin(task, address, &filling);
    hold_release(task);
    if (filling.count == 0) { /* another thread is at it */
        events_wait(task, events, PAUSE_NS);
        return true;
    }
    page = (uint32_t)(((uintptr_t)address - (uintptr_t)filling.window.address) / SP_PAGE_SIZE);
    error = fill(task, &filling, page);
    if (error == 0)
        return true;
    say(task, "page %u of a region on container %u was touched, and cannot be %s: %s", page,
        filling.window.container,
        filling.stored                  ? "had back from swap"
        : filling.window.supply == NULL ? "filled from its source"
                                        : "filled",
        error == -ENOENT && !filling.stored && filling.window.supply == NULL
            ? "the slot there has no frame, or the source is gone, or not shared any more"
        : error == -EBUSY ? "the source's owner has the slot mapped"
                          : strerror(-error));
    return false;
}

bool supply_fault(struct sp_task *task, void *address, bool write, bool unknown)
{
    int cancel = guard_forbid_cancel();
    enum window_need need;
    bool served = true;

    check(!hold_is_ours());
    while (served && (need = windows_fault(task, address, write, unknown)) != WINDOW_SERVED)
        served = need == WINDOW_HOLE && serve_hole(task, address);
    guard_permit_cancel(cancel);
    return served;
}
