/* A task that is driven message by message, and waits for each answer. */
#ifndef SELFPAGE_BENCH_PEER_H
#define SELFPAGE_BENCH_PEER_H

#include <selfpage/error.h>

#include "client/caller.h"
#include "wire/message.h"

/* How long it waits for physmem. */
#define BENCH_PEER_PATIENCE_MS 60000

struct bench_peer {
    struct caller request, control;
    uint32_t container;
};

/* A peer without connections. */
void bench_peer_init(struct bench_peer *peer);

/* Open both connections. `message` is used for what is sent and received. Returns 0, or a negative
 * errno with a text; close the peer in any case. */
int bench_peer_connect(struct bench_peer *peer, const char *path, struct wire_message *message,
                       struct sp_error *error);

/* The same, and make a container of so many slots. */
int bench_peer_open(struct bench_peer *peer, const char *path, uint32_t slots,
                    struct wire_message *message, struct sp_error *error);

void bench_peer_close(struct bench_peer *peer);

#endif
