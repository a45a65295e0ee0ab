#include "play/device.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

/* Slots between two that are read with them, at most: as in a live task. */
#define READ_GAP 3u

int device_init(struct device *device, uint32_t slots, const struct costs *costs, uint64_t seed,
                const struct allocator *allocator)
{
    *device = (struct device){.allocator = allocator,
                              .slots = slots,
                              .costs = *costs,
                              .slower = 1,
                              .random = random_seeded(seed)};
    if (slots == 0 || slots >= SWAP_ZERO || costs->depth == 0 || costs->depth > COSTS_DEPTH_MAX)
        return -EINVAL;
    return 0;
}

void device_fini(struct device *device)
{
    for (uint32_t i = 0; i < device->files; i++)
        device_leave(device, i);
    if (device->file != NULL)
        memory_free(device->allocator, device->file, device->files * sizeof(*device->file));
    device->file = NULL;
    device->files = 0;
}

/* Have an entry for the client. */
static int make_entry(struct device *device, uint32_t client)
{
    uint32_t room = device->files;
    int rc = 0;

    if (client < device->files)
        return 0;
    rc = memory_reserve(device->allocator, &device->file, &room, sizeof(*device->file), client + 1);
    if (rc != 0)
        return rc;
    while (device->files < room)
        device->file[device->files++] = (struct device_file){.there = false};
    return 0;
}

/* Slots for a client, none of them used: most clients of a large play never store a page, and take no memory here. */
static int open_file(struct device *device, struct device_file *file)
{
    uint32_t slots = file->slots;
    int rc = swap_map_init(&file->map, slots, *device->allocator);

    if (rc != 0)
        return rc;
    rc = swap_map_add(&file->map, 0, slots);
    if (rc == 0)
        rc = swap_map_reserve(&file->map, 0, slots, 0);
    if (rc == 0)
        file->contents = memory_new(device->allocator, slots * sizeof(*file->contents));
    if (rc == 0 && file->contents != NULL)
        return 0;
    swap_map_fini(&file->map);
    return -ENOMEM;
}

int device_join(struct device *device, uint32_t client, uint32_t slots)
{
    struct device_file *file;
    int rc;

    if (device_is_there(device, client))
        return -EEXIST;
    if (slots > device->slots - device->reserved)
        return -ENOSPC;
    rc = make_entry(device, client);
    if (rc != 0)
        return rc;
    file = &device->file[client];
    check(file->contents == NULL);
    file->slots = slots;
    file->there = true;
    device->reserved += slots;
    device->clients++;
    return 0;
}

void device_leave(struct device *device, uint32_t client)
{
    struct device_file *file;

    if (!device_is_there(device, client))
        return;
    file = &device->file[client];
    ensure(device->reserved >= file->slots);
    device->reserved -= file->slots;
    if (file->contents != NULL) {
        memory_free(device->allocator, file->contents, file->map.slots * sizeof(*file->contents));
        swap_map_fini(&file->map);
    }
    *file = (struct device_file){.there = false};
    ensure(device->clients > 0);
    device->clients--;
}

void device_fill(struct device *device, bool full)
{
    check(device->reserved >= device->rest);
    device->reserved -= device->rest;
    device->rest = full ? device->slots - device->reserved : 0;
    device->reserved += device->rest;
}

static struct device_file *file_of(const struct device *device, uint32_t client)
{
    ensure(device_is_there(device, client));
    return &device->file[client];
}

const uint64_t *device_contents(const struct device *device, uint32_t client, uint32_t slot)
{
    static const uint64_t nothing;
    const struct device_file *file;

    if (slot == SWAP_ZERO)
        return &nothing;
    if (!device_is_there(device, client))
        return NULL;
    file = &device->file[client];
    return file->contents != NULL && slot < file->map.slots && file->map.slot[slot].client == 0
               ? &file->contents[slot]
               : NULL;
}

