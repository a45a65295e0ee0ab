#include "core/frames/buddy.h"

#include "base/assert.h"
#include "base/memory.h"

int buddy_init(struct buddy *buddy, const struct allocator *allocator, uint32_t frames,
               unsigned max_order)
{
    size_t words = 0;
    uint64_t *next;

    if (frames == 0 || frames > BUDDY_FRAMES_MAX || max_order > BUDDY_MAX_ORDER)
        return -EINVAL;
    *buddy = (struct buddy){.allocator = allocator, .frames = frames, .max_order = max_order};
    for (unsigned order = 0; order <= max_order; order++)
        words += bitmap_words(frames >> order);
    buddy->words_size = words * sizeof(*next);
    buddy->words = memory_new(allocator, buddy->words_size);
    if (buddy->words == NULL)
        return -ENOMEM;
    next = buddy->words;
    for (unsigned order = 0; order <= max_order; order++) {
        bitmap_init(&buddy->free_blocks[order], frames >> order, next);
        next += bitmap_words(frames >> order);
    }
    buddy_free(buddy, 0, frames);
    check(buddy->free == frames);
    return 0;
}

void buddy_fini(struct buddy *buddy)
{
    memory_free(buddy->allocator, buddy->words, buddy->words_size);
    buddy->words = NULL;
}

uint32_t buddy_allocate(struct buddy *buddy, unsigned order, uint32_t ceiling)
{
    check(order <= buddy->max_order && ceiling <= buddy->frames);
    for (unsigned from = order; from <= buddy->max_order; from++) {
        uint32_t block = bitmap_first(&buddy->free_blocks[from]);
        uint32_t frame;

        if (block == BITMAP_NONE)
            continue;
        frame = block << from;
        if (ceiling < (UINT32_C(1) << order) || frame > ceiling - (UINT32_C(1) << order))
            continue;
        bitmap_clear(&buddy->free_blocks[from], block);
        while (from > order) {
            from--;
            bitmap_set(&buddy->free_blocks[from], (frame >> from) + 1);
        }
        check(buddy->free >= UINT32_C(1) << order);
        buddy->free -= UINT32_C(1) << order;
        check(frame % (UINT32_C(1) << order) == 0 && frame < buddy->frames);
        return frame;
    }
    return BUDDY_NONE;
}

static void free_block(struct buddy *buddy, uint32_t frame, unsigned order)
{
    uint32_t block = frame >> order;

    check(block < buddy->free_blocks[order].bits &&
          !bitmap_test(&buddy->free_blocks[order], block));
    while (order < buddy->max_order) {
        struct bitmap *level = &buddy->free_blocks[order];

        if ((block ^ 1) >= level->bits || !bitmap_test(level, block ^ 1))
            break;
        bitmap_clear(level, block ^ 1);
        block >>= 1;
        order++;
    }
    bitmap_set(&buddy->free_blocks[order], block);
}

void buddy_free(struct buddy *buddy, uint32_t frame, uint32_t count)
{
    check(count <= buddy->frames - buddy->free && frame <= buddy->frames - count);
    buddy->free += count;
    while (count > 0) {
        unsigned order = frame == 0 ? buddy->max_order : (unsigned)__builtin_ctz(frame);

        if (order > buddy->max_order)
            order = buddy->max_order;
        while ((UINT32_C(1) << order) > count)
            order--;
        free_block(buddy, frame, order);
        frame += UINT32_C(1) << order;
        count -= UINT32_C(1) << order;
    }
}

uint32_t buddy_next(const struct buddy *buddy, uint32_t frame, unsigned order)
{
    uint32_t next = BUDDY_NONE;

    check(order <= buddy->max_order);

    for (unsigned i = 0; i < order; i++) {
        uint32_t block = bitmap_next(&buddy->free_blocks[i], frame >> i);

        if (block != BITMAP_NONE && block << i < next)
            next = block << i;
    }
    return next;
}

uint32_t buddy_count(const struct buddy *buddy, uint32_t frame, unsigned order)
{
    uint32_t count = 0;

    check(frame % (UINT32_C(1) << order) == 0);
    for (unsigned i = 0; i < order; i++)
        count += bitmap_count(&buddy->free_blocks[i], frame >> i, UINT32_C(1) << (order - i)) << i;
    return count;
}

void buddy_claim(struct buddy *buddy, uint32_t frame, unsigned order)
{
    ensure(frame % (UINT32_C(1) << order) == 0 && frame < buddy->frames);
    for (unsigned i = 0; i < order; i++) {
        struct bitmap *level = &buddy->free_blocks[i];
        uint32_t end = (frame >> i) + (UINT32_C(1) << (order - i));
        uint32_t block = frame >> i;

        while ((block = bitmap_next(level, block)) < end) {
            bitmap_clear(level, block);
            buddy->free -= UINT32_C(1) << i;
        }
    }
}

uint32_t buddy_fragmentation(const struct buddy *buddy)
{
    unsigned could = buddy->max_order, is = buddy->max_order;

    if (buddy->free == 0)
        return 0;
    while (UINT32_C(1) << could > buddy->free || buddy->frames >> could == 0)
        could--;
    while (is > 0 && bitmap_first(&buddy->free_blocks[is]) == BITMAP_NONE)
        is--;
    check(is <= could);
    return 1000 - (1000u >> (could - is));
}

bool buddy_is_free(const struct buddy *buddy, uint32_t frame)
{
    check(frame < buddy->frames);
    for (unsigned order = 0; order <= buddy->max_order; order++)
        if (frame >> order < buddy->free_blocks[order].bits &&
            bitmap_test(&buddy->free_blocks[order], frame >> order))
            return true;
    return false;
}
