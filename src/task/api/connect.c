/* Connections to physmem and swap, and the container. */
#include "task/api/connect.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"
#include "client/hello.h"
#include "client/link.h"
#include "task/effects/arrivals.h"
#include "task/entry/control.h"
#include "task/state/units.h"

/* Connect, and exchange HELLO and WELCOME. */
static int greet(struct channel *channel, const char *server, const char *path,
                 const struct hello *hello, struct wire_message *welcome, struct sp_error *error)
{
    int result;

    check(channel->link.fd >= 0);
    hello_fill(welcome, hello);
    if (channel_ask(channel, welcome, -1, welcome) != 0)
        return error_set(error, EPROTO, "%s at %.160s does not answer HELLO: %s", server, path,
                         channel_problem(channel));
    result = hello_check(welcome, server, error);
    if (result == 0 && welcome->welcome.page_size != SP_PAGE_SIZE)
        return error_set(error, EPROTO, "%s has pages of %u bytes, and this library of %u", server,
                         welcome->welcome.page_size, SP_PAGE_SIZE);
    return result;
}

int connect_pair(struct sp_task *task, const char *server, const char *path, struct channel *first,
                 struct channel *second, enum wire_role second_role, struct sp_error *error)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = task->name};
    struct wire_message welcome;
    int result = link_connect(path, error);

    check(first != second && first->link.fd < 0 && second->link.fd < 0);
    if (result < 0)
        return result;
    channel_init(first, result, arrivals_on_message, task);
    result = greet(first, server, path, &hello, &welcome, error);
    if (result != 0)
        return result;
    if (first == &task->physmem) {
        task->physmem_frames = welcome.welcome.total;
        task->number = welcome.welcome.id;
    }
    hello.role = second_role;
    hello.id = welcome.welcome.id;
    hello.key = welcome.welcome.key;
    result = link_connect(path, error);
    if (result < 0)
        return result;
    channel_init(second, result,
                 second_role == WIRE_ROLE_CONTROL ? control_on_message : arrivals_on_message, task);
    return greet(second, server, path, &hello, &welcome, error);
}

int connect_container(struct sp_task *task, uint32_t slots, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
    struct wire_message reply;

    ensure(slots > 0 && slots % unit_pages(task) == 0);
    message.container_create.slots = slots;
    if (channel_ask(&task->physmem, &message, -1, &reply) != 0)
        return error_set(error, EPIPE, "physmem is gone");
    if (reply.type != WIRE_CONTAINER || reply.error != 0)
        return error_set(error, reply.error != 0 ? (int)reply.error : EPROTO,
                         "physmem refuses a container of %u slots: %s", slots,
                         reply.type == WIRE_DONE ? reply.done.text : "unexpected answer");
    if (reply.container.extent_pages == 0 || reply.container.extent_pages > slots + 65536 ||
        reply.container.extent_pages % unit_pages(task) != 0)
        return error_set(error, EPROTO, "physmem has extents of %u pages",
                         reply.container.extent_pages);
    task->container = reply.container.container;
    task->extent_pages = reply.container.extent_pages;
    check(unit_pages(task) <= task->extent_pages);
    return 0;
}
