/* The frame table: which slot has each frame, and which frames can be given out.
 *
 *           take                   soften
 *   FREE ---------> USED (a slot) --------> SOFT (the slot that gave it up, oldest first)
 *     ^               |   ^--------------------'  |
 *     |     give      |           harden          |  give
 *     '---------------'---------------------------'
 *
 * A soft frame still has its contents, and goes to the next task that needs a frame.
 *
 * INVARIANTS (frame_table_check counts them):
 *     buddy.free + used + soft == frames
 *     a frame is FREE          iff it lies in a free block of the buddy allocator
 *     soft                     == members of the queue from soft_oldest along `newer`
 *     frames of one block      have one order, one container, and slots in a row
 *
 * Frames that were taken as a block keep their numbers in a row. If one of them is given back, what
 * is left of the block are blocks half, a quarter, ... as large.
 *
 * A low frame was taken below a ceiling, and is not moved. At most a sixteenth of all frames are low:
 * blocks cannot be made where they lie. Pure. 16 bytes a frame, and the buddy allocator's third of a
 * byte. */
#ifndef CORE_FRAMES_FRAME_TABLE_H
#define CORE_FRAMES_FRAME_TABLE_H

#include "base/assert.h"
#include "core/frames/buddy.h"

enum frame_state {
    FRAME_FREE = 0,
    FRAME_USED,
    FRAME_SOFT,
};

struct frame {
    uint32_t container; /* handle; of the slot that has, or last had, the frame */
    uint32_t slot : 24;
    uint32_t state : 3; /* enum frame_state */
    uint32_t low : 1;   /* USED, SOFT: it was taken below a ceiling */
    uint32_t order : 4; /* USED, SOFT: of the block that it is part of */
    uint32_t newer;     /* SOFT: neighbours in the queue, or BUDDY_NONE */
    uint32_t older;
};

struct frame_table {
    struct frame *frame;
    struct buddy buddy;
    uint32_t frames;
    uint32_t used;
    uint32_t soft;
    uint32_t soft_oldest; /* or BUDDY_NONE */
    uint32_t soft_newest;
    uint32_t low;          /* frames */
    uint32_t low_end;      /* no low frame lies there or above */
    uint32_t compact_hand; /* frame from which the next search for a block to clear goes on */
    const struct allocator *allocator;
};

/* All frames free. Returns 0, -EINVAL or -ENOMEM as buddy_init. */
int frame_table_init(struct frame_table *table, const struct allocator *allocator, uint32_t frames,
                     unsigned max_order);
void frame_table_fini(struct frame_table *table);

/* Frames that can be given out now, soft ones included. */
static inline uint32_t frame_table_available(const struct frame_table *table)
{
    check(table->buddy.free + table->used + table->soft <= table->frames);
    return table->buddy.free + table->soft;
}

/* Take a block of 2^order free frames for as many slots from `slot`: low ones that end at or below frame
 * `ceiling`, or (0) any. Returns the first frame, or BUDDY_NONE. Soft frames are not considered: give the
 * oldest back first. */
uint32_t frame_table_take(struct frame_table *table, unsigned order, uint32_t ceiling,
                          uint32_t container, uint32_t slot);

/* Whether 2^order more frames may be low. */
static inline bool frame_table_may_be_low(const struct frame_table *table, unsigned order)
{
    check(table->low <= table->frames / 16);
    return table->frames / 16 - table->low >= UINT32_C(1) << order;
}

/* A used or soft frame is free again. */
void frame_table_give(struct frame_table *table, uint32_t frame);

/* A used frame joins the queue of soft ones; a soft one is taken from it for its slot. */
void frame_table_soften(struct frame_table *table, uint32_t frame);
void frame_table_harden(struct frame_table *table, uint32_t frame);

/* Move a frame to number `to`, which is unused. The buddy allocator is not told of either; telling the
 * slot is the caller's business. */
void frame_table_move(struct frame_table *table, uint32_t from, uint32_t to);

/* NULL if the table's books agree, else what does not. Takes time proportional to frames. */
const char *frame_table_check(const struct frame_table *table);

#endif
