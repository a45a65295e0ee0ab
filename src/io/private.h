/* What the files of this folder share. */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "io/server.h"

/* Bytes of the server's receive buffer, and of its large output chunk. */
#define BUFFER_SIZE 65536u

_Static_assert(BUFFER_SIZE >= 2 * WIRE_MESSAGE_MAX, "an unfinished message and a whole one fit");

/* Causes of log lines. */
#define LOG_VIOLATION "violation"
#define LOG_SLOW      "not receiving"
#define LOG_FAILURE   "failure"
#define LOG_REFUSED   "refused"
#define LOG_ACCEPT    "accept"

/* A piece of output, filled from the front and sent from the front. */
struct connection_chunk {
    struct connection_chunk *next;
    uint32_t capacity;
    uint32_t size; /* bytes that are filled, more than `sent` */
    uint32_t sent;
    int fd; /* goes with the first byte; -1: none, or gone */
    uint8_t bytes[];
};

/* An empty chunk, or NULL. */
struct connection_chunk *chunk_new(uint32_t capacity);

/* Take over `consume_fd`, the socket of an accepted connection, and ask on_accept. On failure the
 * descriptor is closed and one line is logged. */
void connection_open(struct server *server, int consume_fd);

/* Watch for what the connection waits for: input, and if it is blocked, room for output. */
void connection_watch(struct connection *connection);

/* Send as much as the socket takes. Returns 0 when all is sent, -EAGAIN when some is left, or the
 * error of sock_send. */
int output_offer(struct connection *connection);

/* Free all output and forget that there was any. */
void output_discard(struct connection *connection);

/* Flush every connection with output that has not been offered yet. */
void output_flush_all(struct server *server);

#endif
