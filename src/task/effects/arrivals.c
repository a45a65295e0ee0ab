#include "task/effects/arrivals.h"

#include <unistd.h>

#include "base/assert.h"
#include "task/effects/agreed.h"
#include "task/effects/extents.h"
#include "task/effects/own_file.h"
#include "task/effects/swapping.h"
#include "task/state/hold.h"

void arrivals_on_message(void *context, struct channel *channel, const struct wire_message *message,
                         int consume_fd)
{
    struct sp_task *task = context;

    check(!hold_is_ours());
    check(channel == &task->physmem || channel == &task->swap || channel == &task->cleaner);
    if (message->type == WIRE_EXTENT) {
        extents_arrived(task, message, consume_fd);
        return;
    }
    if (message->type == WIRE_STACK && channel == &task->physmem && task->stack.memory == NULL) {
        (void)shared_open(&task->stack, consume_fd, NULL);
        return;
    }
    if (message->type == WIRE_OWN_FILE) {
        own_file_arrived(task, message, consume_fd);
        return;
    }
    if (consume_fd >= 0)
        close(consume_fd);
    if (message->type == WIRE_OFFER)
        agreed_note(task, message);
    else if (channel != &task->physmem)
        swapping_answered(task, channel, message);
}
