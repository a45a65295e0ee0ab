/* The swap server's work around its books: contents of slots, and a device that takes its time.
 *
 * The contents of a page are one number. The device does one thing after the other; each takes
 * `start_ns`, and `page_ns` for its page. A store or a load begins when it is asked for, and is over at
 * a time that the caller is told: the caller then says so with swap_shell_stored or swap_shell_loaded. */
#ifndef WORLD_SWAP_SHELL_H
#define WORLD_SWAP_SHELL_H

#include <stdbool.h>

#include "core/swap/map.h"

struct swap_shell_costs {
    uint64_t start_ns;
    uint64_t page_ns;
};

struct swap_shell {
    const struct allocator *allocator;
    struct swap_map map;
    struct swap_shell_costs costs;
    uint64_t *contents; /* by slot */
    uint64_t free_at;   /* when the device has done all that was asked */
    uint64_t stores, loads;
    bool fails; /* while it is set, each store fails with EIO */
};

/* A device of `slots` free slots, with memory from `allocator`, which outlives it. Returns 0, -EINVAL
 * (slots) or -ENOMEM. */
int swap_shell_init(struct swap_shell *swap, uint32_t slots, struct swap_shell_costs costs,
                    const struct allocator *allocator);
void swap_shell_fini(struct swap_shell *swap);

/* A client of this number, which may use all slots. Returns 0, or what swap_map_add fails with. */
int swap_shell_join(struct swap_shell *swap, uint32_t client);

/* Begin to write a page of these contents at time `now`: to *slotp, until *donep. Returns 0, -EIO (the
 * device fails), or what swap_map_reserve or swap_map_store fails with. */
int swap_shell_store(struct swap_shell *swap, uint32_t client, uint64_t contents, uint64_t now,
                     uint32_t *slotp, uint64_t *donep);
void swap_shell_stored(struct swap_shell *swap, uint32_t slot);

/* Begin to read a slot of the client at time `now`: *contentsp will have been read at *donep. Returns 0,
 * or what swap_map_load fails with. */
int swap_shell_load(struct swap_shell *swap, uint32_t client, uint32_t slot, uint64_t now,
                    uint64_t *contentsp, uint64_t *donep);
void swap_shell_loaded(struct swap_shell *swap, uint32_t slot);

/* Give a slot back, which the client has stored. */
void swap_shell_free(struct swap_shell *swap, uint32_t client, uint32_t slot);

#endif
