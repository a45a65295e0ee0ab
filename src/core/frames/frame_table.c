#include "core/frames/frame_table.h"

#include "base/assert.h"
#include "base/memory.h"

int frame_table_init(struct frame_table *table, const struct allocator *allocator, uint32_t frames,
                     unsigned max_order)
{
    int rc;

    *table = (struct frame_table){.allocator = allocator,
                                  .frames = frames,
                                  .soft_oldest = BUDDY_NONE,
                                  .soft_newest = BUDDY_NONE};
    rc = buddy_init(&table->buddy, allocator, frames, max_order);
    if (rc != 0)
        return rc;
    table->frame = memory_new(allocator, frames * sizeof(*table->frame));
    if (table->frame == NULL) {
        buddy_fini(&table->buddy);
        return -ENOMEM;
    }
    check(frame_table_available(table) == frames);
    return 0;
}

void frame_table_fini(struct frame_table *table)
{
    memory_free(table->allocator, table->frame, table->frames * sizeof(*table->frame));
    table->frame = NULL;
    buddy_fini(&table->buddy);
}

uint32_t frame_table_take(struct frame_table *table, unsigned order, uint32_t ceiling,
                          uint32_t container, uint32_t slot)
{
    uint32_t most = ceiling > 0 && ceiling < table->frames ? ceiling : table->frames;
    uint32_t first = buddy_allocate(&table->buddy, order, most);
    uint32_t end = first + (UINT32_C(1) << order);

    if (first == BUDDY_NONE)
        return BUDDY_NONE;
    if (ceiling > 0) {
        ensure(frame_table_may_be_low(table, order));
        table->low += UINT32_C(1) << order;
        table->low_end = table->low_end > end ? table->low_end : end;
    }
    for (uint32_t i = 0; i < UINT32_C(1) << order; i++) {
        struct frame *frame = &table->frame[first + i];

        check(frame->state == FRAME_FREE);
        frame->container = container;
        frame->slot = (slot + i) & 0xffffff;
        frame->state = FRAME_USED;
        frame->order = order & 15;
        frame->low = ceiling > 0;
    }
    table->used += UINT32_C(1) << order;
    return first;
}

/* Take a frame out of its block, which falls into smaller ones. */
static void block_break(struct frame_table *table, uint32_t frame)
{
    unsigned order = table->frame[frame].order;

    check(order <= table->buddy.max_order);
    while (order-- > 0) {
        uint32_t half = UINT32_C(1) << order;
        uint32_t other = (frame ^ half) & ~(half - 1);

        for (uint32_t i = 0; i < half; i++)
            table->frame[other + i].order = order & 15;
    }
    table->frame[frame].order = 0;
}

void frame_table_give(struct frame_table *table, uint32_t frame)
{
    check(frame < table->frames && table->frame[frame].state != FRAME_FREE);
    block_break(table, frame);
    if (table->frame[frame].state == FRAME_SOFT)
        frame_table_harden(table, frame);
    table->frame[frame].state = FRAME_FREE;
    if (table->frame[frame].low) {
        ensure(table->low > 0);
        table->frame[frame].low = 0;
        table->low_end = --table->low > 0 ? table->low_end : 0;
    }
    check(table->used > 0);
    table->used--;
    buddy_free(&table->buddy, frame, 1);
}

/* Make the neighbours of a soft frame in the queue name these instead of it. */
static void soft_relink(struct frame_table *table, const struct frame *entry, uint32_t newer,
                        uint32_t older)
{
    check((entry->older == BUDDY_NONE) ==
              (table->soft_oldest == (uint32_t)(entry - table->frame)) ||
          newer == older);
    if (entry->older != BUDDY_NONE)
        table->frame[entry->older].newer = newer;
    else
        table->soft_oldest = newer;
    if (entry->newer != BUDDY_NONE)
        table->frame[entry->newer].older = older;
    else
        table->soft_newest = older;
}

void frame_table_soften(struct frame_table *table, uint32_t frame)
{
    struct frame *entry = &table->frame[frame];

    check(entry->state == FRAME_USED && table->used > 0);
    entry->state = FRAME_SOFT;
    entry->newer = BUDDY_NONE;
    entry->older = table->soft_newest;
    if (table->soft_newest != BUDDY_NONE)
        table->frame[table->soft_newest].newer = frame;
    else
        table->soft_oldest = frame;
    table->soft_newest = frame;
    table->soft++;
    table->used--;
}

void frame_table_harden(struct frame_table *table, uint32_t frame)
{
    struct frame *entry = &table->frame[frame];

    check(entry->state == FRAME_SOFT && table->soft > 0);
    soft_relink(table, entry, entry->newer, entry->older);
    entry->state = FRAME_USED;
    table->soft--;
    table->used++;
}

void frame_table_move(struct frame_table *table, uint32_t from, uint32_t to)
{
    struct frame *entry = &table->frame[to];

    check(entry->state == FRAME_FREE && table->frame[from].state != FRAME_FREE);
    ensure(!table->frame[from].low);
    *entry = table->frame[from];
    table->frame[from].state = FRAME_FREE;
    table->frame[from].order = 0;
    if (entry->state == FRAME_SOFT)
        soft_relink(table, entry, to, to);
}

/* Whether the block that a frame is part of is one: in a row, in one container. */
static bool block_is_whole(const struct frame_table *table, uint32_t frame)
{
    const struct frame *entry = &table->frame[frame];
    uint32_t first = frame & ~((UINT32_C(1) << entry->order) - 1);
    const struct frame *start = &table->frame[first];

    return entry->order == start->order && entry->container == start->container &&
           entry->slot == start->slot + (frame - first) &&
           first + (UINT32_C(1) << entry->order) <= table->frames;
}

const char *frame_table_check(const struct frame_table *table)
{
    uint32_t counts[FRAME_SOFT + 1] = {0};
    uint32_t queued = 0, low = 0;

    for (uint32_t i = 0; i < table->frames; i++) {
        const struct frame *frame = &table->frame[i];

        if (frame->state > FRAME_SOFT)
            return "a frame in no state";
        counts[frame->state]++;
        low += frame->low;
        if (frame->low && (frame->state == FRAME_FREE || i >= table->low_end))
            return "a low frame is free, or lies too high";
        if ((frame->state == FRAME_FREE) != buddy_is_free(&table->buddy, i))
            return "frame table and buddy allocator disagree on what is free";
        if (frame->state != FRAME_FREE && !block_is_whole(table, i))
            return "a block of frames is not in a row";
    }
    for (uint32_t i = table->soft_oldest; i != BUDDY_NONE; i = table->frame[i].newer)
        queued++;
    if (counts[FRAME_FREE] != table->buddy.free || counts[FRAME_USED] != table->used ||
        counts[FRAME_SOFT] != table->soft || queued != table->soft || low != table->low)
        return "the frame table miscounts";
    return NULL;
}
