#include "selfpage/bench/hostile/rogue.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <selfpage/contract.h>

#include "os/extent.h"
#include "os/sock.h"

#define TIMEOUT_MS  30000
#define FLOOD_BYTES 65536u

static int open_as(struct caller *caller, const char *path, enum wire_role role, const char *name,
                   uint32_t id, uint64_t key, struct wire_message *welcome)
{
    const struct hello hello = {.role = role, .id = id, .key = key, .name = name};

    caller_init(caller, "the server", TIMEOUT_MS);
    return caller_open(caller, path, &hello, welcome, NULL);
}

int rogue_open(struct rogue *peer, const char *path, const char *name, bool control)
{
    struct wire_message welcome;
    int code;

    caller_init(&peer->control, "the server", TIMEOUT_MS);
    code = open_as(&peer->request, path, WIRE_ROLE_TASK, name, 0, 0, &welcome);
    if (code == 0 && control)
        code = open_as(&peer->control, path, WIRE_ROLE_CONTROL, name, welcome.welcome.id,
                       welcome.welcome.key, NULL);
    return code;
}

int rogue_observe(struct rogue *peer, const char *path)
{
    caller_init(&peer->control, "the server", TIMEOUT_MS);
    return open_as(&peer->request, path, WIRE_ROLE_OBSERVER, "hostile", 0, 0, NULL);
}

void rogue_close(struct rogue *peer)
{
    caller_close(&peer->request);
    caller_close(&peer->control);
}

int rogue_contract(struct rogue *peer, uint32_t frames, bool extra)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;

    message.propose.kind = extra ? SP_EXTRA : SP_GUARANTEED;
    message.propose.min = message.propose.frames = frames;
    message.propose.term_ns = SP_FOREVER;
    message.propose.t_clean = message.propose.t_drop = UINT64_C(1000000000);
    return caller_ask_for(&peer->request, &message, WIRE_OFFER, &reply, NULL, NULL);
}

int rogue_container(struct rogue *peer, uint32_t slots)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE}, reply;
    int code;

    message.container_create.slots = slots;
    code = caller_ask_for(&peer->request, &message, WIRE_CONTAINER, &reply, NULL, NULL);
    if (code == 0)
        peer->container = reply.container.container;
    return code;
}

int rogue_allocate(struct rogue *peer, uint32_t start, uint32_t count, unsigned flags)
{
    struct wire_message message = {.type = WIRE_ALLOCATE}, reply;

    message.allocate.container = peer->container;
    message.allocate.start = start;
    message.allocate.count = count;
    message.allocate.flags = (uint8_t)flags;
    return caller_ask_for(&peer->request, &message, WIRE_ALLOCATED, &reply, NULL, NULL);
}

static void keep_descriptor(void *context, const struct wire_message *message, int consume_fd)
{
    (void)message;
    if (consume_fd >= 0)
        *(int *)context = consume_fd;
}

int rogue_map(struct rogue *peer, uint32_t start, uint32_t count, struct wire_map *itemp)
{
    struct wire_message message = {.type = WIRE_MAP}, reply;
    int fd = -1, code;

    message.map.container = peer->container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = 3;
    peer->request.on_other = keep_descriptor;
    peer->request.context = &fd;
    code = caller_ask_for(&peer->request, &message, WIRE_MAPPED, &reply, NULL, NULL);
    peer->request.on_other = NULL;
    if (code == 0 && itemp != NULL && reply.mapped.items_count > 0)
        *itemp = reply.mapped.items[0];
    if (code == -EPERM)
        code = -EACCES; /* -1 is no descriptor */
    return code < 0 ? code : fd;
}

int rogue_give_extent(struct rogue *peer, uint32_t pages)
{
    struct wire_message message = {.type = WIRE_GIVE_EXTENT}, reply;
    int fd = extent_create("hostile", pages, NULL), code;

    if (fd < 0)
        return fd;
    message.give_extent.extent = 1;
    message.give_extent.pages = pages;
    code = caller_ask(&peer->request, &message, fd, &reply, NULL);
    if (code == 0 && reply.error != 0)
        code = -(int)reply.error;
    return code < 0 ? code : fd;
}

int rogue_reserve(struct rogue *peer, uint32_t slots)
{
    struct wire_message message = {.type = WIRE_RESERVE}, reply;

    message.reserve.add = slots;
    return caller_ask_for(&peer->request, &message, WIRE_RESERVED, &reply, NULL, NULL);
}

void rogue_flood(struct rogue *peer, const struct wire_message *message)
{
    static unsigned char bytes[FLOOD_BYTES];
    static struct wire_message answer;
    size_t size = 0, one;
    int code = 0;

    do {
        one = wire_encode(message, bytes + size, sizeof(bytes) - size);
        size += one;
    } while (one > 0 && size + one <= sizeof(bytes));
    while (code == 0) {
        code = caller_send_bytes(&peer->request, bytes, size, -1);
        while (code == 0 && caller_poll(&peer->request, &answer, NULL) == 0)
            continue;
    }
}
