/* The extents that a client has given to swap, by the number that the client calls them. */
#ifndef SWAP_EXTENT_TABLE_H
#define SWAP_EXTENT_TABLE_H

#include <stdint.h>

#include "io/server.h"

/* Extents of one client. */
#define EXTENT_TABLE_MAX 4096u

/* Extents that stay mapped; each costs one of the process' mappings (vm.max_map_count). */
#define EXTENT_MAPPED_MAX 16384u

/* Pages of one extent (physmem's have 256): all that stay mapped take 4 TiB of the address space, and a
 * client that names more than it has takes no room from others. */
#define EXTENT_PAGES_MAX 65536u

/* Of all clients. */
struct extent_totals {
    uint32_t extents;
    uint32_t mapped;
};

/* A descriptor and who uses it: the table, and each page of a request that is under way. */
struct swap_extent {
    int fd;
    uint32_t number;
    uint32_t pages;
    uint32_t references;
    struct server *server;
    struct user *user; /* one reference: whose share it counts for */
    struct extent_totals *totals;
    uint8_t *memory; /* all of it, mapped; NULL: not mapped */
};

/* Ordered by number. All zeros is an empty table. */
struct extent_table {
    struct swap_extent **extent;
    uint32_t count;
    uint32_t room;
};

/* Enter `consume_fd`, which `user` has sent, under `number`; on failure it stays the caller's. *totals
 * and user->extents are counted up now, and down when the descriptor is closed; `totals` must live
 * as long. Returns 0, -EEXIST (the number is taken), -E2BIG (EXTENT_PAGES_MAX), -EMFILE (EXTENT_TABLE_MAX)
 * or -ENOMEM. */
int extent_table_add(struct extent_table *table, uint32_t number, int consume_fd, uint32_t pages,
                     struct server *server, struct user *user, struct extent_totals *totals);

/* The extent of that number, with one reference more for the caller, if it has page `offset`; else
 * NULL. */
struct swap_extent *extent_table_find(const struct extent_table *table, uint32_t number,
                                      uint32_t offset);

/* Forget a number; the descriptor is closed when nobody uses it any more. -ENOENT. */
int extent_table_remove(struct extent_table *table, uint32_t number);

/* Forget them all. */
void extent_table_fini(struct extent_table *table);

/* Write `count` pages at page `offset` of an extent with what lies in `source_fd` at byte `from`.
 * Returns how many whole pages were written.
 *
 * Never with pwrite, which takes the inode's lock: a task that can write the extent can keep it for ever
 * (see io/errand.h). The kernel copies to a mapping instead, and where the extent has been cut that
 * fails without a signal. */
uint32_t extent_table_write(struct swap_extent *extent, uint32_t offset, uint32_t count,
                            int source_fd, off_t from);

/* Give up one reference; NULL is allowed. */
void extent_table_unref(struct swap_extent *extent);

#endif
