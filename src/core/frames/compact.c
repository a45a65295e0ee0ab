#include "core/frames/compact.h"

#include "base/assert.h"

/* The block of 2^order with the most free frames among the next ones that have some. */
static uint32_t block_choose(struct frame_table *table, unsigned order)
{
    uint32_t size = UINT32_C(1) << order;
    uint32_t full = table->frames & ~(size - 1); /* what follows makes no block */
    uint32_t start = table->compact_hand & ~(size - 1);
    uint32_t frame = start;
    uint32_t best = BUDDY_NONE;
    uint32_t most = 0;
    bool round = false;

    for (unsigned looked = 0; looked < COMPACT_LOOK && most < size - 1;) {
        uint32_t block = buddy_next(&table->buddy, frame, order) & ~(size - 1);
        uint32_t free;

        if (block >= (round ? start : full)) {
            if (round)
                break;
            round = true;
            frame = 0;
            continue;
        }
        free = buddy_count(&table->buddy, block, order);
        if (free > most) {
            most = free;
            best = block;
        }
        frame = block + size;
        looked++;
    }
    check(best == BUDDY_NONE || best + size <= full);
    table->compact_hand = frame;
    return best;
}

void compact(struct frame_table *table, unsigned order, compact_moved *moved, void *context)
{
    uint32_t block = block_choose(table, order);
    uint32_t end = block + (UINT32_C(1) << order);
    uint32_t frame = block;

    ensure(block != BUDDY_NONE); /* as many frames are free */
    /* Claimed frames are neither a destination of a move nor chosen to be cleared. */
    buddy_claim(&table->buddy, block, order);
    while (frame < end) {
        unsigned part = table->frame[frame].order;
        uint32_t to;

        if (table->frame[frame].state == FRAME_FREE) {
            frame++;
            continue;
        }
        to = buddy_allocate(&table->buddy, part, table->frames);
        if (to == BUDDY_NONE) {
            compact(table, part, moved, context);
            to = buddy_allocate(&table->buddy, part, table->frames);
        }
        ensure(to != BUDDY_NONE && part < order);
        for (uint32_t i = 0; i < UINT32_C(1) << part; i++) {
            frame_table_move(table, frame + i, to + i);
            moved(context, to + i);
        }
        frame += UINT32_C(1) << part;
    }
    buddy_free(&table->buddy, block, end - block);
}
