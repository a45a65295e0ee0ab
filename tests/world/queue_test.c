/* The queue of what will happen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/random.h"
#include "os/heap.h"
#include "world/faults.h"
#include "world/queue.h"

/* Many entries of few times come out by time, and those of one time as they went in. */
static void test_order(void **state)
{
    struct random_source random = random_seeded(5);
    struct queue_entry entry, last = {.when = 0};
    struct queue queue;
    uint32_t in = 0, out = 0;

    (void)state;
    world_queue_init(&queue, &heap_allocator);
    for (uint64_t now = 0; now < 300; now++) {
        for (uint32_t i = random_below(&random, 20); i > 0; i--, in++)
            assert_int_equal(
                world_queue_add(&queue, (struct queue_entry){.when = now + random_below(&random, 7),
                                                             .kind = in}),
                0);
        while (world_queue_take(&queue, now, &entry)) {
            assert_int_equal(entry.when, now);
            if (out++ > 0 && entry.when == last.when)
                assert_true(entry.kind > last.kind);
            last = entry;
        }
        assert_true(world_queue_due(&queue) > now);
    }
    while (world_queue_take(&queue, QUEUE_NEVER, &entry))
        out++;
    assert_int_equal(in, out);
    assert_true(world_queue_due(&queue) == QUEUE_NEVER);
    world_queue_fini(&queue);
}

/* Entries of one time come out in an order of the seed, and all of them; those of other times in theirs. */
static void test_a_shuffled_queue_keeps_the_times(void **state)
{
    uint32_t first[2][60], turned = 0;

    (void)state;
    for (unsigned seed = 0; seed < 2; seed++) {
        struct queue queue;
        struct queue_entry entry;
        uint64_t seen = 0;

        world_queue_init(&queue, &heap_allocator);
        world_queue_shuffle(&queue, random_seeded(seed + 1));
        for (uint32_t i = 0; i < 60; i++)
            assert_int_equal(
                world_queue_add(&queue, (struct queue_entry){.when = i / 20, .kind = i}), 0);
        for (uint32_t i = 0; i < 60; i++) {
            assert_true(world_queue_take(&queue, QUEUE_NEVER, &entry));
            assert_int_equal(entry.when, i / 20);
            seen |= UINT64_C(1) << entry.kind;
            turned += entry.kind != i;
            first[seed][i] = entry.kind;
        }
        assert_true(seen == (UINT64_C(1) << 60) - 1);
        world_queue_fini(&queue);
    }
    assert_true(turned > 60);
    assert_memory_not_equal(first[0], first[1], sizeof first[0]);
}

static void test_nothing_is_lost_without_memory(void **state)
{
    struct faults_memory memory;
    struct queue_entry entry;
    struct queue queue;
    uint32_t in = 0;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    world_queue_init(&queue, &memory.allocator);
    memory.fail_after = 2;
    while (world_queue_add(&queue, (struct queue_entry){.when = 100 - in}) == 0)
        in++;
    assert_true(in > 0);
    assert_int_equal(world_queue_add(&queue, (struct queue_entry){.when = 0}), -ENOMEM);
    for (uint32_t i = 0; i < in; i++) {
        assert_true(world_queue_take(&queue, 100, &entry));
        assert_int_equal(entry.when, 100 - in + 1 + i);
    }
    assert_false(world_queue_take(&queue, 100, &entry));
    world_queue_fini(&queue);
    assert_int_equal(memory.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_a_shuffled_queue_keeps_the_times),
        cmocka_unit_test(test_nothing_is_lost_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
