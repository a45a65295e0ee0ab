/* Requests about containers that tasks share, in raw messages. Nothing here asserts, so that a process without
 * cmocka can use it, too. Each function returns the error of the reply, 0 for none, or the errno of the
 * connection. */
#ifndef TEST_SHARING_H
#define TEST_SHARING_H

#include "physmem_peer.h"

/* Descriptors of extents that a peer keeps, by the lowest bits of the extents' numbers. */
#define SHARING_FDS 16

uint32_t sharing_call(struct physmem_peer *peer, struct wire_message *message,
                      struct wire_message *reply);

/* Share the container made last; reply->shared has the number and the token. */
uint32_t sharing_share(struct physmem_peer *owner, uint8_t rights, uint64_t lock_ns,
                       struct wire_message *reply);
uint32_t sharing_adopt(struct physmem_peer *peer, uint32_t container, uint64_t token);

/* Lock, and have the owner asked for its rights. */
uint32_t sharing_lock(struct physmem_peer *peer, uint32_t container, uint64_t lock_ns,
                      struct wire_message *reply);
uint32_t sharing_unlock(struct physmem_peer *peer, uint32_t container, struct wire_message *reply);

/* Copy `count` slots in one piece. */
uint32_t sharing_copy(struct physmem_peer *peer, uint32_t from, uint32_t first, uint32_t to,
                      uint32_t slot, uint32_t count);

/* Give up the rights to slots of the container made last. */
uint32_t sharing_unmap(struct physmem_peer *peer, uint32_t start, uint32_t count);

/* Map one slot of it; descriptors that come are kept in `fds`, where 0 is none. EBADF: none came for it. */
uint32_t sharing_map(struct physmem_peer *peer, uint32_t slot, uint8_t access, int fds[SHARING_FDS],
                     struct wire_map *item);

#endif
