/* Closing descriptors that somebody else has sent, or that may hold such ones. */
#ifndef IO_DISCARD_H
#define IO_DISCARD_H

#include "io/server.h"

/* While this many descriptors of a user are being closed, its connections are not read; the server
 * reads them again when half of the descriptors are closed. */
#define DISCARD_MAX 256u

/* Have descriptors that came from this user closed in errands. Only without memory for these they are
 * closed here. */
void discard_descriptors(struct server *server, struct user *user, const int *consume_fds,
                         unsigned count);

/* Have the socket of a connection closed in an errand, with what is still queued in it, and the
 * connection freed. */
void discard_connection(struct connection *connection);

#endif
