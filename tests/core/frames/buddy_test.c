/* The buddy allocator and its bitmaps against a plain array of owners. */
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
#include "core/frames/buddy.h"
#include "os/heap.h"
#include "world/faults.h"

/* What is found from each number on, and counted, is what testing one by one finds. */
static void expect_next_and_count(const struct bitmap *bitmap)
{
    uint32_t next = BITMAP_NONE;
    uint32_t count = 0;

    for (uint32_t bit = bitmap->bits; bit-- > 0;) {
        if (bitmap_test(bitmap, bit)) {
            next = bit;
            count++;
        }
        assert_int_equal(bitmap_next(bitmap, bit), next);
        if (bit % 128 == 0) {
            if (bit + 128 <= bitmap->bits) {
                assert_int_equal(bitmap_count(bitmap, bit, 128), count);
                assert_int_equal(bitmap_count(bitmap, bit, 8) + bitmap_count(bitmap, bit + 8, 8),
                                 bitmap_count(bitmap, bit, 16));
                assert_int_equal(bitmap_count(bitmap, bit, 1), bitmap_test(bitmap, bit));
            }
            count = 0;
        }
    }
    assert_int_equal(bitmap_next(bitmap, bitmap->bits), BITMAP_NONE);
}

static void test_bitmap(void **state)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 4096, 4097, 300000};
    struct random_source random = random_seeded(1);

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t bits = sizes[s];
        uint64_t *words = calloc(bitmap_words(bits), sizeof(*words));
        struct bitmap bitmap;

        bitmap_init(&bitmap, bits, words);
        assert_int_equal(bitmap_first(&bitmap), BITMAP_NONE);
        bitmap_set(&bitmap, bits - 1);
        assert_int_equal(bitmap_first(&bitmap), bits - 1);
        for (unsigned i = 0; i < 200; i++) {
            uint32_t bit = random_below(&random, bits);
            uint32_t first = bitmap_first(&bitmap);

            bitmap_set(&bitmap, bit);
            bitmap_set(&bitmap, bit); /* twice is once */
            assert_true(bitmap_test(&bitmap, bit));
            assert_int_equal(bitmap_first(&bitmap), bit < first ? bit : first);
        }
        expect_next_and_count(&bitmap);
        while (bitmap_first(&bitmap) != BITMAP_NONE) {
            uint32_t first = bitmap_first(&bitmap);

            bitmap_clear(&bitmap, first);
            bitmap_clear(&bitmap, first);
            assert_false(bitmap_test(&bitmap, first));
            assert_true(bitmap_first(&bitmap) > first);
        }
        free(words);
    }
}

/* A free block must be as large as it can be: a run that is free and aligned can be taken. */
static void expect_merged(const struct buddy *buddy, const bool *used)
{
    for (unsigned order = 1; order <= buddy->max_order; order++) {
        uint32_t size = UINT32_C(1) << order;

        for (uint32_t block = 0; (block + 1) * size <= buddy->frames; block++) {
            bool all_free = true;

            for (uint32_t i = 0; i < size && all_free; i++)
                all_free = !used[block * size + i];
            /* Were it in smaller pieces, its first half would be a block of its own. */
            if (all_free)
                assert_false(bitmap_test(&buddy->free_blocks[order - 1], block * 2) &&
                             bitmap_test(&buddy->free_blocks[order - 1], block * 2 + 1));
        }
    }
}

/* The figure is what looking at each block finds. */
static void expect_fragmentation(const struct buddy *buddy, const bool *used)
{
    uint32_t largest = 0, could = 0;

    for (unsigned order = 0; order <= buddy->max_order; order++) {
        uint32_t size = UINT32_C(1) << order;

        if (size <= buddy->free && size <= buddy->frames)
            could = size;
        for (uint32_t first = 0; first + size <= buddy->frames && largest < size; first += size) {
            uint32_t count = 0;

            while (count < size && !used[first + count])
                count++;
            if (count == size)
                largest = size;
        }
    }
    assert_int_equal(buddy_fragmentation(buddy), could == 0 ? 0 : 1000 - 1000 * largest / could);
}

