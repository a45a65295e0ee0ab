/* The greeting: the first message of every connection, and its answer. HELLO is filled in here and
 * nowhere else, and every client checks the answer here. */
#ifndef CLIENT_HELLO_H
#define CLIENT_HELLO_H

#include <stdint.h>

#include <selfpage/error.h>

#include "wire/message.h"

/* What a client says of itself when it connects. */
struct hello {
    enum wire_role role;
    uint32_t id;  /* of the first connection's WELCOME; 0 for a first connection */
    uint64_t key; /* the same */
    const char
        *name; /* cut to WIRE_NAME - 1 bytes; bytes that are not printable ASCII become '?' */
};

/* Make `message` the HELLO of `hello`, with seq 1. */
void hello_fill(struct wire_message *message, const struct hello *hello);

/* Check the answer to HELLO. `server` names the other side in texts: "physmem". Returns 0;
 *   -EPROTO  it speaks another version of the protocol, or answers something that is no answer
 *   others   the server's refusal, with the text that the server sent
 * `error` may be NULL. */
int hello_check(const struct wire_message *answer, const char *server, struct sp_error *error);

#endif
