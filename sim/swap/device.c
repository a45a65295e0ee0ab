/* Opening and closing the device in the order that backends want; transfers go straight to the backend. */
#include "device.h"

#include "base/assert.h"

/* Write the head of a new device, or read that of an old one. */
static int head_begin(struct swap_device *device, const char *place, struct sp_error *error)
{
    int records = device->facts.records;

    check(device->index == NULL);
    return device->facts.existed
               ? swap_index_load(&device->index, records, device->slots, place, error)
               : swap_index_create(&device->index, records, device->slots, place, error);
}

int swap_device_open(struct swap_device *device, const struct swap_options *options,
                     struct sp_error *error)
{
    struct swap_backend_wish wish = {
        .place = options->file,
        .pages = options->slots,
        .head = options->keep ? swap_index_data_offset(options->slots) : 0,
        .keep = options->keep,
        .mode = options->mode,
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
    if (options->keep)
        code = head_begin(device, options->file, error);
    if (code == 0)
        code = device->backend->finish(device->state, &device->facts, error);
    if (code < 0)
        swap_device_close(device);
    return code;
}

void swap_device_close(struct swap_device *device)
{
    swap_index_free(&device->index);
    if (device->state != NULL)
        device->backend->close(device->state);
    device->state = NULL;
    check(device->index == NULL);
}

int swap_device_write(const struct swap_device *device, uint32_t slot, uint32_t count,
                      const void *pages)
{
    check(count > 0 && slot < device->slots && count <= device->slots - slot);
    return device->backend->write(device->state, slot, count, pages);
}

int swap_device_read(const struct swap_device *device, uint32_t slot, uint32_t count, void *pages)
{
    check(count > 0 && slot < device->slots && count <= device->slots - slot);
    return device->backend->read(device->state, slot, count, pages);
}

int swap_device_sync(const struct swap_device *device)
{
    ensure(device->backend->sync != NULL); /* see options.c */
    return device->backend->sync(device->state);
}
