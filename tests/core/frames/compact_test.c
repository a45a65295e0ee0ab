/* Compaction: frames in random blocks of all orders come and go, softly or not; whatever is left, as
 * many free frames as a block has make one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <errno.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "core/frames/compact.h"
#include "os/heap.h"
#include "world/faults.h"

#define SLOTS 4096u

/* One container whose slots know their frames, as containers do. */
struct stage {
    struct faults_memory memory;
    struct frame_table table;
    uint32_t frame_of[SLOTS]; /* or BUDDY_NONE */
    uint32_t moved;
};

static void start(struct stage *stage, uint32_t frames, unsigned max_order)
{
    faults_memory_init(&stage->memory, &heap_allocator);
    assert_int_equal(frame_table_init(&stage->table, &stage->memory.allocator, frames, max_order),
                     0);
    for (uint32_t i = 0; i < SLOTS; i++)
        stage->frame_of[i] = BUDDY_NONE;
    stage->moved = 0;
}

static void end(struct stage *stage)
{
    frame_table_fini(&stage->table);
    assert_int_equal(stage->memory.bytes, 0);
}

static void on_moved(void *context, uint32_t frame)
{
    struct stage *stage = context;
    uint32_t slot = stage->table.frame[frame].slot;

    assert_int_not_equal(stage->frame_of[slot], frame);
    assert_int_equal(stage->table.frame[frame].low, 0);
    stage->frame_of[slot] = frame;
    stage->moved++;
}

static void expect_books(const struct stage *stage)
{
    const char *wrong = frame_table_check(&stage->table);
    uint32_t named = 0;

    if (wrong != NULL)
        fail_msg("%s", wrong);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const struct frame *frame;

        if (stage->frame_of[slot] == BUDDY_NONE)
            continue;
        frame = &stage->table.frame[stage->frame_of[slot]];
        assert_int_not_equal(frame->state, FRAME_FREE);
        assert_int_equal(frame->slot, slot);
        named++;
    }
    assert_int_equal(named, stage->table.used + stage->table.soft);
}

/* Take a block for the slots from `slot`, by compaction if need be. */
static void take(struct stage *stage, unsigned order, uint32_t slot)
{
    uint32_t free = stage->table.buddy.free;
    uint32_t moved = stage->moved;
    uint32_t frame = frame_table_take(&stage->table, order, 0, 1, slot);

    if (frame == BUDDY_NONE) {
        assert_true(compact(&stage->table, order, 0, on_moved, stage));
        assert_int_equal(stage->table.buddy.free, free);
        assert_in_range(stage->moved - moved, 1, order << order);
        frame = frame_table_take(&stage->table, order, 0, 1, slot);
    }
    assert_int_not_equal(frame, BUDDY_NONE);
    for (uint32_t i = 0; i < 1u << order; i++)
        stage->frame_of[slot + i] = frame + i;
}

static void give(struct stage *stage, uint32_t slot)
{
    frame_table_give(&stage->table, stage->frame_of[slot]);
    stage->frame_of[slot] = BUDDY_NONE;
}

/* Holes in a row from `slot`. */
static uint32_t holes(const struct stage *stage, uint32_t slot)
{
    uint32_t count = 0;

    while (slot + count < SLOTS && stage->frame_of[slot + count] == BUDDY_NONE)
        count++;
    return count;
}

/* Give, soften or harden up to `count` frames from `slot`. */
static void change(struct stage *stage, struct random_source *random, uint32_t slot, uint32_t count)
{
    unsigned what = random_below(random, 4);

    for (uint32_t i = slot; i < slot + count && i < SLOTS; i++) {
        uint32_t frame = stage->frame_of[i];

        if (frame == BUDDY_NONE)
            continue;
        if (what <= 1)
            give(stage, i);
        else if (what == 2 && stage->table.frame[frame].state == FRAME_USED)
            frame_table_soften(&stage->table, frame);
        else if (what == 3 && stage->table.frame[frame].state == FRAME_SOFT)
            frame_table_harden(&stage->table, frame);
    }
}

