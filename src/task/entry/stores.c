#include "task/entry/stores.h"

#include <errno.h>

#include "base/assert.h"
#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/containers/windows.h"
#include "task/entry/aside.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/hold.h"

/* How long to wait between attempts, and how often pages are tried that are to go, while another thread has something
 * stored or had back, or somebody uses or locks the container. */
#define PAUSE_NS INT64_C(1000000)
#define ATTEMPTS 200u

static void pause_for_others(struct sp_task *task)
{
    check(!hold_is_ours());
    events_wait(task, __atomic_load_n(&task->events, __ATOMIC_ACQUIRE), PAUSE_NS);
}

static struct wire_range slots_of(const struct filling *filling)
{
    check(filling->count > 0 && filling->count <= SP_SUPPLY_PAGES);
    return (struct wire_range){filling->window.first + filling->page, filling->count};
}

/* ---- To swap ---- */

/* Have pages stored, and their numbers entered. Returns 0 or a negative errno. Functions with a message are not inlined:
 * faults run on short stacks. */
static __attribute__((noinline)) int put_once(struct sp_task *task, const struct filling *filling)
{
    const struct wire_range slots = slots_of(filling);
    struct wire_message message = {.type = WIRE_SWAP_OUT};

    check(!hold_is_ours() && filling->storing);
    message.swap_out.container = filling->window.container;
    message.swap_out.start = slots.start;
    message.swap_out.count = slots.count;
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    if (message.error != 0)
        return -(int)message.error;
    if (message.type != WIRE_SWAPPED || message.swapped.pages_count != slots.count)
        return -EPROTO;
    hold_take(task);
    filling_end_store(task, filling, message.swapped.pages);
    hold_release(task);
    return 0;
}

/* Returns 0 or a negative errno; then the pages are as they were. */
static int put(struct sp_task *task, const struct filling *filling)
{
    int error = -EBUSY;

    check(filling->storing);
    for (uint32_t attempt = 0; attempt < ATTEMPTS && error == -EBUSY; attempt++) {
        if (attempt > 0)
            pause_for_others(task);
        windows_give_up(task, filling->window.container, slots_of(filling), true);
        error = put_once(task, filling);
    }
    if (error == 0)
        return 0;
    hold_take(task);
    task->keeps_written |= error == -EOPNOTSUPP;
    filling_end_store(task, filling, NULL);
    hold_release(task);
    return error;
}

uint32_t stores_put(struct sp_task *task, const struct filling *within, uint32_t most)
{
    uint32_t count = 0;

    check(!hold_is_ours());
    while (count < most) {
        struct filling filling;
        bool found;
        int error;

        hold_take(task);
        found = filling_begin_store(task, within, most - count, &filling);
        hold_release(task);
        if (!found)
            break;
        error = put(task, &filling);
        events_signal(task);
        if (error != 0)
            break;
        count += filling.count;
    }
    return count;
}

/* ---- From swap ---- */

/* Slots of busy pages that have no frame. */
static uint32_t count_holes(struct sp_task *task, const struct filling *filling)
{
    const struct wire_range slots = slots_of(filling);
    const struct book *book;
    uint32_t holes = slots.count;

    hold_take(task);
    book = book_find(task, filling->window.container);
    if (book != NULL)
        holes = book_holes(book, slots.start, slots.count);
    hold_release(task);
    check(holes <= slots.count);
    return holes;
}

static __attribute__((noinline)) int get_once(struct sp_task *task, const struct filling *filling)
{
    const struct wire_range slots = slots_of(filling);
    uint32_t holes = count_holes(task, filling);
    struct wire_message message = {.type = WIRE_SWAP_IN};

    check(!hold_is_ours() && filling->stored);
    message.swap_in.container = filling->window.container;
    message.swap_in.start = slots.start;
    message.swap_in.pages_count = (uint16_t)slots.count;
    hold_take(task);
    filling_numbers(task, filling, message.swap_in.pages);
    hold_release(task);
    aside_set(task, holes);
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    aside_set(task, -(int64_t)holes);
    if (message.type != WIRE_SWAPPED || message.swapped.pages_count != slots.count)
        return message.error == EBUSY ? -EBUSY : -EIO;
    hold_take(task);
    filling_returned(task, filling, message.swapped.pages);
    hold_release(task);
    return -(int)message.error;
}

int stores_get(struct sp_task *task, const struct filling *filling)
{
    int error;

    check(filling->stored);
    while ((error = get_once(task, filling)) == -EBUSY) {
        /* A thread that mapped pages around its own may have rights to these, too. */
        windows_give_up(task, filling->window.container, slots_of(filling), true);
        pause_for_others(task);
    }
    return error;
}
