#include "sharing.h"

#include <errno.h>
#include <unistd.h>

uint32_t sharing_call(struct physmem_peer *peer, struct wire_message *message,
                      struct wire_message *reply)
{
    int result = wire_client_call(&peer->request, message, -1, reply);

    return result != 0 ? (uint32_t)-result : reply->error;
}

uint32_t sharing_share(struct physmem_peer *owner, uint8_t rights, uint64_t lock_ns,
                       struct wire_message *reply)
{
    struct wire_message message = {.type = WIRE_SHARE};

    message.share.container = owner->container;
    message.share.rights = rights;
    message.share.lock_ns = lock_ns;
    return sharing_call(owner, &message, reply);
}

uint32_t sharing_adopt(struct physmem_peer *peer, uint32_t container, uint64_t token)
{
    struct wire_message message = {.type = WIRE_ADOPT}, reply;

    message.adopt.container = container;
    message.adopt.token = token;
    return sharing_call(peer, &message, &reply);
}

uint32_t sharing_lock(struct physmem_peer *peer, uint32_t container, uint64_t lock_ns,
                      struct wire_message *reply)
{
    struct wire_message message = {.type = WIRE_LOCK};

    message.lock.container = container;
    message.lock.lock_ns = lock_ns;
    message.lock.unmap = WIRE_YES;
    return sharing_call(peer, &message, reply);
}

uint32_t sharing_unlock(struct physmem_peer *peer, uint32_t container, struct wire_message *reply)
{
    struct wire_message message = {.type = WIRE_UNLOCK};

    message.unlock.container = container;
    return sharing_call(peer, &message, reply);
}

uint32_t sharing_copy(struct physmem_peer *peer, uint32_t from, uint32_t first, uint32_t to,
                      uint32_t slot, uint32_t count)
{
    struct wire_message message = {.type = WIRE_COPY}, reply;

    message.copy.from = from;
    message.copy.to = to;
    message.copy.pieces_count = 1;
    message.copy.pieces[0] = (struct wire_piece){first, slot, count};
    return sharing_call(peer, &message, &reply);
}

uint32_t sharing_unmap(struct physmem_peer *peer, uint32_t start, uint32_t count)
{
    struct wire_message message = {.type = WIRE_UNMAP_OWN}, reply;

    message.unmap_own.container = peer->container;
    message.unmap_own.ranges_count = 1;
    message.unmap_own.ranges[0] = (struct wire_range){start, count};
    return sharing_call(peer, &message, &reply);
}

uint32_t sharing_map(struct physmem_peer *peer, uint32_t slot, uint8_t access, int fds[SHARING_FDS],
                     struct wire_map *item)
{
    struct wire_message message = {.type = WIRE_MAP}, reply, other;
    uint32_t error;
    int fd;

    message.map.container = peer->container;
    message.map.start = slot;
    message.map.count = 1;
    message.map.rights = access;
    error = sharing_call(peer, &message, &reply);
    if (error != 0)
        return error;
    if (reply.mapped.items_count != 1)
        return EPROTO;
    *item = reply.mapped.items[0];
    while (wire_client_poll(&peer->request, &other, &fd) == 0)
        if (other.type == WIRE_EXTENT) {
            int *place = &fds[other.extent.extent % SHARING_FDS];

            if (*place > 0)
                close(*place);
            *place = fd;
        }
    return fds[item->extent % SHARING_FDS] > 0 ? 0 : EBADF;
}
