/* A caller: one thread that asks a server and waits for the answer, with a deadline. For tools,
 * servers that start, benchmarks and tests; a caller is a link (client/link.h) that may wait.
 *
 *     static struct caller caller;
 *     struct hello hello = {.role = WIRE_ROLE_OBSERVER, .name = "tool"};
 *
 *     caller_init(&caller, "physmem", 10000);
 *     if (caller_open(&caller, path, &hello, &welcome, &error) == 0 &&
 *         caller_ask_for(&caller, &request, WIRE_OFFER, &reply, NULL, &error) == 0)
 *         ...
 *     caller_close(&caller);
 *
 * Functions return 0, or a negative errno:
 *   -EPIPE     the server has closed the connection
 *   -EPROTO    the server sent what no server sends; caller.link.problem says what
 *   -EMFILE    a descriptor came, and this process may have no more
 *   -ETIMEDOUT nothing came, or nothing could be sent, in timeout_ms
 *   -EINVAL    the message is not legal, and was not sent
 * After any but the last the caller can only be closed. Signals do not end a wait. */
#ifndef CLIENT_CALLER_H
#define CLIENT_CALLER_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "client/hello.h"
#include "client/link.h"
#include "wire/message.h"

/* A timeout_ms that never passes. */
#define CALLER_FOREVER (-1)

struct caller {
    struct link link;
    const char *server; /* "physmem", for texts; static */
    int timeout_ms;     /* of each wait */
    /* Messages that arrive while another one is awaited; the callee owns `consume_fd`, or it is -1.
     * NULL: they are dropped. Must not ask. */
    void (*on_other)(void *context, const struct wire_message *message, int consume_fd);
    void *context;
    unsigned char buffer[LINK_BUFFER];
};

/* A caller without a connection, and without on_other. */
void caller_init(struct caller *caller, const char *server, int timeout_ms);

/* Connect without a HELLO. `error` may be NULL, here and below; its text says what to do. */
int caller_connect(struct caller *caller, const char *path, struct sp_error *error);

/* Connect, send HELLO, and check the answer, which goes to *welcome (may be NULL). On failure
 * nothing is left open. Returns also the errors of link_connect and hello_check. */
int caller_open(struct caller *caller, const char *path, const struct hello *hello,
                struct wire_message *welcome, struct sp_error *error);

/* Close the connection, if there is one. The caller can be opened again. */
void caller_close(struct caller *caller);

/* Send bytes, and with the first of them a descriptor or -1. Receives meanwhile, as far as the
 * buffer goes, so that two full sockets do not wait for each other. */
int caller_send_bytes(struct caller *caller, const void *bytes, size_t size, int borrowed_fd);

/* Send a message as it is. */
int caller_send(struct caller *caller, const struct wire_message *message, int borrowed_fd);

/* Wait for the next message. *fdp is its descriptor, yours from now on, or -1; fdp may be NULL: the
 * descriptor is then closed. */
int caller_receive(struct caller *caller, struct wire_message *message, int *fdp);

/* The next message if it is there already; -EAGAIN if not. */
int caller_poll(struct caller *caller, struct wire_message *message, int *fdp);

/* Give `request` a number, send it, and wait for the reply with that number, which may report an
 * error of the server. */
int caller_ask(struct caller *caller, struct wire_message *request, int borrowed_fd,
               struct wire_message *reply, int *fdp);

/* Ask, and expect a reply of this type without an error. Returns also the error of the reply, and
 * -EPROTO for another type; the text names the request. *fdp is the descriptor that came
 * with it, yours, or -1 (also on failure); fdp may be NULL. */
int caller_ask_for(struct caller *caller, struct wire_message *request, enum wire_type expected,
                   struct wire_message *reply, int *fdp, struct sp_error *error);

#endif
