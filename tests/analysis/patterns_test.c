/* Scans and loops, put together by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "analysis/patterns.h"

#define MOST 20000u

static struct {
    uint64_t ids[MOST];
    size_t count;
} trace;

static void refer(uint64_t id)
{
    assert_true(trace.count < MOST);
    trace.ids[trace.count++] = id;
}

static void run(uint64_t first, uint64_t step, size_t count)
{
    for (size_t i = 0; i < count; i++)
        refer(first + i * step);
}

static struct patterns find(void)
{
    struct patterns patterns;

    memset(&patterns, 0, sizeof(patterns));
    for (size_t i = 0; i < trace.count; i++) {
        uint64_t ago = 0;

        for (size_t k = 1; k <= i && ago == 0; k++)
            ago = trace.ids[i - k] == trace.ids[i] ? k : 0;
        patterns_add(&patterns, trace.ids[i], ago);
    }
    patterns_end(&patterns);
    return patterns;
}

static int forget(void **state)
{
    (void)state;
    trace.count = 0;
    return 0;
}

static void test_runs_of_equal_steps_are_scans(void **state)
{
    struct patterns p;

    (void)state;
    run(1000, 1, 100);
    refer(7);
    run(90000, (uint64_t)-8, 200); /* down */
    refer(5);
    run(500000, 3, PATTERNS_LEAST - 1); /* too short */
    refer(9);
    run(1000, 1, PATTERNS_LEAST); /* known pages */
    p = find();
    assert_int_equal(p.scans.runs, 3);
    assert_int_equal(p.scans.references, 100 + 200 + PATTERNS_LEAST);
    assert_int_equal(p.fresh, 300);
    assert_int_equal(p.scans.longest, 200);
    assert_int_equal((int64_t)p.scans.measure, -8);
    assert_int_equal(p.loops.runs, 0); /* the end repeats the beginning, but not a whole round */
}

static void test_two_scans_meet_and_share_nothing(void **state)
{
    struct patterns p;

    (void)state;
    run(1000, 1, 100);
    run(1101, 2, 100); /* its first step is from 1099 to 1101: one of two, too */
    p = find();
    assert_int_equal(p.scans.runs, 2);
    assert_int_equal(p.scans.references, 200);
}

static void test_a_repeated_order_is_a_loop(void **state)
{
    static const uint64_t order[] = {5, 900, 3, 77, 1, 4000, 6};
    struct patterns p;

    (void)state;
    for (size_t i = 0; i < 30; i++)
        for (size_t k = 0; k < 7; k++)
            refer(order[k]);
    p = find();
    assert_int_equal(p.loops.runs, 1);
    assert_int_equal(p.loops.measure, 7);
    assert_int_equal(p.loops.references, 29 * 7); /* the first round repeats nothing */
    assert_int_equal(p.scans.runs, 0);
}

/* A hundred references at a distance of 300 are no round. */
static void test_less_than_a_round_is_no_loop(void **state)
{
    struct patterns p;

    (void)state;
    for (uint64_t i = 0; i < 300; i++)
        refer(i * i);
    for (uint64_t i = 0; i < 100; i++)
        refer(i * i);
    p = find();
    assert_int_equal(p.loops.runs, 0);
    forget(NULL);
    for (int round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 300; i++)
            refer(i * i);
    p = find();
    assert_int_equal(p.loops.runs, 1);
    assert_int_equal(p.loops.references, 300);
}

static void test_one_page_again_and_again_is_neither(void **state)
{
    struct patterns p;

    (void)state;
    for (size_t i = 0; i < 500; i++)
        refer(42);
    p = find();
    assert_int_equal(p.repeats, 499);
    assert_int_equal(p.loops.runs, 0);
    assert_int_equal(p.scans.runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_runs_of_equal_steps_are_scans, forget),
        cmocka_unit_test_setup(test_two_scans_meet_and_share_nothing, forget),
        cmocka_unit_test_setup(test_a_repeated_order_is_a_loop, forget),
        cmocka_unit_test_setup(test_less_than_a_round_is_no_loop, forget),
        cmocka_unit_test_setup(test_one_page_again_and_again_is_neither, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
