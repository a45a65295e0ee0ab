/* What one call on a device of compressed pages works with. */
#include "backend/compressed_worker.h"

#include <stdlib.h>

void compressed_worker_free(const struct compressed_device *device, struct worker *worker)
{
    if (worker->context != NULL)
        device->compressor->end(worker->context);
    free(worker->bytes);
    free(worker);
}

static struct worker *worker_new(const struct compressed_device *device)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    worker->context = device->compressor->begin(device->value);
    worker->bytes = aligned_alloc(SWAP_PAGE, (size_t)COMPRESSED_CHUNK * SWAP_PAGE);
    if (worker->context != NULL && worker->bytes != NULL)
        return worker;
    compressed_worker_free(device, worker);
    return NULL;
}

struct worker *compressed_worker_take(struct compressed_device *device)
{
    struct worker *worker;

    pthread_mutex_lock(&device->lock);
    worker = device->idle;
    if (worker != NULL)
        device->idle = worker->next;
    pthread_mutex_unlock(&device->lock);
    return worker != NULL ? worker : worker_new(device);
}

void compressed_worker_give(struct compressed_device *device, struct worker *worker)
{
    pthread_mutex_lock(&device->lock);
    worker->next = device->idle;
    device->idle = worker;
    pthread_mutex_unlock(&device->lock);
}
