/* Connections to physmem and swap, and the container. */
#include "task/api/connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "os/sock.h"
#include "task/effects/arrivals.h"
#include "task/entry/control.h"
#include "task/state/units.h"

static int hello(struct channel *channel, const char *server, const char *name, uint8_t role,
                 uint32_t id, uint64_t key, struct wire_message *welcome, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_HELLO};

    message.hello.version = WIRE_VERSION;
    message.hello.role = role;
    message.hello.id = id;
    message.hello.key = key;
    snprintf(message.hello.name, sizeof(message.hello.name), "%s", name);
    if (channel_ask(channel, &message, -1, welcome) != 0)
        return error_set(error, EPROTO,
                         "%s closed the connection at the greeting: its log says why (another "
                         "version of the protocol?)",
                         server);
    if (welcome->error != 0 || welcome->type != WIRE_WELCOME)
        return error_set(error, welcome->error != 0 ? (int)welcome->error : EPROTO, "%s: %s",
                         server,
                         welcome->type == WIRE_DONE && welcome->done.text[0] != '\0'
                             ? welcome->done.text
                             : strerror((int)welcome->error));
    if (welcome->welcome.version != WIRE_VERSION || welcome->welcome.page_size != SP_PAGE_SIZE)
        return error_set(error, EPROTO,
                         "%s speaks version %u of the protocol, with pages of %u "
                         "bytes; this library speaks %u, with %u",
                         server, welcome->welcome.version, welcome->welcome.page_size, WIRE_VERSION,
                         SP_PAGE_SIZE);
    return 0;
}

/* Open two connections to one server: the second joins the first. */
int connect_pair(struct sp_task *task, const char *server, const char *path,
                     struct channel *first, struct channel *second, uint8_t second_role,
                     struct sp_error *error)
{
    struct wire_message welcome;
    struct wire_message second_welcome;
    int result = sock_connect(path, error);

    if (result < 0)
        return result;
    channel_init(first, result, arrivals_on_message, task);
    result = hello(first, server, task->name, WIRE_ROLE_TASK, 0, 0, &welcome, error);
    if (result != 0)
        return result;
    if (first == &task->physmem)
        task->physmem_frames = welcome.welcome.total;
    result = sock_connect(path, error);
    if (result < 0)
        return result;
    channel_init(second, result,
                 second_role == WIRE_ROLE_CONTROL ? control_on_message : arrivals_on_message, task);
    return hello(second, server, task->name, second_role, welcome.welcome.id, welcome.welcome.key,
                 &second_welcome, error);
}

int connect_container(struct sp_task *task, uint32_t slots, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
    struct wire_message reply;

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
    return 0;
}
