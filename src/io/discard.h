/* Closing descriptors that somebody else has sent, or that may hold such ones. */
#ifndef IO_DISCARD_H
#define IO_DISCARD_H

#include "io/server.h"

/* While this many descriptors of a user are being closed, its connections are not read; the server
 * reads them again when half of the descriptors are closed. */
#define DISCARD_MAX 256u

/* Have `consume_fd`, which came from this user, closed in an errand. Only without memory for one it
 * is closed here. */
void discard_descriptor(struct server *server, struct user *user, int consume_fd);

/* Have the socket of a connection closed in an errand, with what is still queued in it, and the
 * connection freed. */
void discard_connection(struct connection *connection);

#endif
