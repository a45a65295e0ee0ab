#include "play/device.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

/* Slots between two that are read with them, at most: as in a live task. */
#define READ_GAP 3u

int device_init(struct device *device, uint32_t slots, const struct costs *costs, uint64_t seed,
                const struct allocator *allocator)
{
    int rc;

    *device = (struct device){
        .allocator = allocator, .costs = *costs, .slower = 1, .random = random_seeded(seed)};
    if (costs->depth == 0 || costs->depth > COSTS_DEPTH_MAX)
        return -EINVAL;
    rc = swap_map_init(&device->map, slots, *allocator);
    if (rc != 0)
        return rc;
    device->contents = memory_new(allocator, slots * sizeof(*device->contents));
    if (device->contents != NULL)
        return 0;
    swap_map_fini(&device->map);
    return -ENOMEM;
}

void device_fini(struct device *device)
{
    if (device->contents == NULL)
        return;
    memory_free(device->allocator, device->contents, device->map.slots * sizeof(*device->contents));
    swap_map_fini(&device->map);
    device->contents = NULL;
}

int device_join(struct device *device, uint32_t client, uint32_t slots)
{
    int rc = swap_map_add(&device->map, client, device->map.slots);

    if (rc == 0 && slots > 0)
        rc = swap_map_reserve(&device->map, client, slots, 0);
    if (rc != 0 && rc != -EEXIST && swap_map_client(&device->map, client) != NULL)
        swap_map_remove(&device->map, client);
    return rc;
}

void device_leave(struct device *device, uint32_t client)
{
    if (device->contents != NULL && swap_map_client(&device->map, client) != NULL)
        swap_map_remove(&device->map, client);
}

/* The device has more to do, which takes `ns`. Returns when it is done. */
static uint64_t transfer(struct device *device, uint64_t now, uint64_t ns)
{
    uint64_t *first = &device->busy[0];

    for (uint32_t i = 1; i < device->costs.depth; i++)
        if (device->busy[i] < *first)
            first = &device->busy[i];
    *first = (*first > now ? *first : now) + ns * device->slower;
    return *first;
}

int device_store(struct device *device, uint32_t client, uint32_t count, const uint64_t *contents,
                 uint64_t now, uint32_t *slot, uint64_t *donep)
{
    uint32_t given[SWAP_STORE_MAX], wanted = 0, next = 0;
    int rc = 0;

    check(count > 0 && count <= SWAP_STORE_MAX);
    for (uint32_t i = 0; i < count; i++)
        wanted += contents[i] != 0;
    if (wanted > 0)
        rc = swap_map_store(&device->map, client, wanted, given);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        slot[i] = contents[i] != 0 ? given[next++] : SWAP_ZERO;
        if (contents[i] != 0)
            device->contents[slot[i]] = contents[i];
    }
    device->stores += count;
    device->zero += count - wanted;
    device->writes += wanted > 0;
    *donep = now;
    if (wanted > 0)
        *donep =
            transfer(device, now, device->costs.write_start + wanted * device->costs.write_page);
    return 0;
}

bool device_stored(struct device *device, uint32_t slot)
{
    int rc;

    if (slot == SWAP_ZERO)
        return true;
    if (device->fails > 0 && random_bits(&device->random) >> 32 < device->fails) {
        device->failed++;
        rc = swap_map_abort(&device->map, slot);
        ensure(rc == 0 || rc == -ECANCELED);
        return false;
    }
    rc = swap_map_commit(&device->map, slot, 0);
    ensure(rc == 0 || rc == -ECANCELED);
    return true;
}

int device_pin(struct device *device, uint32_t client, uint32_t slot)
{
    uint64_t checksum;

    return slot == SWAP_ZERO ? 0 : swap_map_load(&device->map, client, slot, &checksum);
}

/* The slots that lie on the device, in their order. Returns how many. */
static uint32_t sort_slots(const uint32_t *slot, uint32_t count, uint32_t *sorted)
{
    uint32_t sorts = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t to = sorts;

        if (slot[i] == SWAP_ZERO)
            continue;
        for (; to > 0 && sorted[to - 1] > slot[i]; to--)
            sorted[to] = sorted[to - 1];
        sorted[to] = slot[i];
        sorts++;
    }
    return sorts;
}

uint64_t device_load(struct device *device, const uint32_t *slot, uint32_t count, uint64_t now)
{
    uint32_t sorted[SWAP_STORE_MAX], pages = sort_slots(slot, count, sorted);
    uint64_t done = now;

    check(count <= SWAP_STORE_MAX);
    device->loads += pages;
    for (uint32_t i = 0; i < pages;) {
        uint32_t first = sorted[i], last = first;
        uint64_t end;

        for (; i < pages && sorted[i] <= last + READ_GAP + 1; i++)
            last = sorted[i];
        end = transfer(device, now,
                       device->costs.read_start + (last - first + 1) * device->costs.read_page);
        device->reads++;
        if (end > done)
            done = end;
    }
    return done;
}

uint64_t device_loaded(struct device *device, uint32_t slot)
{
    uint64_t contents;
    int rc;

    if (slot == SWAP_ZERO)
        return 0;
    contents = device->contents[slot];
    rc = swap_map_load_end(&device->map, slot);
    ensure(rc == 0);
    return contents;
}

void device_free(struct device *device, uint32_t client, uint32_t slot)
{
    int rc;

    device->frees++;
    if (slot == SWAP_ZERO)
        return;
    rc = swap_map_free(&device->map, client, slot);
    ensure(rc == 0);
}

struct device_status device_status(const struct device *device)
{
    return (struct device_status){.slots = device->map.slots,
                                  .used = device->map.used,
                                  .reserved = device->map.reserved,
                                  .clients = device->map.clients,
                                  .stores = device->stores,
                                  .loads = device->loads,
                                  .frees = device->frees,
                                  .writes = device->writes,
                                  .reads = device->reads,
                                  .failed = device->failed,
                                  .zero = device->zero};
}
