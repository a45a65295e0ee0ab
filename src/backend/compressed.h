/* What `zstd:` and `lz4:` have in common: a device of compressed pages in front of another one.
 *
 * WHAT THE SERVER SEES. A device with as many pages as it asked for; slots, reservations and quotas count
 * pages, never bytes, so that nobody's store depends on how well another's pages compress. The device below
 * has as many pages divided by `ratio`. With ratio=1, the default, every page finds room whatever it holds
 * (space.h has the proof), and what is gained is bytes that are written and read, and memory below that is
 * never touched. With ratio=N a page that finds no room is refused with ENOSPC, and the task keeps it: that is
 * a bet of the person who writes it.
 *
 * WHERE A PAGE LIES. space.h. Pages of one write are packed into blocks that were free. A page that does not
 * save a quarter is stored as it is, in a block of its own; it is compressed again only when it is written
 * again, never when blocks are compacted. `discard` tells which pages are not wanted any more; so does the next
 * write of a page.
 *
 * COMPACTION. Only with ratio above 1, when no block is free: pages of the emptiest blocks are copied into one
 * block that was kept back, as they are. The old blocks are free when the new places are recorded.
 *
 * A DEVICE THAT IS KEPT begins with a header and one record of 32 bytes for each page, in the head of the device
 * below, in front of the server's own records:
 *
 *     header    1 block: magic, version, name of the compressor, pages, blocks
 *     records   page i: order, checksum, block, first granule, length, check
 *     the server's head
 *     blocks
 *
 * A record is written after its block and before the write is acknowledged, and never straddles 512 bytes. Pages
 * that are dropped keep their old record; of two records that name one granule the one that was written later
 * is right, which `order` tells. This holds after kill -9. After a power loss it holds because the server syncs
 * before it hands out a slot again, and compaction syncs between copying, recording and reuse.
 *
 * HOSTILE CONTENTS. A record that fails its check, or names what does not exist, is none; bytes that have
 * another checksum, or do not expand to a page, are -EBADMSG for that page alone. */
#ifndef BACKEND_COMPRESSED_H
#define BACKEND_COMPRESSED_H

#include "backend/swap_backend.h"

/* Bytes of a compressor's name with its NUL. */
#define COMPRESSED_NAME 16u

/* A way to compress. */
struct compressor {
    const char *name;                     /* fits COMPRESSED_NAME */
    const struct sp_policy_param *params; /* the filter's OPTIONS: the first is ratio */

    /* What one thread works with at a time; NULL: no memory. */
    void *(*begin)(const double *values);
    void (*end)(void *context);

    /* Compress a page to at most `room` bytes. Returns their number, or 0: it takes more. */
    uint32_t (*compress)(void *context, void *to, uint32_t room, const void *page);

    /* The inverse, of hostile bytes. Returns whether they made exactly one page. */
    bool (*expand)(void *context, void *page, const void *from, uint32_t length);
};

/* The option that each compressor's list begins with. */
#define COMPRESSED_RATIO                                                                           \
    {                                                                                              \
        "ratio", 1, 1, 16, "pages for each page of DEVICE; above 1 a store may find no room"       \
    }

/* The functions of a filter's table; open needs its compressor. */
int compressed_open(void **device, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error,
                    const struct compressor *compressor);
int compressed_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error);
int compressed_write(void *device, uint32_t page, uint32_t count, const void *pages);
int compressed_read(void *device, uint32_t page, uint32_t count, void *pages);
void compressed_discard(void *device, uint32_t page, uint32_t count);
int compressed_head_write(void *device, uint64_t offset, const void *bytes, uint32_t count);
int compressed_head_read(void *device, uint64_t offset, void *bytes, uint32_t count);
int compressed_sync(void *device);
void compressed_count(void *device, struct swap_backend_counts *counts);
void compressed_close(void *device);

#endif
