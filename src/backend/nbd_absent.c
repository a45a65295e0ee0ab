/* What stands for nbd_queue.c in a build without libnbd. */
#include <errno.h>
#include <stddef.h>

#include "backend/nbd_queue.h"
#include "base/assert.h"
#include "base/error.h"

int nbd_queue_open(struct nbd_queue **queuep, const char *uri, double settle, uint32_t retries,
                   struct nbd_export *export, struct sp_error *error)
{
    (void)queuep;
    (void)settle;
    (void)retries;
    (void)export;
    return error_set(
        error, ENOSYS,
        "%s: this server was built without libnbd: install libnbd-dev, and build it again", uri);
}

/* Nothing is ever open. */
int nbd_queue_transfer(struct nbd_queue *queue, enum nbd_request_kind kind, uint64_t offset,
                       uint32_t bytes, void *data)
{
    (void)queue;
    (void)kind;
    (void)offset;
    (void)bytes;
    (void)data;
    return -ENOSYS;
}

void nbd_queue_count(struct nbd_queue *queue, uint64_t *reconnects, uint32_t *in_flight)
{
    (void)queue;
    *reconnects = 0;
    *in_flight = 0;
}

void nbd_queue_close(struct nbd_queue *queue)
{
    ensure(queue == NULL);
}
