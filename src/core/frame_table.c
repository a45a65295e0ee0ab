#include "core/frame_table.h"

#include "core/memory.h"

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
    return 0;
}

void frame_table_fini(struct frame_table *table)
{
    memory_free(table->allocator, table->frame, table->frames * sizeof(*table->frame));
    table->frame = NULL;
    buddy_fini(&table->buddy);
}

uint32_t frame_table_take(struct frame_table *table, unsigned order, uint32_t container,
                          uint32_t slot)
{
    uint32_t first = buddy_allocate(&table->buddy, order, table->frames);

    if (first == BUDDY_NONE)
        return BUDDY_NONE;
    for (uint32_t i = 0; i < UINT32_C(1) << order; i++) {
        struct frame *frame = &table->frame[first + i];

        frame->container = container;
        frame->slot = (slot + i) & 0xffffff;
        frame->state = FRAME_USED;
    }
    table->used += UINT32_C(1) << order;
    return first;
}

void frame_table_give(struct frame_table *table, uint32_t frame)
{
    if (table->frame[frame].state == FRAME_SOFT)
        frame_table_harden(table, frame);
    table->frame[frame].state = FRAME_FREE;
    table->used--;
    buddy_free(&table->buddy, frame, 1);
}

void frame_table_soften(struct frame_table *table, uint32_t frame)
{
    struct frame *entry = &table->frame[frame];

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

    if (entry->older != BUDDY_NONE)
        table->frame[entry->older].newer = entry->newer;
    else
        table->soft_oldest = entry->newer;
    if (entry->newer != BUDDY_NONE)
        table->frame[entry->newer].older = entry->older;
    else
        table->soft_newest = entry->older;
    entry->state = FRAME_USED;
    table->soft--;
    table->used++;
}
