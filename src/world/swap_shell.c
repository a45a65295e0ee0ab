#include "world/swap_shell.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

int swap_shell_init(struct swap_shell *swap, uint32_t slots, struct swap_shell_costs costs,
                    const struct allocator *allocator)
{
    int rc;

    *swap = (struct swap_shell){.allocator = allocator, .costs = costs};
    rc = swap_map_init(&swap->map, slots, *allocator);
    if (rc != 0)
        return rc;
    swap->contents = memory_new(allocator, slots * sizeof(*swap->contents));
    if (swap->contents != NULL)
        return 0;
    swap_map_fini(&swap->map);
    return -ENOMEM;
}

void swap_shell_fini(struct swap_shell *swap)
{
    memory_free(swap->allocator, swap->contents, swap->map.slots * sizeof(*swap->contents));
    swap_map_fini(&swap->map);
}

int swap_shell_join(struct swap_shell *swap, uint32_t client)
{
    return swap_map_add(&swap->map, client, swap->map.slots);
}

/* The device has one more page to move. Returns when that is done. */
static uint64_t device_busy(struct swap_shell *swap, uint64_t now)
{
    uint64_t begin = swap->free_at > now ? swap->free_at : now;

    swap->free_at = begin + swap->costs.start_ns + swap->costs.page_ns;
    return swap->free_at;
}

int swap_shell_store(struct swap_shell *swap, uint32_t client, uint64_t contents, uint64_t now,
                     uint32_t *slotp, uint64_t *donep)
{
    const struct swap_client *books = swap_map_client(&swap->map, client);
    int rc = 0;

    if (swap->fails)
        return -EIO;
    if (books != NULL && books->used == books->reserved)
        rc = swap_map_reserve(&swap->map, client, 1, 0);
    if (rc == 0)
        rc = swap_map_store(&swap->map, client, 1, slotp);
    if (rc != 0)
        return rc;
    swap->contents[*slotp] = contents;
    swap->stores++;
    *donep = device_busy(swap, now);
    return 0;
}

void swap_shell_stored(struct swap_shell *swap, uint32_t slot)
{
    int rc = swap_map_commit(&swap->map, slot, 0);

    ensure(rc == 0 || rc == -ECANCELED);
}

int swap_shell_load(struct swap_shell *swap, uint32_t client, uint32_t slot, uint64_t now,
                    uint64_t *contentsp, uint64_t *donep)
{
    uint64_t checksum;
    int rc = swap_map_load(&swap->map, client, slot, &checksum);

    if (rc != 0)
        return rc;
    *contentsp = swap->contents[slot];
    swap->loads++;
    *donep = device_busy(swap, now);
    return 0;
}

void swap_shell_loaded(struct swap_shell *swap, uint32_t slot)
{
    int rc = swap_map_load_end(&swap->map, slot);

    ensure(rc == 0);
}

void swap_shell_free(struct swap_shell *swap, uint32_t client, uint32_t slot)
{
    int rc = swap_map_free(&swap->map, client, slot);

    ensure(rc == 0);
}
