/* Deadlines, handles, the frame table and containers, each against the simplest model there is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <stdlib.h>
#include <errno.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "base/deadlines.h"
#include "core/frames/frame_table.h"
#include "base/handles.h"
#include "core/containers/container.h"
#include "os/heap.h"
#include "world/faults.h"

static void test_deadlines(void **state)
{
    enum { COUNT = 100 };
    struct deadline member[COUNT] = {{0}};
    struct random_source random = random_seeded(7);
    struct deadlines deadlines;
    struct faults_memory memory;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    deadlines_init(&deadlines, &memory.allocator);
    assert_null(deadlines_first(&deadlines));
    assert_int_equal(deadlines_reserve(&deadlines, COUNT), 0);
    for (unsigned step = 0; step < (RUNNING_ON_VALGRIND ? 500u : 20000u); step++) {
        struct deadline *one = &member[random_below(&random, COUNT)];
        uint64_t least = UINT64_MAX;
        struct deadline *first;

        if (random_below(&random, 3) > 0)
            deadlines_start(&deadlines, one, random_below(&random, 50));
        else if (random_below(&random, 2) > 0)
            deadlines_start(&deadlines, one, DEADLINE_NEVER);
        else
            deadlines_stop(&deadlines, one);
        for (unsigned i = 0; i < COUNT; i++)
            if (deadline_is_running(&member[i]) && member[i].when < least)
                least = member[i].when;
        first = deadlines_first(&deadlines);
        if (first == NULL)
            assert_int_equal(least, UINT64_MAX);
        else
            assert_int_equal(first->when, least);
        assert_true(deadlines_are_in_order(&deadlines));
    }
    deadlines_first(&deadlines)->when += 100;
    assert_false(deadlines_are_in_order(&deadlines));
    deadlines_first(&deadlines)->when -= 100;
    for (unsigned i = 0; i < COUNT; i++)
        deadlines_stop(&deadlines, &member[i]);
    assert_int_equal(deadlines.running, 0);
    deadlines_unreserve(&deadlines, COUNT);
    deadlines_fini(&deadlines);
    memory.fail_after = 0;
    assert_int_equal(deadlines_reserve(&deadlines, 1), -ENOMEM);
    assert_int_equal(deadlines.reserved, 0);
    assert_int_equal(memory.bytes, 0);
}

static void test_handles(void **state)
{
    struct handles handles;
    struct faults_memory memory;
    uint32_t old;
    int a, b, c;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    handles_init(&handles, &memory.allocator);
    assert_null(handles_object(&handles, 0));
    assert_null(handles_object(&handles, 1));
    assert_int_equal(handles_new(&handles, &a), 1);
    assert_int_equal(handles_new(&handles, &b), 2);
    assert_ptr_equal(handles_object(&handles, 1), &a);
    assert_null(handles_object(&handles, 3));
    assert_null(handles_object(&handles, UINT32_MAX));
    handles_free(&handles, 1);
    assert_null(handles_object(&handles, 1));
    old = handles_new(&handles, &c);
    assert_int_not_equal(old, 1); /* a stale number names nothing */
    assert_null(handles_object(&handles, 1));
    assert_ptr_equal(handles_object(&handles, old), &c);
    for (unsigned i = 0; i < 4095; i++) {
        handles_free(&handles, old);
        old = handles_new(&handles, &c);
        assert_int_not_equal(old, 0);
    }
    assert_int_equal(old, 1); /* generations come round */
    memory.fail_after = 0;
    for (unsigned i = 0; i < 6; i++)
        assert_int_not_equal(handles_new(&handles, &a), 0);
    assert_int_equal(handles_new(&handles, &a), 0);
    handles_fini(&handles);
    assert_int_equal(memory.bytes, 0);
}

