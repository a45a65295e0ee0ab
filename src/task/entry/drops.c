#include "task/entry/drops.h"

#include "base/assert.h"
#include "base/least.h"
#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/state/events.h"
#include "task/state/hold.h"

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

void drops_pay(struct sp_task *task)
{
    struct wire_message message = {.type = WIRE_RELEASE};
    struct channel_batch batch = {.size = 0};
    bool found;

    check(!hold_is_ours());
    hold_take(task);
    found = drops_are_owed(task) && filling_begin_drop(task, NULL, task->drops_owed, &task->drop);
    if (found) {
        task->drop_seq = channel_next_seq(&task->control);
        message.seq = task->drop_seq;
        message.deallocate.container = task->drop.window.container;
        message.deallocate.ranges_count = 1;
        message.deallocate.ranges[0] =
            (struct wire_range){task->drop.window.first + task->drop.page, task->drop.count};
    } else if (!filling_is_any(task)) {
        task->drops_owed = 0;
    }
    hold_release(task);
    if (!found)
        return;
    channel_add(&batch, &message);
    (void)channel_send(&task->control, &batch, -1);
}

void drops_answered(struct sp_task *task, const struct wire_message *message)
{
    const struct filling *drop = &task->drop;
    struct book *book;

    check(!hold_is_ours());
    hold_take(task);
    if (task->drop_seq != 0 && message->seq == task->drop_seq) {
        book = book_find(task, drop->window.container);
        if (message->error == 0 && book != NULL)
            book_mark(task, book, drop->window.first + drop->page, drop->count, false);
        filling_end(task, drop, message->error == 0 ? 0 : drop->count);
        /* A container that is locked gives nothing until that is over: it is asked again soon. */
        if (message->error == 0)
            task->drops_owed -= least_of(task->drops_owed, drop->count);
        task->drop_seq = 0;
    }
    hold_release(task);
    events_signal(task);
}
