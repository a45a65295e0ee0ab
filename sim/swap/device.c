/* Opening and closing the device in the order that backends want; transfers go straight to the backend. */
#include "device.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* Write the head of a new device, or read that of an old one. */
static int head_begin(struct swap_device *device, const char *place, struct sp_error *error)
{
    check(device->index == NULL);
    return device->facts.existed ? swap_index_load(&device->index, device->backend, device->state,
                                                   device->slots, place, error)
                                 : swap_index_create(&device->index, device->backend, device->state,
                                                     device->slots, place, error);
}

/* Blocks written so far, such as the header, are never written again: they must be durable before anything is
 * acknowledged. */
static int first_sync(const struct swap_device *device, const char *name, struct sp_error *error)
{
    int code;

    check(device->sync && device->backend->sync != NULL);
    code = device->backend->sync(device->state);
    if (code < 0)
        return error_set(error, -code, "cannot sync %s: %s", name, strerror(-code));
    return 0;
}

int swap_device_open(struct swap_device *device, const struct swap_options *options,
                     struct sp_error *error)
{
    struct swap_backend_wish wish = {
        .place = options->file,
        .pages = options->slots,
        .head = options->keep ? swap_index_data_offset(options->slots) : 0,
        .keep = options->keep,
        .sync = options->sync,
        .existing = options->list_clients || options->drop_client != 0,
        .mode = options->mode,
        .find = options->find != NULL ? options->find : backend_registry_find,
    };
    int code;

    *device = (struct swap_device){
        .backend = options->backend, .slots = options->slots, .sync = options->sync};
    code = device->backend->open(&device->state, &wish, &device->facts, error);
    if (code < 0) {
        device->state = NULL;
        return code;
    }
    check(device->state != NULL || device->backend != NULL);
    pthread_mutex_init(&device->lock, NULL);
    pthread_cond_init(&device->ended, NULL);
    if (options->keep)
        code = head_begin(device, options->file, error);
    if (code == 0)
        code = device->backend->finish(device->state, &device->facts, error);
    if (code == 0 && options->sync)
        code = first_sync(device, options->device, error);
    if (code < 0)
        swap_device_close(device);
    return code;
}

void swap_device_close(struct swap_device *device)
{
    swap_index_free(&device->index);
    if (device->state == NULL)
        return;
    device->backend->close(device->state);
    device->state = NULL;
    check(device->index == NULL);
    pthread_cond_destroy(&device->ended);
    pthread_mutex_destroy(&device->lock);
}

int swap_device_write(const struct swap_device *device, void *place, uint32_t slot, uint32_t count,
                      const void *pages)
{
    check(count > 0 && slot < device->slots && count <= device->slots - slot);
    return device->backend->write(place, slot, count, pages);
}

int swap_device_read(const struct swap_device *device, void *place, uint32_t slot, uint32_t count,
                     void *pages)
{
    check(count > 0 && slot < device->slots && count <= device->slots - slot);
    return device->backend->read(place, slot, count, pages);
}

int swap_device_descriptor(const struct swap_device *device, const void *place, uint64_t *at)
{
    check(place != NULL);
    return device->backend->descriptor != NULL ? device->backend->descriptor(place, at) : -1;
}

void swap_device_discard(const struct swap_device *device, uint32_t slot, uint32_t count)
{
    check(slot < device->slots && count <= device->slots - slot);
    if (device->backend->discard != NULL)
        device->backend->discard(device->state, slot, count);
}

struct swap_backend_counts swap_device_counts(const struct swap_device *device)
{
    struct swap_backend_counts counts = {0};

    if (device->backend->count != NULL)
        device->backend->count(device->state, &counts);
    return counts;
}

uint64_t swap_device_epoch(struct swap_device *device)
{
    uint64_t epoch;

    pthread_mutex_lock(&device->lock);
    check(device->syncs_failed <= device->syncs_ended);
    epoch = device->syncs_failed;
    pthread_mutex_unlock(&device->lock);
    return epoch;
}

/* Sync, for all that wait. With the lock, which is released meanwhile. */
static void sync_lead(struct swap_device *device)
{
    bool suspect = device->suspect;
    int code;

    check(device->syncs_begun == device->syncs_ended);
    device->syncs_begun++;
    pthread_mutex_unlock(&device->lock);
    code = suspect && device->index != NULL ? swap_index_rewrite(device->index) : 0;
    if (code == 0)
        code = device->backend->sync(device->state);
    pthread_mutex_lock(&device->lock);
    device->suspect = code < 0;
    device->syncs_failed += code < 0;
    device->syncs_ended = device->syncs_begun;
    pthread_cond_broadcast(&device->ended);
}

int swap_device_sync(struct swap_device *device, uint64_t epoch)
{
    uint64_t wanted;
    bool good;

    ensure(device->backend->sync != NULL); /* see options.c */
    pthread_mutex_lock(&device->lock);
    ensure(epoch <= device->syncs_failed);
    wanted = device->syncs_begun + 1; /* one that is under way may have begun before our writes */
    while (device->syncs_ended < wanted)
        if (device->syncs_begun == device->syncs_ended)
            sync_lead(device);
        else
            pthread_cond_wait(&device->ended, &device->lock);
    good = device->syncs_failed == epoch;
    pthread_mutex_unlock(&device->lock);
    return good ? 0 : -EIO;
}