static void test_random_blocks(void **state)
{
    static const uint32_t sizes[] = {1, 2, 7, 64, 100, 333, 1023, 1024};
    const unsigned steps = RUNNING_ON_VALGRIND ? 200 : 4000;
    struct stage *stage = calloc(1, sizeof(*stage));
    uint64_t moved = 0;

    (void)state;
    assert_non_null(stage);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct random_source random = random_seeded(s + 1);
        const unsigned max_order = s % 2 == 0 ? 10 : 5;

        start(stage, sizes[s], max_order);
        for (unsigned step = 0; step < steps; step++) {
            unsigned order = random_below(&random, max_order + 1);
            uint32_t slot = random_below(&random, SLOTS);

            if (random_below(&random, 3) == 0)
                change(stage, &random, slot, 1 + random_below(&random, 600));
            /* The theorem: free frames are all it takes. */
            else if (1u << order <= stage->table.buddy.free && holes(stage, slot) >= 1u << order)
                take(stage, order, slot);
            expect_books(stage);
        }
        moved += stage->moved;
        end(stage);
    }
    assert_true(moved > steps);
    free(stage);
}

/* Single frames are taken from 64 and some given back: the block with the fewest is cleared. */
static void test_the_fewest_move(void **state)
{
    static const uint32_t kept_of_16[] = {12, 5, 3, 9};
    struct stage *stage = calloc(1, sizeof(*stage));
    uint32_t third[3];

    (void)state;
    assert_non_null(stage);
    start(stage, 64, 6);
    for (uint32_t slot = 0; slot < 64; slot++)
        take(stage, 0, slot);
    for (uint32_t slot = 0; slot < 64; slot++)
        if (slot % 16 >= kept_of_16[slot / 16])
            give(stage, slot);
    for (uint32_t i = 0; i < 3; i++)
        third[i] = stage->frame_of[32 + i];
    take(stage, 4, 1000);
    assert_int_equal(stage->moved, 3);
    assert_int_equal(stage->frame_of[1000], 32);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(stage->frame_of[32 + i], third[i]);
    expect_books(stage);
    end(stage);
    free(stage);
}

/* What was taken as a block moves as one, even if others have to move out of its way. */
static void test_blocks_move_whole(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    (void)state;
    assert_non_null(stage);
    start(stage, 16, 4);
    take(stage, 3, 0); /* frames 0..7 */
    take(stage, 1, 8); /* 8 and 9 */
    for (uint32_t slot = 10; slot < 16; slot++)
        take(stage, 0, slot);
    give(stage, 10);
    give(stage, 11);
    give(stage, 1);
    give(stage, 5);
    /* 8 and 9 are in the way of 8..11. They need two frames in a row, and so one of 0 and 4 goes. */
    take(stage, 2, 100);
    assert_int_equal(stage->frame_of[100], 8);
    assert_int_equal(stage->moved, 3);
    assert_int_equal(stage->frame_of[9], stage->frame_of[8] + 1);
    assert_int_equal(stage->frame_of[8] % 2, 0);
    assert_int_equal(stage->table.frame[stage->frame_of[8]].order, 1);
    /* What was left of 0..7 are blocks still. */
    assert_int_equal(stage->frame_of[3], stage->frame_of[2] + 1);
    assert_int_equal(stage->frame_of[7], stage->frame_of[6] + 1);
    expect_books(stage);
    end(stage);
    free(stage);
}

/* A soft frame that moves keeps its place in the queue. */
static void test_soft_frames_keep_their_turn(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    static const uint32_t turns[] = {5, 1, 3, 7};

    (void)state;
    assert_non_null(stage);
    start(stage, 16, 4);
    for (uint32_t slot = 0; slot < 16; slot++)
        take(stage, 0, slot);
    for (size_t i = 0; i < 4; i++)
        frame_table_soften(&stage->table, stage->frame_of[turns[i]]);
    for (uint32_t slot = 0; slot < 16; slot += 2)
        give(stage, slot);
    take(stage, 3, 100);
    assert_int_equal(stage->moved, 4);
    for (size_t i = 0; i < 4; i++) {
        uint32_t oldest = stage->table.soft_oldest;

        assert_int_equal(stage->table.frame[oldest].slot, turns[i]);
        give(stage, turns[i]);
        expect_books(stage);
    }
    end(stage);
    free(stage);
}