uint64_t device_free_at(const struct device *device)
{
    uint64_t first = device->busy[0];

    check(device->costs.depth > 0);
    for (uint32_t i = 1; i < device->costs.depth; i++)
        if (device->busy[i] < first)
            first = device->busy[i];
    return first;
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

/* In how many runs of neighbours these slots lie. */
static uint32_t runs_of(const uint32_t *slot, uint32_t count)
{
    uint32_t runs = count > 0;

    for (uint32_t i = 1; i < count; i++)
        runs += slot[i] != slot[i - 1] + 1;
    return runs;
}

/* What it takes that something lies in so many pieces. */
static uint64_t apart(const struct device *device, uint32_t pieces)
{
    return pieces > 1 ? (pieces - 1) * device->costs.piece : 0;
}

int device_store(struct device *device, uint32_t client, uint32_t count, const uint64_t *contents,
                 uint32_t pieces, uint64_t now, uint32_t *slot, uint64_t *donep)
{
    struct device_file *file = file_of(device, client);
    uint32_t given[SWAP_STORE_MAX], wanted = 0, next = 0;
    int rc = 0;

    check(count > 0 && count <= SWAP_STORE_MAX && pieces <= count);
    for (uint32_t i = 0; i < count; i++)
        wanted += contents[i] != 0;
    if (wanted > 0 && file->slots == 0)
        rc = -EDQUOT;
    else if (wanted > 0 && file->contents == NULL)
        rc = open_file(device, file);
    if (rc == 0 && wanted > 0)
        rc = swap_map_store(&file->map, 0, wanted, given);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < count; i++) {
        slot[i] = contents[i] != 0 ? given[next++] : SWAP_ZERO;
        if (contents[i] != 0)
            file->contents[slot[i]] = contents[i];
    }
    device->stores += count;
    device->zero += count - wanted;
    device->writes += runs_of(given, wanted);
    *donep = now;
    if (wanted > 0)
        *donep = transfer(device, now,
                          device->costs.write_start + wanted * device->costs.write_page +
                              apart(device, pieces) + apart(device, runs_of(given, wanted)));
    return 0;
}

bool device_stored(struct device *device, uint32_t client, uint32_t slot)
{
    struct device_file *file = file_of(device, client);
    int rc;

    if (slot == SWAP_ZERO)
        return true;
    if (device->fails > 0 && random_bits(&device->random) >> 32 < device->fails) {
        device->failed++;
        rc = swap_map_abort(&file->map, slot);
        ensure(rc == 0 || rc == -ECANCELED);
        return false;
    }
    rc = swap_map_commit(&file->map, slot, 0);
    ensure(rc == 0 || rc == -ECANCELED);
    return true;
}

int device_pin(struct device *device, uint32_t client, uint32_t slot)
{
    struct device_file *file = file_of(device, client);
    uint64_t checksum;

    if (slot == SWAP_ZERO)
        return 0;
    return file->contents != NULL ? swap_map_load(&file->map, 0, slot, &checksum) : -ENOENT;
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
    uint32_t moved = 0, runs = 0;
    uint64_t done = now, least;

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
        runs++;
        moved += last - first + 1;
        if (end > done)
            done = end;
    }
    least = runs > 0 ? device->costs.read_start + moved * device->costs.read_page : 0;
    least = now + (least + apart(device, runs)) * device->slower;
    return done > least ? done : least;
}

uint64_t device_loaded(struct device *device, uint32_t client, uint32_t slot)
{
    struct device_file *file = file_of(device, client);
    uint64_t contents;
    int rc;

    if (slot == SWAP_ZERO)
        return 0;
    check(file->contents != NULL);
    contents = file->contents[slot];
    rc = swap_map_load_end(&file->map, slot);
    ensure(rc == 0);
    return contents;
}

void device_free(struct device *device, uint32_t client, uint32_t slot)
{
    int rc;

    device->frees++;
    if (slot == SWAP_ZERO)
        return;
    check(file_of(device, client)->contents != NULL);
    rc = swap_map_free(&file_of(device, client)->map, 0, slot);
    ensure(rc == 0);
}

struct device_status device_status(const struct device *device)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < device->files; i++)
        used += device->file[i].contents != NULL ? device->file[i].map.used : 0;
    return (struct device_status){.slots = device->slots,
                                  .used = used,
                                  .reserved = device->reserved,
                                  .clients = device->clients,
                                  .stores = device->stores,
                                  .loads = device->loads,
                                  .frees = device->frees,
                                  .writes = device->writes,
                                  .reads = device->reads,
                                  .failed = device->failed,
                                  .zero = device->zero};
}

const char *device_check(const struct device *device, uint32_t client)
{
    const struct device_file *file = device_is_there(device, client) ? &device->file[client] : NULL;

    return file != NULL && file->contents != NULL ? swap_map_check(&file->map) : NULL;
}