static void test_soft_frames_leave_oldest_first(void **state)
{
    struct frame_table table;
    struct faults_memory memory;
    uint32_t frame[4];

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    assert_int_equal(frame_table_init(&table, &memory.allocator, 8, 3), 0);
    for (unsigned i = 0; i < 4; i++)
        frame[i] = frame_table_take(&table, 0, 0, 5, 100 + i);
    assert_int_equal(frame_table_take(&table, 2, 0, 5, 200), 4);
    assert_int_equal(frame_table_take(&table, 0, 0, 5, 300), BUDDY_NONE);
    assert_int_equal(frame_table_available(&table), 0);
    frame_table_soften(&table, frame[2]);
    frame_table_soften(&table, frame[0]);
    frame_table_soften(&table, frame[3]);
    assert_int_equal(frame_table_available(&table), 3);
    assert_int_equal(table.soft_oldest, frame[2]);
    frame_table_harden(&table, frame[0]); /* from the middle */
    assert_int_equal(table.soft_oldest, frame[2]);
    frame_table_give(&table, frame[2]);
    assert_int_equal(table.soft_oldest, frame[3]);
    assert_int_equal(table.frame[frame[3]].slot, 103);
    frame_table_give(&table, frame[3]);
    assert_int_equal(table.soft_oldest, BUDDY_NONE);
    assert_int_equal(table.used, 6);
    assert_int_equal(table.buddy.free, 2);
    frame_table_fini(&table);
    assert_int_equal(memory.bytes, 0);
}

static void test_container_grows_where_it_is_used(void **state)
{
    struct container *container;
    struct extent *extent;
    struct faults_memory memory;
    size_t empty;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    assert_null(container_new(&memory.allocator, 0));
    assert_null(container_new(&memory.allocator, CONTAINER_SLOTS_MAX + 1));
    container = container_new(&memory.allocator, 1 << 20);
    assert_true(memory.bytes < 256);
    empty = memory.bytes;
    assert_int_equal(container_skip(container, 0), 1 << 20);
    assert_null(container_extent(container, 12345));

    extent = container_extent_make(&memory.allocator, container, 700000);
    assert_ptr_equal(container_extent_make(&memory.allocator, container, 700001), extent);
    assert_ptr_equal(container_extent(container, 700000), extent);
    assert_int_equal(extent->number, 700000 / EXTENT_PAGES);
    assert_int_equal(container_skip(container, 0), extent->number * EXTENT_PAGES);
    assert_int_equal(container_skip(container, 700000), 700000);
    assert_int_equal(container_skip(container, (extent->number + 1) * EXTENT_PAGES), 1 << 20);
    container_slot_fill(container, extent, 700000, 77);
    assert_true(slot_is_allocated(extent_slot(extent, 700000)));
    container_extent_trim(&memory.allocator, container, 700000); /* in use: stays */
    assert_ptr_equal(container_extent(container, 700000), extent);
    container_slot_soften(container, extent, 700000);
    assert_int_equal(container->soft, 1);
    assert_int_equal(extent->allocated, 0);
    container_slot_harden(container, extent, 700000);
    container_slot_clear(container, extent, 700000);
    container_extent_trim(&memory.allocator, container, 700000);
    assert_int_equal(memory.bytes, empty);
    container_free(&memory.allocator, &container);
    assert_null(container);

    /* The last extent is as short as the container; without memory nothing is left behind. */
    container = container_new(&memory.allocator, 300);
    assert_int_equal(container_extent_make(&memory.allocator, container, 299)->pages, 44);
    memory.fail_after = 0;
    assert_null(container_extent_make(&memory.allocator, container, 0));
    memory.fail_after = UINT64_MAX;
    container_free(&memory.allocator, &container);
    container = container_new(&memory.allocator, 1 << 20);
    memory.fail_after = 1;
    assert_null(container_extent_make(&memory.allocator, container, 0));
    assert_int_equal(memory.bytes, empty);
    container_free(&memory.allocator, &container);
    container_free(&memory.allocator, &container);
    assert_int_equal(memory.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_soft_frames_leave_oldest_first),
        cmocka_unit_test(test_container_grows_where_it_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