static void test_random_blocks(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 7, 64, 100, 1000, 1023};
    unsigned steps = RUNNING_ON_VALGRIND ? 300 : 4000;
    struct faults_memory memory;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t frames = sizes[s];
        bool *used = calloc(frames, sizeof(*used));
        struct random_source random = random_seeded(frames);
        struct buddy buddy;
        uint32_t free_count = frames;

        assert_int_equal(buddy_init(&buddy, &memory.allocator, frames, 6), 0);
        for (unsigned step = 0; step < steps; step++) {
            if (random_below(&random, 2)) {
                unsigned order = random_below(&random, 7);
                uint32_t ceiling =
                    random_below(&random, 3) ? frames : random_below(&random, frames + 1);
                uint32_t first = buddy_allocate(&buddy, order, ceiling);

                if (first == BUDDY_NONE)
                    continue;
                assert_int_equal(first % (1u << order), 0);
                assert_true(first + (1u << order) <= ceiling);
                for (uint32_t i = 0; i < 1u << order; i++) {
                    assert_false(used[first + i]);
                    used[first + i] = true;
                }
                free_count -= 1u << order;
            } else { /* free any run of used frames, whatever blocks it came from */
                uint32_t first = random_below(&random, frames);
                uint32_t count = 0;

                while (first + count < frames && used[first + count] && count < 40)
                    used[first + count++] = false;
                if (count == 0)
                    continue;
                buddy_free(&buddy, first, count);
                free_count += count;
            }
            assert_int_equal(buddy.free, free_count);
            expect_fragmentation(&buddy, used);
            if (step % 16 == 0) {
                for (uint32_t i = 0; i < frames; i++)
                    assert_int_equal(buddy_is_free(&buddy, i), !used[i]);
                expect_merged(&buddy, used);
            }
        }
        buddy_fini(&buddy);
        free(used);
    }
    assert_int_equal(memory.bytes, 0);
}

static void test_rules(void **state)
{
    struct faults_memory memory;
    struct buddy buddy;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    assert_int_equal(buddy_init(&buddy, &memory.allocator, 0, 4), -EINVAL);
    assert_int_equal(buddy_init(&buddy, &memory.allocator, BUDDY_FRAMES_MAX + 1, 4), -EINVAL);
    assert_int_equal(buddy_init(&buddy, &memory.allocator, 16, BUDDY_MAX_ORDER + 1), -EINVAL);
    memory.fail_after = 0;
    assert_int_equal(buddy_init(&buddy, &memory.allocator, 16, 4), -ENOMEM);
    memory.fail_after = UINT64_MAX;

    assert_int_equal(buddy_init(&buddy, &memory.allocator, 24, 4), 0);
    /* The lowest of the smallest blocks that fit: 16..23 is split before 0..15 is. */
    assert_int_equal(buddy_allocate(&buddy, 0, 24), 16);
    assert_int_equal(buddy_allocate(&buddy, 2, 24), 20);
    /* Below a ceiling: 17, 18 and 19 are free, but lie too high. */
    assert_int_equal(buddy_allocate(&buddy, 0, 10), 0);
    assert_int_equal(buddy_allocate(&buddy, 3, 15), BUDDY_NONE);
    assert_int_equal(buddy_allocate(&buddy, 3, 16), 8);
    /* Half of a block goes back, and is had again. */
    buddy_free(&buddy, 12, 4);
    assert_int_equal(buddy_allocate(&buddy, 2, 24), 4);
    assert_int_equal(buddy_allocate(&buddy, 2, 24), 12);
    assert_int_equal(buddy_allocate(&buddy, 2, 24), BUDDY_NONE);
    buddy_fini(&buddy);
    assert_int_equal(memory.bytes, 0);
}

static void test_memory(void **state)
{
    struct faults_memory memory;
    struct buddy buddy;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    assert_int_equal(buddy_init(&buddy, &memory.allocator, 1000000, 10), 0);
    assert_true(memory.bytes < 1000000 / 3);
    buddy_fini(&buddy);
    assert_int_equal(memory.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmap),
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
