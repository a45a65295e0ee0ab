/* What the files of this folder share. */
#ifndef IO_PRIVATE_H
#define IO_PRIVATE_H

#include "io/server.h"

/* Bytes of the server's receive buffer, and of its large output chunk. */
#define BUFFER_SIZE 65536u

_Static_assert(BUFFER_SIZE >= 2 * WIRE_MESSAGE_MAX, "an unfinished message and a whole one fit");

/* Factors of shares: see base/allotment.h. */
#define SHARE_CONNECTIONS 8u
#define SHARE_OUTPUT      4u

/* Causes of log lines. */
#define LOG_VIOLATION "violation"
#define LOG_SLOW      "not receiving"
#define LOG_FAILURE   "failure"
#define LOG_REFUSED   "refused"
#define LOG_ACCEPT    "accept"
#define LOG_SILENT    "silent"

/* ---- output.c ---- */

/* A piece of output, filled from the front and sent from the front. */
struct connection_chunk {
    struct connection_chunk *next;
    uint32_t capacity;
    uint32_t size; /* bytes that are filled, more than `sent` */
    uint32_t sent;
    int fd;     /* goes with the first byte; -1: none, or gone */
    bool large; /* the server's one of BUFFER_SIZE */
    uint8_t bytes[];
};

/* Make the server's large chunk, its `spare`. NULL: no memory. */
struct connection_chunk *output_large_new(void);

/* Room behind the output for `size` bytes without a descriptor, if there is some already, or all of the server's
 * large chunk is; NULL: not. output_count must say how many were filled: 0 if none. */
uint8_t *output_room(struct connection *connection, uint32_t size);
void output_count(struct connection *connection, uint32_t size);

/* Put an encoded message behind the output. `consume_fd` (-1: none) is taken over on success.
 * Returns 0 or -ENOMEM. */
int output_append(struct connection *connection, const uint8_t *bytes, uint32_t size,
                  int consume_fd);

/* Send as much as the socket takes. Returns 0 when all is sent, -EAGAIN when some is left, or the
 * error of sock_send. */
int output_offer(struct connection *connection);

/* Give the large chunk back, if it is among the output. */
void output_shrink(struct connection *connection);

/* Free all output, as if none had been queued. */
void output_discard(struct connection *connection);

/* ---- connection.c ---- */

/* Make and list a connection of `owner` (takes over one reference), whose handle is open and not
 * watched yet. NULL if there was no memory for it; the caller still owns `fd`. */
struct connection *connection_new(struct server *server, struct user *owner, int fd);

/* Watch for what the connection waits for: input, and if it is blocked, room for output. */
void connection_watch(struct connection *connection);

/* Have a user wait for its turn, behind those that wait already. */
void connection_defer_user(struct server *server, struct user *user);

/* Have the connection wait for its turn; it does not wait any more. */
void connection_defer(struct connection *connection);
void connection_undefer(struct connection *connection);

/* Flush every connection with output that has not been offered yet. */
void connection_flush_dirty(struct server *server);

/* Clear away connections that have ended, until `until_ns`, but at least one. */
void connection_clear_ended(struct server *server, uint64_t until_ns);

/* ---- input.c ---- */

/* Connections of a user have something to receive, or room for output. */
void input_on_ready(struct server *server, struct user *user);

/* Take over `consume_fd`, the socket of an accepted connection, and ask on_accept. On failure the
 * descriptor is closed and one line is logged. */
void input_open(struct server *server, int consume_fd);

/* A pass of the loop ends. */
void input_pass_end(struct server *server);

/* Give turns to connections that wait for them, for INPUT_PASS_NS. */
void input_turns(struct server *server);

/* Read connections of this user again that were paused. */
void input_resume(struct server *server, struct user *user);

/* Close the connections that nobody has greeted in time, for about INPUT_PASS_NS; true: more are due,
 * and others come first. */
bool input_close_silent(struct server *server);

#endif
