/* What the task publishes to physmem in shared memory: its unused frames, its regions. */
#include "task/effects/publish.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/effects/memory.h"
#include "task/effects/work.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

/* Places of a stack in one page. A task with more frames asks for more. */
#define PLACES_LEAST ((SP_PAGE_SIZE - sizeof(struct frame_stack)) / sizeof(uint32_t))

int publish_start(struct sp_task *task, uint32_t frames, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_STACK_OPEN};
    struct wire_message reply;
    struct guard guard;

    check(task->page_order == 0 && task->stack.memory == NULL);
    message.stack_open.container = task->container;
    message.stack_open.places = frames > PLACES_LEAST ? frames : (uint32_t)PLACES_LEAST;
    if (message.stack_open.places > FRAME_STACK_PLACES_MAX)
        message.stack_open.places = FRAME_STACK_PLACES_MAX;
    if (channel_ask(&task->physmem, &message, -1, &reply) != 0)
        return error_set(error, EPIPE, "physmem is gone");
    if (reply.error != 0)
        return error_set(error, (int)reply.error, "physmem refuses a frame stack: %s",
                         reply.type == WIRE_DONE ? reply.done.text : "unexpected answer");
    if (task->stack.memory == NULL ||
        task->stack.size < frame_stack_size(message.stack_open.places) ||
        reply.done.count != frame_stack_places(task->stack.size))
        return error_set(error, EPROTO, "physmem sent no frame stack that can be used");
    check(reply.done.count <= FRAME_STACK_PLACES_MAX);
    guard_begin(&guard);
    hold_take(task);
    pager_slots_publish(&task->pager, task->stack.memory, reply.done.count);
    pager_regions_publish(&task->pager, (uintptr_t)memory_address(task, 0));
    hold_release(task);
    guard_end(&guard);
    return 0;
}

void publish_end(struct sp_task *task)
{
    shared_close(&task->stack);
}
