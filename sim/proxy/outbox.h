/* Messages to physmem that its socket does not take at once. */
#ifndef PROXY_OUTBOX_H
#define PROXY_OUTBOX_H

#include <stdbool.h>

#include "client/link.h"

/* Messages that may wait; one more ends the connection. */
#define OUTBOX_MAX 256u

struct outbox_entry;

struct outbox {
    struct outbox_entry *first;
    struct outbox_entry *last;
    unsigned count;
};

/* Send a message, or keep it behind those that wait. Returns 0, or a negative errno: the link is of no
 * more use (-ENOBUFS: too many wait). */
int outbox_send(struct outbox *outbox, struct link *link, const struct wire_message *message);

/* Send what waits, as far as the socket takes it. Returns as outbox_send. */
int outbox_flush(struct outbox *outbox, struct link *link);

static inline bool outbox_waits(const struct outbox *outbox)
{
    return outbox->first != NULL;
}

void outbox_fini(struct outbox *outbox);

#endif
