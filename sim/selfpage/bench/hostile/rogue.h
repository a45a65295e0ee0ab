/* A client that may do wrong. All calls end this process if the server does not answer as it must to
 * let the attack begin: an attack that cannot be tried proves nothing. */
#ifndef SELFPAGE_BENCH_HOSTILE_ROGUE_H
#define SELFPAGE_BENCH_HOSTILE_ROGUE_H

#include <stddef.h>
#include <stdint.h>

#include "client/caller.h"

/* A task with both its connections. */
struct rogue {
    struct caller request;
    struct caller control;
    uint32_t container;
};

/* Connect as a task, with a control connection if `control`; or as an observer. Returns 0 or a
 * negative errno: a refusal is an answer. */
int rogue_open(struct rogue *peer, const char *path, const char *name, bool control);
int rogue_observe(struct rogue *peer, const char *path);
void rogue_close(struct rogue *peer);

/* A contract for `frames` frames (extra: not guaranteed), and a container of `slots` slots. */
int rogue_contract(struct rogue *peer, uint32_t frames, bool extra);
int rogue_container(struct rogue *peer, uint32_t slots);
int rogue_allocate(struct rogue *peer, uint32_t start, uint32_t count, unsigned flags);

/* Map slots. Returns the descriptor of the extent if it is a new one, else -1; or a negative errno
 * below -1. `*itemp` (may be NULL) is the first piece. */
int rogue_map(struct rogue *peer, uint32_t start, uint32_t count, struct wire_map *itemp);

/* An extent for swap, given under the number 1. Returns its descriptor or a negative errno. */
int rogue_give_extent(struct rogue *peer, uint32_t pages);
int rogue_reserve(struct rogue *peer, uint32_t slots);

/* Send `message` again and again, 64 KiB at a time, until the server ends the connection. Answers are
 * read and dropped. */
void rogue_flood(struct rogue *peer, const struct wire_message *message);

#endif
