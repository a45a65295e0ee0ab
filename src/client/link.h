/* A link: the client's end of a connection to physmem or swap. Bytes that arrive become messages,
 * and each message gets the descriptor that it announces.
 *
 * Every client in this tree stands on this file. Nothing here waits, allocates or takes a lock, so
 * that it can be used in a fault handler and under any event loop. On top of it stand
 *   caller.h             one thread asks and waits for the answer, with a deadline
 *   channel.h            many threads, some of them in fault handlers, ask over one link
 *   observer/observer.h  reads counters
 *
 *     struct link link;
 *     static unsigned char buffer[LINK_BUFFER];
 *     int fd = link_connect(path, &error);
 *
 *     link_init(&link, fd, buffer, sizeof(buffer));
 *     link_send(&link, &message, -1);                    // whenever
 *     while ((result = link_next(&link, &message, &fd)) > 0)
 *         ...                                            // whenever link.fd is readable
 *     if (result < 0)
 *         ...                                            // the link is of no more use: link_close
 *
 * ERRORS. -EPIPE: the server has closed the connection. -EPROTO: the server sent what no server
 * sends; link.problem says what it was. -EMFILE: a descriptor came, and this process may have no
 * more; it is lost. After any of these the link can only be closed.
 *
 * Descriptors of a link are close-on-exec, and never 0, 1 or 2 (see os/descriptor.h). A link is
 * used by one thread at a time. Everything but link_connect is async-signal-safe. */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "wire/message.h"

/* Descriptors that may have arrived before the messages that announce them were complete. */
#define LINK_FDS 8u

/* Bytes of a good buffer: a message that is not complete, and one more. */
#define LINK_BUFFER (2u * WIRE_MESSAGE_MAX)

struct link {
    int fd;              /* of the socket; -1: none */
    uint32_t seq;        /* the last that link_next_seq gave */
    const char *problem; /* after -EPROTO: "it sent ...", static */
    unsigned char *in;   /* bytes received; those from `in_from` to `in_have` are not handled yet */
    size_t in_size;
    size_t in_from;
    size_t in_have;
    uint32_t fds_count;
    int fds[LINK_FDS]; /* received, and not announced yet, in order */
};

/* Connect to the socket at `path`. Waits while the server's backlog is full. Returns a descriptor
 * for link_init, or a negative errno with a text as sock_connect. Not for signal handlers. */
int link_connect(const char *path, struct sp_error *error);

/* Take over a connected socket (-1: none yet), and borrow a buffer of `size` bytes, at least
 * WIRE_MESSAGE_MAX, until link_close or link_lend. */
void link_init(struct link *link, int consume_fd, unsigned char *buffer, size_t size);

/* Close the socket and what was received and not taken. May be called again. */
void link_close(struct link *link);

/* Borrow another buffer instead of the one there was, and move what is not handled into it. `size`
 * is at least link_pending(link). This way many links share one buffer: each is lent it to receive,
 * and a small one of its own while part of a message is left over. */
void link_lend(struct link *link, unsigned char *buffer, size_t size);

/* Bytes that were received and are not handled. */
size_t link_pending(const struct link *link);

/* A number for a request: never 0. */
uint32_t link_next_seq(struct link *link);

/* Send a message at once, and with it a descriptor or -1. Returns 0; -EINVAL: the message is not
 * legal; -EAGAIN: the socket takes nothing now; -EPIPE, also if the socket took a part: the server
 * does not receive. */
int link_send(struct link *link, const struct wire_message *message, int borrowed_fd);

/* Receive once. Returns the number of bytes; 0: nothing is there now; -ENOBUFS: the buffer is full,
 * take messages first; or an error (see ERRORS). */
int link_pull(struct link *link);

/* Take the next message out of the buffer. *fdp is its descriptor, the caller's from now on, or -1.
 * Returns 1; 0: no message is complete; -EPROTO. */
int link_take(struct link *link, struct wire_message *message, int *fdp);

/* The next message that is there: link_take, and link_pull as long as it helps. Returns 1; 0:
 * nothing more is there now; or an error (see ERRORS). */
int link_next(struct link *link, struct wire_message *message, int *fdp);

#endif
