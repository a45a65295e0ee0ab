/* A task as physmem sees one, without the library: it says what it is told to, and waits. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "client/caller.h"
#include "common.h"
#include "wire/message.h"

struct peer {
    struct caller request;
    struct caller control; /* nothing is read from it */
};

/* Connect to physmem, twice. */
void peer_open(struct bench *bench, struct peer *peer);

/* The same to the physmem at this socket. */
void peer_open_at(struct bench *bench, struct peer *peer, const char *path);
void peer_close(struct peer *peer);

/* Send a request and wait for its answer, which must be of this type and without an error.
 * Descriptors that come along are closed. */
void peer_ask(struct bench *bench, struct peer *peer, struct wire_message *message,
              enum wire_type expected, struct wire_message *reply);

/* What every task starts with: a guaranteed contract without an end, and a container. Returns the
 * container. */
uint32_t peer_contract(struct bench *bench, struct peer *peer, uint32_t frames, uint32_t slots);

/* Allocate all slots from `start` on, and map them for reading and writing if `map`. */
void peer_allocate(struct bench *bench, struct peer *peer, uint32_t container, uint32_t start,
                   uint32_t count, bool map);

/* Map one run of slots for reading and writing. Returns how many of them are mapped. */
uint32_t peer_map(struct bench *bench, struct peer *peer, uint32_t container, uint32_t start,
                  uint32_t count);

#endif
