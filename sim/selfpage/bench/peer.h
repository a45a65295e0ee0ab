/* A task that is driven message by message, and waits for each answer. */
#ifndef SELFPAGE_BENCH_PEER_H
#define SELFPAGE_BENCH_PEER_H

#include <selfpage/error.h>

#include "wire/message.h"

struct bench_peer {
    int request, control; /* -1: not open */
    uint32_t seq;
    uint32_t container;
};

/* Wait on this socket as long as it takes, but not for ever. Returns 0 or a negative errno. */
int bench_peer_patience(int fd);

/* Connect to physmem in a role; `message` has the id and key for a control connection, and then the
 * WELCOME. Returns the descriptor, which blocks, or a negative errno. */
int bench_peer_hello(const char *path, enum wire_role role, struct wire_message *message,
                     struct sp_error *error);

/* A task with both connections, and a container of so many slots. */
int bench_peer_open(struct bench_peer *peer, const char *path, uint32_t slots,
                    struct wire_message *message, struct sp_error *error);

/* Send these bytes, or one message; receive the next one. */
int bench_peer_send_bytes(int fd, const void *bytes, size_t size, struct sp_error *error);
int bench_peer_send(int fd, const struct wire_message *message, struct sp_error *error);
int bench_peer_receive(int fd, struct wire_message *message, struct sp_error *error);

/* Make a request over `request`, and have its answer in `message`; the caller fills in the body. An
 * error in the answer is an error here. */
int bench_peer_call(struct bench_peer *peer, struct wire_message *message, enum wire_type type,
                    struct sp_error *error);

void bench_peer_close(struct bench_peer *peer);

#endif
