/* Room of varying size in blocks of one page: what `zstd:` and `lz4:` use of the device below them. Pure
 * books, without I/O and without a lock.
 *
 * A block has 64 granules of 64 bytes. A page that was compressed takes some neighbouring granules of one
 * block, and a page that was not takes a whole block: nothing lies in two blocks. Pages that are written
 * together are packed into blocks that were free; a block with a page in it is never written again. A block is
 * free when its last page is dropped. So
 *
 *     blocks with a page in them  <=  pages
 *
 * and with as many blocks as pages a page always finds room, however the others lie. With fewer blocks it may
 * find none: then the pages of blocks that are nearly empty have to move together (space_emptiest). */
#ifndef BACKEND_SPACE_H
#define BACKEND_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bitmap.h"

#define SPACE_GRANULE  64u /* bytes */
#define SPACE_GRANULES 64u /* of a block: one bit each in a word */
#define SPACE_NONE     UINT32_MAX

/* Where a page lies. All zeros but for `block`: 24 bytes. */
struct space_place {
    uint64_t checksum; /* of its bytes in the block: the user's */
    uint32_t block;    /* SPACE_NONE: the page has no place */
    uint32_t next;     /* page of the same block, or SPACE_NONE */
    uint16_t length;   /* bytes */
    uint8_t first;     /* granule */
};

/* After every call, for each block:
 *
 *     used[block]  = the granules of the pages on its list, which do not overlap
 *     free has it  <=>  used[block] = 0 and pins[block] = 0
 *
 * and pages_used = number of pages with a place, granules_used = number of bits set in used[]. */
struct space {
    uint32_t pages;
    uint32_t blocks;
    uint32_t blocks_free;
    uint32_t pages_used;
    uint32_t pages_whole; /* of these, those that take a whole block */
    uint64_t granules_used;
    void (*on_free)(void *context, uint32_t block); /* the owner's: a block is free now; or NULL */
    void *context;
    uint32_t cursor;           /* where the next search for a free block starts */
    uint32_t sweep;            /* the same for blocks that are nearly empty */
    struct bitmap free;        /* blocks */
    uint64_t *free_words;      /* of `free` */
    uint64_t *used;            /* of each block: bit i: granule i */
    uint32_t *first;           /* of each block: a page in it, or SPACE_NONE */
    uint16_t *pins;            /* of each block: transfers that are under way */
    struct space_place *place; /* of each page */
};

/* Granules of a length in bytes. */
uint32_t space_granules(uint32_t length);

/* Empty books. Returns 0 or -ENOMEM; space_fini is good after either. */
int space_init(struct space *space, uint32_t pages, uint32_t blocks);
void space_fini(struct space *space);

/* A block that was free, pinned; the search goes on behind the last one. SPACE_NONE: no block is free. */
uint32_t space_take(struct space *space);

/* A pinned block is not handed out. At most 65535 pins. */
void space_pin(struct space *space, uint32_t block);
void space_unpin(struct space *space, uint32_t block);

/* Are these granules inside one block, and free? */
bool space_fits(const struct space *space, uint32_t block, uint32_t first, uint32_t length);

/* Give a page that has no place this one, which fits. */
void space_put(struct space *space, uint32_t page, const struct space_place *place);

/* Take a page's place away, if it has one. */
void space_drop(struct space *space, uint32_t page);

/* Up to `most` blocks whose pages fit into one block together, the emptiest first, among those that nobody
 * has pinned; looks at SPACE_SWEEP blocks at most, and goes on there the next time. Returns how many. */
#define SPACE_SWEEP 4096u
uint32_t space_emptiest(struct space *space, uint32_t *blocks, uint32_t most);

#endif
