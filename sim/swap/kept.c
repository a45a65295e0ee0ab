#include "base/assert.h"
#include "kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "device.h"

/* Slots that this client has stored. */
static uint32_t stored_by(const struct swap_device *device, uint32_t number, uint64_t key)
{
    uint32_t stored = 0;

    for (uint32_t slot = 0; slot < device->slots; slot++) {
        const struct index_slot *record = swap_index_slot(device->index, slot);

        stored += record != NULL && record->client == number && record->key == key;
    }
    check(stored <= device->slots);
    return stored;
}

static void list(const struct swap_device *device)
{
    check(device->index != NULL);
    printf("%10s %10s %10s %10s  %s\n", "client", "user", "reserved", "stored", "name");
    for (uint32_t number = 0; number < SWAP_INDEX_CLIENTS; number++) {
        const struct index_client *client = swap_index_client(device->index, number);

        if (client != NULL)
            printf("%10u %10u %10u %10u  %s\n", client->id, client->uid, client->reserved,
                   stored_by(device, number, client->key), client->name);
    }
}

/* Clear the records of a client's slots, and then its own. */
static int drop(const struct swap_device *device, uint32_t number)
{
    uint64_t key = swap_index_client(device->index, number)->key;
    uint32_t slots[SWAP_INDEX_BATCH], count = 0;
    int code = 0;

    for (uint32_t slot = 0; slot < device->slots && code == 0; slot++) {
        const struct index_slot *record = swap_index_slot(device->index, slot);

        if (record != NULL && record->client == number && record->key == key)
            slots[count++] = slot;
        if (count == SWAP_INDEX_BATCH || (count > 0 && slot == device->slots - 1)) {
            check(count <= SWAP_INDEX_BATCH);
            code = swap_index_clear(device->index, slots, count);
            count = 0;
        }
    }
    return code == 0 ? swap_index_set_client(device->index, number, NULL) : code;
}

static int drop_id(struct swap_device *device, uint32_t id, struct sp_error *error)
{
    uint64_t epoch = swap_device_epoch(device); /* before the first write */
    int code;

    for (uint32_t number = 0; number < SWAP_INDEX_CLIENTS; number++) {
        const struct index_client *client = swap_index_client(device->index, number);

        if (client == NULL || client->id != id)
            continue;
        check(client->id == id);
        code = drop(device, number);
        if (code == 0 && device->sync)
            code = swap_device_sync(device, epoch);
        if (code < 0)
            return error_set(error, -code, "cannot drop client %u: %s", id, strerror(-code));
        return 0;
    }
    return error_set(error, ENOENT, "there is no client %u (see --list-clients)", id);
}

int kept_run(const struct swap_options *options, struct sp_error *error)
{
    struct swap_device device;
    int code;

    code = swap_device_open(&device, options, error);
    if (code < 0)
        return code;
    check(device.index != NULL);
    if (options->drop_client != 0)
        code = drop_id(&device, options->drop_client, error);
    if (code == 0 && options->list_clients)
        list(&device);
    swap_device_close(&device);
    return code;
}
