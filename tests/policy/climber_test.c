/* Hill climbing, and the window of W-TinyLFU that climbs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "policy/climber.h"
#include "replay_engine.h"
#include "trace_source.h"

/* Hits that come more often for a time, and less often for a time. */
static bool draw_hit(uint64_t *state, uint64_t index, uint32_t frames)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % 100 < 50 + (index / (frames * 45)) % 2 * 20;
}

static void test_steps_are_those_of_caffeine(void **state)
{
    static const struct {
        uint64_t after; /* this reference */
        double by;
    } expected[] = {{199, 2.0},       {400, -2.0},  {601, -1.99},  {803, -2.0},
                    {1004, -1.99},    {1206, -2.0}, {1407, -1.99}, {1609, 1.98005},
                    {1812, -1.97015}, {2016, 2.0},  {2217, 1.99},  {2419, -1.98005}};
    uint64_t random = 1;
    struct climber climber;
    size_t step = 0;

    (void)state;
    climber_init(&climber, 20);
    for (uint64_t i = 0; step < sizeof(expected) / sizeof(expected[0]); i++) {
        double by;

        if (!climber_count(&climber, draw_hit(&random, i, 20)))
            continue;
        by = climber_step(&climber);
        assert_int_equal(i, expected[step].after);
        assert_true(by - expected[step].by < 1e-4 && expected[step].by - by < 1e-4);
        step++;
    }
}

/* A working set that moves wants a window that is large. */
static void test_a_window_that_climbs_misses_less_where_recency_counts(void **state)
{
    struct trace trace;
    uint64_t fixed, climbing;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_true(trace_generate(&trace, "phases", 200000, 5000, 1));
    fixed = replay_run("wtinylfu", trace.references, trace.length, trace.pages, 600, false);
    climbing =
        replay_run("wtinylfu:climb=1", trace.references, trace.length, trace.pages, 600, false);
    trace_fini(&trace);
    if (climbing * 10 > fixed * 9)
        fail_msg("%lu misses, and %lu with a window of one size", (unsigned long)climbing,
                 (unsigned long)fixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_are_those_of_caffeine),
        cmocka_unit_test(test_a_window_that_climbs_misses_less_where_recency_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
