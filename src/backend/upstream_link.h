/* The connection of a swap server to another one, which it is a client of, and the slots that it has there: what
 * upstream.c stands on. */
#ifndef BACKEND_UPSTREAM_LINK_H
#define BACKEND_UPSTREAM_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "client/channel.h"

/* Calls at a time, and pages of each. */
#define UPSTREAM_BUFFERS 8u
#define UPSTREAM_CHUNK   64u
_Static_assert(UPSTREAM_CHUNK <= WIRE_BATCH, "a chunk is one message");

/* Instead of a slot. */
#define UPSTREAM_NONE UINT32_MAX       /* the page was never written, or is not wanted */
#define UPSTREAM_LOST (UINT32_MAX - 2) /* it went with the upper server that had it */

struct upstream {
    const char *path;
    uint32_t pages;
    uint64_t patience_ns;   /* the user's */
    struct channel channel; /* between calls of `connect`, any thread with a buffer asks */
    int extent[UPSTREAM_BUFFERS];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool connected;
    bool connecting; /* a thread is at it */
    bool busy[UPSTREAM_BUFFERS];
    uint32_t in_flight; /* calls that have a buffer */
    bool unsure;        /* the upper server may have slots for us that we do not know */
    uint64_t key;       /* of this client there; 0: it was never connected */
    uint32_t id;
    uint32_t total; /* slots of the upper server */
    uint64_t reconnects;
    uint32_t *slot;  /* of each page */
    uint32_t *freed; /* slots that are not wanted */
    uint32_t freed_count;
};

/* Connect for the first time, and reserve `pages` slots. `path` is borrowed. upstream_link_close follows in any
 * case. Returns 0, or a negative errno with a text. Without signals, as all of this: see channel.h. */
int upstream_link_open(struct upstream *upstream, const char *path, uint32_t pages,
                       struct sp_error *error);
void upstream_link_close(struct upstream *upstream);

/* Wait for a connection and a buffer, until `deadline` (clock_now_ns) at most. Returns the buffer's number, or
 * -EIO. With the lock, as the next three. */
int upstream_link_begin(struct upstream *upstream, uint64_t deadline);

/* Give a buffer back. */
void upstream_link_end(struct upstream *upstream, int buffer);

/* A page's slot is not wanted any more. */
void upstream_link_drop(struct upstream *upstream, uint32_t page);

/* Send a FREE of all such slots; nobody waits for the answer. Returns 0 or -EPIPE. */
int upstream_link_free(struct upstream *upstream);

/* Ask for something whose answer is `expected` or DONE; it takes the message's place. Without the lock. Returns 0,
 * -EPIPE, or another negative errno. */
int upstream_link_ask(struct upstream *upstream, struct wire_message *message, int borrowed_fd,
                      enum wire_type expected);

#endif
