#include "outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

struct outbox_entry {
    struct outbox_entry *next;
    struct wire_message message;
};

static void drop_first(struct outbox *outbox)
{
    struct outbox_entry *first = outbox->first;

    ensure(outbox->count > 0);
    outbox->first = first->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->count--;
    free(first);
}

int outbox_send(struct outbox *outbox, struct link *link, const struct wire_message *message)
{
    struct outbox_entry *entry;
    int code = outbox_waits(outbox) ? -EAGAIN : link_send(link, message, -1);

    if (code != -EAGAIN)
        return code;
    if (outbox->count == OUTBOX_MAX)
        return -ENOBUFS;
    entry = malloc(sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    entry->next = NULL;
    entry->message = *message;
    if (outbox->last != NULL)
        outbox->last->next = entry;
    else
        outbox->first = entry;
    outbox->last = entry;
    outbox->count++;
    return 0;
}

int outbox_flush(struct outbox *outbox, struct link *link)
{
    int code = 0;

    while (outbox_waits(outbox) && (code = link_send(link, &outbox->first->message, -1)) == 0)
        drop_first(outbox);
    return code == -EAGAIN ? 0 : code;
}

void outbox_fini(struct outbox *outbox)
{
    while (outbox_waits(outbox))
        drop_first(outbox);
}
