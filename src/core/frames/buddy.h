/* A buddy allocator over frame numbers 0 to frames - 1.
 *
 * Blocks are powers of two, aligned to their size, of at most 2^max_order frames. Any number of
 * frames will do: the part that makes no full block is kept in smaller ones. Of the free blocks of
 * the smallest order that fits, the one with the lowest address is taken, so that the same requests
 * always get the same frames. Free blocks are members of one bitmap per order: at most a third of a
 * byte a frame, and no operation takes more than max_order steps.
 *
 * What is allocated is not recorded: the owner of a block may free it in pieces of any size. */
#ifndef CORE_FRAMES_BUDDY_H
#define CORE_FRAMES_BUDDY_H

#include "base/allocator.h"
#include "base/bitmap.h"

#define BUDDY_MAX_ORDER  15u
#define BUDDY_FRAMES_MAX (UINT32_C(1) << 26)
#define BUDDY_NONE       UINT32_MAX /* no such block */

struct buddy {
    struct bitmap free_blocks[BUDDY_MAX_ORDER + 1]; /* by order; numbered frame >> order */
    uint64_t *words;
    size_t words_size;
    const struct allocator *allocator;
    uint32_t frames;
    uint32_t free; /* frames in free blocks */
    unsigned max_order;
};

/* All frames are free. Returns 0, -EINVAL (frames not in 1..BUDDY_FRAMES_MAX, order too large) or
 * -ENOMEM. */
int buddy_init(struct buddy *buddy, const struct allocator *allocator, uint32_t frames,
               unsigned max_order);
void buddy_fini(struct buddy *buddy);

/* Take a block of 2^order frames that ends at or below frame `ceiling` (buddy->frames: anywhere).
 * Returns its first frame, or BUDDY_NONE. */
uint32_t buddy_allocate(struct buddy *buddy, unsigned order, uint32_t ceiling);

/* Free `count` allocated frames from `frame`: a block, a piece of one, or several in a row. */
void buddy_free(struct buddy *buddy, uint32_t frame, uint32_t count);

/* The first frame at or above `frame`, a multiple of 2^order, that begins a free block smaller than
 * that, or BUDDY_NONE. */
uint32_t buddy_next(const struct buddy *buddy, uint32_t frame, unsigned order);

/* How many frames of the block of 2^order from `frame`, which is not all free, are free. Takes a
 * step for each 32 frames, or one for each order. */
uint32_t buddy_count(const struct buddy *buddy, uint32_t frame, unsigned order);

/* Allocate what is free of that block. */
void buddy_claim(struct buddy *buddy, uint32_t frame, unsigned order);

/* By how many per mille the largest free block is smaller than the largest that as many frames
 * could make: 0 if nothing is free. */
uint32_t buddy_fragmentation(const struct buddy *buddy);

/* Whether a frame lies in a free block. */
bool buddy_is_free(const struct buddy *buddy, uint32_t frame);

#endif
