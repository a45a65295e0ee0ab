/* Connections to the swap server: a message goes out at once, or when the socket takes it; those that arrive go to the
 * owner, one by one. Nothing here waits.
 *
 * A connection outlives its owner's use of it until libuv has let go of it. */
#ifndef PHYSMEM_SWAP_LINE_H
#define PHYSMEM_SWAP_LINE_H

#include <uv.h>

#include "client/link.h"

struct swap_line;

/* What all connections share. The owner of one may close it in each of these. */
struct swap_lines {
    uv_loop_t *loop;
    const char *path; /* of the swap server's socket; it need not be there yet */
    /* A message has come. Returns 0, or an errno value: the connection is of no use. */
    int (*on_message)(void *owner, const struct wire_message *message);
    /* The connection is over, for an errno value; the owner closes it. */
    void (*on_lost)(void *owner, int error);
    struct wire_message message; /* that has come; large */
};

/* Connect. Returns 0, or a negative errno: -EPIPE: there is no server; -EAGAIN: it does not take one now; -ENOMEM. */
int swap_line_open(struct swap_lines *lines, void *owner, struct swap_line **linep);

/* The number of the next request. */
uint32_t swap_line_next_seq(struct swap_line *line);

/* Send a message, now or later. A connection that takes nothing any more is found out when it is read. */
void swap_line_send(struct swap_line *line, const struct wire_message *message, int borrowed_fd);

/* Close a connection: its owner hears nothing more. What was not sent is not. To be called from the loop. */
void swap_line_close(struct swap_line *line);

#endif
