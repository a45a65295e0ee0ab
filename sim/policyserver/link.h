/* The connection to physmem. It may wait while the program starts; after that, and while physmem does
 * not read, only for its socket to take a message: physmem never waits for this program. */
#ifndef POLICYSERVER_LINK_H
#define POLICYSERVER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "wire/message.h"

struct link {
    int fd; /* -1: not connected */
    uint32_t seq;
    int received_fd; /* came, and not announced yet; -1: none */
    size_t have;
    unsigned char buffer[2 * WIRE_MESSAGE_MAX];
};

void link_init(struct link *link);

/* Connect to the socket at `path`. Returns 0 or a negative errno with a text. */
int link_connect(struct link *link, const char *path, struct sp_error *error);
void link_fini(struct link *link);

/* Send a message, with a new number if `reply` is wanted. Returns 0; -EPIPE: physmem is gone. */
int link_send(struct link *link, struct wire_message *message, bool reply);

/* The next message that is there. *fdp is its descriptor, the caller's, or -1. Returns 1; 0: none is
 * complete; -EPIPE: physmem is gone; -EPROTO: what comes is no message. */
int link_receive(struct link *link, struct wire_message *message, int *fdp);

/* Wait until more has come. Returns 0 or a negative errno. */
int link_wait(struct link *link);

#endif
