#include "core/frames/compact.h"

#include "base/assert.h"

/* Whether a block holds low frames. */
static bool has_low(const struct frame_table *table, uint32_t block, unsigned order)
{
    uint32_t end = block + (UINT32_C(1) << order);

    check(block < table->frames);
    end = end < table->low_end ? end : table->low_end;
    for (uint32_t frame = block; frame < end; frame++)
        if (table->frame[frame].low)
            return true;
    return false;
}

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
        frame = block + size;
        if (has_low(table, block, order))
            continue;
        free = buddy_count(&table->buddy, block, order);
        if (free > most) {
            most = free;
            best = block;
        }
        looked++;
    }
    check(best == BUDDY_NONE || best + size <= full);
    table->compact_hand = frame;
    return best;
}

/* The block of 2^*orderp with the most free frames below a ceiling; all its frames may be held. If they
 * are parts of larger blocks, it is the first of these that is free of low frames, and that there are
 * free frames for elsewhere; *orderp is then its order. */
static uint32_t block_choose_below(const struct frame_table *table, unsigned *orderp,
                                   uint32_t ceiling)
{
    uint32_t size = UINT32_C(1) << *orderp;
    uint32_t best = BUDDY_NONE, larger = BUDDY_NONE;
    uint32_t most = 0;
    unsigned looked = 0;

    check(ceiling > 0);
    ceiling = ceiling < table->frames ? ceiling : table->frames;
    for (uint32_t block = 0; block + size <= ceiling && looked < COMPACT_LOOK; block += size) {
        unsigned order = table->frame[block].order;
        uint32_t free;

        if (order > *orderp) {
            if (larger == BUDDY_NONE && table->buddy.free >> order > 0 &&
                !has_low(table, block & ~((UINT32_C(1) << order) - 1), order))
                larger = block;
            continue;
        }
        if (has_low(table, block, *orderp))
            continue;
        free = buddy_count(&table->buddy, block, *orderp);
        if (best == BUDDY_NONE || free > most) {
            most = free;
            best = block;
        }
        looked++;
    }
    if (best != BUDDY_NONE || larger == BUDDY_NONE)
        return best;
    *orderp = table->frame[larger].order;
    return larger & ~((UINT32_C(1) << *orderp) - 1);
}

/* A free block of 2^part; BUDDY_NONE if there is none, and none can be made. */
static uint32_t find_room(struct frame_table *table, unsigned part, compact_moved *moved,
                          void *context)
{
    uint32_t to = buddy_allocate(&table->buddy, part, table->frames);

    if (to != BUDDY_NONE || table->buddy.free < UINT32_C(1) << part ||
        !compact(table, part, 0, moved, context))
        return to;
    to = buddy_allocate(&table->buddy, part, table->frames);
    ensure(to != BUDDY_NONE);
    return to;
}

/* What of a block is not held is free. */
static void give_back(struct frame_table *table, uint32_t block, uint32_t end)
{
    check(block < end);
    for (uint32_t frame = block; frame < end; frame++)
        if (table->frame[frame].state == FRAME_FREE)
            buddy_free(&table->buddy, frame, 1);
}

bool compact(struct frame_table *table, unsigned order, uint32_t ceiling, compact_moved *moved,
             void *context)
{
    uint32_t block =
        ceiling > 0 ? block_choose_below(table, &order, ceiling) : block_choose(table, order);
    uint32_t end = block + (UINT32_C(1) << order);
    uint32_t frame = block;

    ensure(block != BUDDY_NONE || ceiling > 0 || table->low > 0); /* as many frames are free */
    if (block == BUDDY_NONE)
        return false;
    /* Claimed frames are neither a destination of a move nor chosen to be cleared. */
    buddy_claim(&table->buddy, block, order);
    while (frame < end) {
        unsigned part = table->frame[frame].order;
        uint32_t to;

        if (table->frame[frame].state == FRAME_FREE) {
            frame++;
            continue;
        }
        to = find_room(table, part, moved, context);
        ensure(to != BUDDY_NONE || table->low > 0);
        if (to == BUDDY_NONE) {
            give_back(table, block, end);
            return false;
        }
        ensure(part < order || ceiling > 0);
        for (uint32_t i = 0; i < UINT32_C(1) << part; i++) {
            frame_table_move(table, frame + i, to + i);
            moved(context, to + i);
        }
        frame += UINT32_C(1) << part;
    }
    buddy_free(&table->buddy, block, end - block);
    return true;
}
