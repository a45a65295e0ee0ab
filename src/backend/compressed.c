/* A device of compressed pages in front of another one: its life, and its table of functions. */
#include "backend/compressed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/compressed_pages.h"
#include "backend/compressed_records.h"
#include "backend/compressed_worker.h"
#include "base/assert.h"
#include "base/error.h"

int compressed_write(void *device, uint32_t page, uint32_t count, const void *pages)
{
    return compressed_pages_write(device, page, count, pages);
}

int compressed_read(void *device, uint32_t page, uint32_t count, void *pages)
{
    return compressed_pages_read(device, page, count, pages);
}

void compressed_discard(void *device, uint32_t page, uint32_t count)
{
    compressed_pages_discard(device, page, count);
}

int compressed_head_write(void *devicep, uint64_t offset, const void *bytes, uint32_t count)
{
    struct compressed_device *device = devicep;
    int code;

    pthread_mutex_lock(&device->head_lock);
    code = device->below.backend->head_write(device->below.device, device->own_head + offset, bytes,
                                             count);
    pthread_mutex_unlock(&device->head_lock);
    return code;
}

int compressed_head_read(void *devicep, uint64_t offset, void *bytes, uint32_t count)
{
    struct compressed_device *device = devicep;
    int code;

    pthread_mutex_lock(&device->head_lock);
    code = device->below.backend->head_read(device->below.device, device->own_head + offset, bytes,
                                            count);
    pthread_mutex_unlock(&device->head_lock);
    return code;
}

int compressed_sync(void *devicep)
{
    struct compressed_device *device = devicep;
    int code;

    pthread_mutex_lock(&device->sync_lock);
    code = device->below.backend->sync(device->below.device);
    if (device->sync_broken && code == 0)
        code = -EIO;
    device->sync_broken = false;
    pthread_mutex_unlock(&device->sync_lock);
    return code;
}

void compressed_close(void *devicep)
{
    struct compressed_device *device = devicep;

    while (device->idle != NULL) {
        struct worker *worker = device->idle;

        device->idle = worker->next;
        compressed_worker_free(device, worker);
    }
    below_close(&device->below);
    space_fini(&device->space);
    pthread_cond_destroy(&device->compacted);
    pthread_mutex_destroy(&device->lock);
    pthread_mutex_destroy(&device->sync_lock);
    pthread_mutex_destroy(&device->head_lock);
    free(device);
}

/* The device below need not keep a block that is free. The lock is held, so that nobody takes the block in between.
 * */
static void block_discard(void *context, uint32_t block)
{
    const struct compressed_device *device = context;

    below_discard(&device->below, block, 1);
}

/* Open what is below, and read its header if it existed. */
static int inner_open(struct compressed_device *device, const struct swap_backend_wish *wish,
                      struct sp_error *error)
{
    struct swap_backend_wish inner = *wish;
    uint32_t ratio = (uint32_t)device->value[0];
    uint32_t blocks = (wish->pages - 1) / ratio + 1 + (ratio > 1);
    int code = space_init(&device->space, wish->pages, blocks);

    if (code < 0)
        return error_set(error, ENOMEM, "no memory for the books of %u pages", wish->pages);
    device->kept_back = ratio > 1;
    device->own_head = wish->keep ? compressed_records_bytes(wish->pages) : 0;
    inner.head = device->own_head + wish->head;
    code = below_open(&device->below, &inner, below_device(wish->place), blocks, error);
    if (code == 0) {
        device->space.on_free = block_discard;
        device->space.context = device;
    }
    return code == 0 && device->below.facts.existed ? compressed_records_judge(device, error)
                                                    : code;
}

int compressed_open(void **devicep, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error,
                    const struct compressor *compressor)
{
    struct compressed_device *device = calloc(1, sizeof(*device));
    int code;

    ensure(strlen(compressor->name) < COMPRESSED_NAME && wish->pages >= 1);
    if (device == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    device->compressor = compressor;
    device->pages = wish->pages;
    device->keep = wish->keep;
    device->sync = wish->sync;
    pthread_mutex_init(&device->head_lock, NULL);
    pthread_mutex_init(&device->sync_lock, NULL);
    pthread_mutex_init(&device->lock, NULL);
    pthread_cond_init(&device->compacted, NULL);
    code = below_options(compressor->name, compressor->params, wish->place, device->value, error);
    if (code == 0)
        code = inner_open(device, wish, error);
    if (code < 0) {
        compressed_close(device);
        return code;
    }
    *facts = device->below.facts;
    *devicep = device;
    return 0;
}

int compressed_finish(void *devicep, struct swap_backend_facts *facts, struct sp_error *error)
{
    struct compressed_device *device = devicep;
    int code = 0;

    if (device->keep)
        code = device->below.facts.existed ? compressed_records_load(device, error)
                                           : compressed_records_create(device, error);
    if (code == 0)
        code = below_finish(&device->below, error);
    if (code < 0)
        return code;
    *facts = device->below.facts;
    snprintf(device->how, sizeof(device->how), "%s, %s", device->compressor->name,
             device->below.facts.how);
    facts->how = device->how;
    facts->waits = true; /* compressing a request takes longer than others should wait */
    return 0;
}

void compressed_count(void *devicep, struct swap_backend_counts *counts)
{
    struct compressed_device *device = devicep;

    pthread_mutex_lock(&device->lock);
    counts->compressed += device->space.pages_used - device->space.pages_whole;
    counts->incompressible += device->space.pages_whole;
    counts->packed += device->space.granules_used * SPACE_GRANULE;
    counts->compactions += device->compactions;
    pthread_mutex_unlock(&device->lock);
    below_count(&device->below, counts);
}