/* Take a block for the slots from `slot` below a ceiling. False if none can be made. */
static bool take_below(struct stage *stage, unsigned order, uint32_t ceiling, uint32_t slot)
{
    uint32_t free = stage->table.buddy.free;
    uint32_t frame = frame_table_take(&stage->table, order, ceiling, 1, slot);

    if (frame == BUDDY_NONE && compact(&stage->table, order, ceiling, on_moved, stage))
        frame = frame_table_take(&stage->table, order, ceiling, 1, slot);
    assert_int_equal(stage->table.buddy.free, free - (frame != BUDDY_NONE ? 1u << order : 0));
    for (uint32_t i = 0; frame != BUDDY_NONE && i < 1u << order; i++)
        stage->frame_of[slot + i] = frame + i;
    assert_true(frame == BUDDY_NONE || ceiling == 0 || frame + (1u << order) <= ceiling);
    return frame != BUDDY_NONE;
}

/* All that is below the ceiling is held, and moves elsewhere: nothing could be taken there before. */
static void test_what_is_below_a_ceiling_is_cleared(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    (void)state;
    assert_non_null(stage);
    start(stage, 64, 6);
    take(stage, 1, 100); /* frames 0 and 1 */
    for (uint32_t slot = 0; slot < 62; slot++)
        take(stage, 0, slot);
    for (uint32_t slot = 54; slot < 62; slot++)
        give(stage, slot);
    assert_int_equal(frame_table_take(&stage->table, 0, 4, 1, 200), BUDDY_NONE);
    assert_true(take_below(stage, 1, 4, 200)); /* the block of two moves, or two single frames */
    assert_true(take_below(stage, 0, 4, 202));
    assert_true(take_below(stage, 0, 4, 203));
    assert_false(frame_table_may_be_low(&stage->table, 0)); /* a sixteenth of 64 */
    assert_int_equal(stage->frame_of[101], stage->frame_of[100] + 1);
    expect_books(stage);
    /* Low frames stay where they are, and a block is made beside them. */
    for (uint32_t slot = 30; slot < 54; slot++)
        give(stage, slot);
    take(stage, 4, 300);
    assert_true(stage->frame_of[200] < 4 && stage->frame_of[202] < 4 && stage->frame_of[203] < 4);
    /* With one in each block there is none to be made. */
    for (uint32_t i = 0; i < 4; i++)
        give(stage, 200 + i);
    assert_int_equal(stage->table.low, 0);
    expect_books(stage);
    end(stage);
    free(stage);
}

static void test_random_blocks_below_ceilings(void **state)
{
    const unsigned steps = RUNNING_ON_VALGRIND ? 300 : 6000;
    struct stage *stage = calloc(1, sizeof(*stage));
    unsigned served = 0, refused = 0;

    (void)state;
    assert_non_null(stage);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct random_source random = random_seeded(seed);

        start(stage, 1023, 8);
        for (unsigned step = 0; step < steps; step++) {
            unsigned order = random_below(&random, 9);
            uint32_t slot = random_below(&random, SLOTS);
            uint32_t ceiling = random_below(&random, 3) == 0 ? 1 + random_below(&random, 300) : 0;

            if (random_below(&random, 3) == 0) {
                change(stage, &random, slot, 1 + random_below(&random, 600));
            } else if (1u << order <= stage->table.buddy.free &&
                       holes(stage, slot) >= 1u << order &&
                       (ceiling == 0 || frame_table_may_be_low(&stage->table, order))) {
                bool taken = take_below(stage, order, ceiling, slot);

                served += taken;
                refused += !taken;
                assert_true(taken || order > 0 || ceiling > 0); /* one frame is always to be had */
            }
            expect_books(stage);
        }
        end(stage);
    }
    assert_true(served > 10 * refused && refused > 0);
    free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_the_fewest_move),
        cmocka_unit_test(test_blocks_move_whole),
        cmocka_unit_test(test_soft_frames_keep_their_turn),
        cmocka_unit_test(test_what_is_below_a_ceiling_is_cleared),
        cmocka_unit_test(test_random_blocks_below_ceilings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
