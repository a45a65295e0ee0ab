/* Control of the swap server: a policy server says which clients may have how many slots, and how much of the bandwidth of
 * paging (core/contracts/limit.h).
 *
 * One policy server at a time has control; it is of the server's own user, or root. It can hand control over to a
 * successor that waits, which also has it when the holder is gone. What was said last stands until another policy server
 * says something else. */
#ifndef SWAP_CONTROL_H
#define SWAP_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/contracts/limit.h"
#include "io/server.h"
#include "io/succession.h"
#include "wire/message.h"

struct swap_service;

struct swap_control {
    struct succession succession;
    struct limit *limit; /* that stand */
    uint32_t limits;
    struct limit *coming; /* of a set that is not complete yet: LIMITS_MAX, or NULL */
    uint32_t comings;
    bool coming_lost; /* there were more, or no memory */
};

/* Whether the peer may be a policy server. */
bool control_may(const struct connection *connection);

/* A message from a policy server. One that is not for swap ends the connection. Returns whether clients may have something
 * else now: service_look. */
bool control_message(struct swap_service *service, struct connection *connection,
                     const struct wire_message *message);

/* The connection of a policy server has closed. */
void control_closed(struct swap_service *service, struct connection *connection);

void control_fini(struct swap_control *control);

#endif
