#include "task/entry/drops.h"

#include <errno.h>

#include "base/assert.h"
#include "base/least.h"
#include "os/clock.h"
#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/state/events.h"
#include "task/state/hold.h"

/* How long physmem is not asked again after it has refused: the container is locked, or swap is full. */
#define REFUSED_NS UINT64_C(10000000)

void drops_owe(struct sp_task *task, uint32_t frames)
{
    check(hold_is_ours());
    task->drops_owed += least_of(frames, UINT32_MAX - task->drops_owed);
    if (!filling_is_any(task))
        task->drops_owed = 0;
}

bool drops_are_owed(const struct sp_task *task)
{
    check(hold_is_ours());
    return task->drops_owed > 0 && task->drop_seq == 0;
}

/* Begin to give back pages that can be filled again, or else written ones, which go to swap. *unmapp: what physmem must hear
 * first, if its type is not 0. False if there are none. The lock is held. */
static bool begin(struct sp_task *task, struct wire_message *message, struct wire_message *unmapp)
{
    struct filling *drop = &task->drop;
    struct wire_range slots;

    check(hold_is_ours());
    if (!filling_begin_drop(task, NULL, task->drops_owed, drop) &&
        !filling_begin_store(task, NULL, task->drops_owed, drop))
        return false;
    slots = (struct wire_range){drop->window.first + drop->page, drop->count};
    task->drop_seq = channel_next_seq(&task->control);
    message->seq = task->drop_seq;
    if (!drop->storing) {
        message->type = WIRE_RELEASE;
        message->release.container = drop->window.container;
        message->release.ranges_count = 1;
        message->release.ranges[0] = slots;
        return true;
    }
    message->type = WIRE_SWAP_OUT;
    message->swap_out.container = drop->window.container;
    message->swap_out.start = slots.start;
    message->swap_out.count = slots.count;
    unmapp->type = WIRE_UNMAP_OWN;
    unmapp->seq = channel_next_seq(&task->control);
    unmapp->unmap_own.container = drop->window.container;
    unmapp->unmap_own.ranges_count = 1;
    unmapp->unmap_own.ranges[0] = slots;
    return true;
}

void drops_pay(struct sp_task *task)
{
    struct wire_message message = {.type = 0}, unmap = {.type = 0};
    struct channel_batch batch = {.size = 0};
    bool found;

    check(!hold_is_ours());
    hold_take(task);
    found = drops_are_owed(task) && clock_now_ns() >= task->drops_after_ns &&
            begin(task, &message, &unmap);
    if (!found && !filling_is_any(task))
        task->drops_owed = 0;
    hold_release(task);
    if (!found)
        return;
    if (unmap.type != 0)
        channel_add(&batch, &unmap);
    channel_add(&batch, &message);
    (void)channel_send(&task->control, &batch, -1);
}

/* What was given back is no longer there, or (error) still is. The lock is held. */
static void end(struct sp_task *task, const struct wire_message *message)
{
    const struct filling *drop = &task->drop;
    bool gone = message->error == 0;
    struct book *book = book_find(task, drop->window.container);

    check(hold_is_ours());
    if (drop->storing) {
        gone = message->type == WIRE_SWAPPED && message->swapped.pages_count == drop->count;
        task->keeps_written |= message->error == EOPNOTSUPP;
        filling_end_store(task, drop, gone ? message->swapped.pages : NULL);
    } else {
        if (gone && book != NULL)
            book_mark(task, book, drop->window.first + drop->page, drop->count, false);
        filling_end(task, drop, gone ? 0 : drop->count);
    }
    if (gone)
        task->drops_owed -= least_of(task->drops_owed, drop->count);
    else
        task->drops_after_ns = clock_now_ns() + REFUSED_NS;
    task->drop_seq = 0;
}

void drops_answered(struct sp_task *task, const struct wire_message *message)
{
    check(!hold_is_ours());
    hold_take(task);
    if (task->drop_seq != 0 && message->seq == task->drop_seq)
        end(task, message);
    hold_release(task);
    events_signal(task);
}
