/* What `selfpage bench contracts` calls fair, what its tasks would use, and whether it calls a figure a
 * measurement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selfpage/bench/bench.h"
#include "selfpage/bench/demand.h"
#include "selfpage/bench/fair.h"
#include "selfpage/bench/load.h"
#include "selfpage/bench/machine.h"

#define SECOND UINT64_C(1000000000)

static void expect_shares(const uint32_t *demand, const uint32_t *weight, uint32_t frames,
                          const double *expected)
{
    double share[3];

    fair_shares(demand, weight, 3, frames, share);
    for (unsigned i = 0; i < 3; i++)
        assert_true(share[i] > expected[i] - 1e-6 && share[i] < expected[i] + 1e-6);
}

/* Two tasks over 100 samples: the first holds `from` frames at the beginning and `to` at the end, and would use as
 * many more. */
static bool has_settled(enum demand_kind kind, uint32_t from, uint32_t to, uint32_t more)
{
    struct bench_options options = {.tasks = 2, .demand = {.kind = kind}};
    struct bench_result *result = calloc(1, sizeof(*result));
    bool settled;

    assert_non_null(result);
    result->frames = 1000;
    result->samples = BENCH_SAMPLES;
    result->use = calloc((size_t)2 * BENCH_SAMPLES, sizeof(*result->use));
    assert_non_null(result->use);
    for (uint32_t i = 0; i < BENCH_SAMPLES; i++) {
        uint32_t held = from + (to - from) * i / BENCH_SAMPLES;

        result->use[i] = (struct bench_use){held, held + more};
    }
    assert_int_equal(bench_use_finish(&options, result), 0);
    settled = !result->rising;
    free(result->use);
    free(result);
    return settled;
}

/* Where demands change, so does what is held; a load has not settled while tasks lack what they could have. */
static void use_has_settled_when_tasks_have_what_they_can(void **state)
{
    struct bench_filling none = {0};
    struct bench_options changing = {.demand = {.kind = DEMAND_BURSTS}};

    (void)state;
    assert_true(has_settled(DEMAND_NONE, 500, 500, 0));
    assert_false(has_settled(DEMAND_NONE, 100, 500, 0));
    assert_true(has_settled(DEMAND_BURSTS, 100, 500, 0));       /* it has all that it wants */
    assert_false(has_settled(DEMAND_BURSTS, 100, 500, 500));    /* it lacks less and less */
    assert_true(bench_use_filled(&none, &changing, 1000) == 1); /* nobody lacks anything */
}

static void shares_are_weighted_and_no_more_than_demands(void **state)
{
    static const uint32_t equal[] = {1, 1, 1}, weight[] = {1, 2, 1};

    (void)state;
    expect_shares((uint32_t[]){100, 100, 100}, equal, 300, (double[]){100, 100, 100});
    expect_shares((uint32_t[]){100, 100, 100}, equal, 150, (double[]){50, 50, 50});
    expect_shares((uint32_t[]){10, 100, 100}, equal, 150, (double[]){10, 70, 70});
    expect_shares((uint32_t[]){100, 100, 0}, weight, 90, (double[]){30, 60, 0});
    expect_shares((uint32_t[]){0, 0, 0}, weight, 90, (double[]){0, 0, 0});
}

/* Nothing was refused: however different the demands are, that is fair. Frames without use do not count. */
static void an_index_of_one_is_fair(void **state)
{
    static const uint32_t demand[] = {10, 200, 0};
    double share[3];

    (void)state;
    fair_shares(demand, (uint32_t[]){1, 1, 1}, 3, 300, share);
    assert_true(fair_index((uint32_t[]){10, 200, 0}, demand, share, 3) > 0.999999);
    assert_true(fair_index((uint32_t[]){50, 200, 50}, demand, share, 3) > 0.999999);
    assert_true(fair_index((uint32_t[]){10, 0, 290}, demand, share, 3) < 0.500001);
}

/* Three steps of two tasks, in any order; the third task is as the first. */
static void demands_come_from_a_file(void **state)
{
    struct demand demand = {.mean = 100};
    struct demand_course course[3] = {{.begun = false}};
    char path[] = "/tmp/selfpage-demand-XXXXXX";
    struct sp_error error;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    dprintf(fd, "# seconds task frames\n2,0,70\n0.5 0 10\n\n1\t1\t300 # later\n");
    close(fd);
    assert_int_equal(demand_parse(&demand, path, &error), 0);
    unlink(path);
    assert_int_equal(demand_at(&demand, &course[0], 0, 0), 0);
    assert_int_equal(demand_at(&demand, &course[0], 0, SECOND / 2), 10);
    assert_int_equal(demand_at(&demand, &course[0], 0, 5 * SECOND), 70);
    assert_int_equal(demand_at(&demand, &course[1], 1, SECOND / 2), 0);
    assert_int_equal(demand_at(&demand, &course[1], 1, SECOND), 300);
    assert_int_equal(demand_at(&demand, &course[2], 2, SECOND), 10);
    demand_fini(&demand);
}

static void a_wrong_line_is_named(void **state)
{
    struct demand demand = {.mean = 100};
    char path[] = "/tmp/selfpage-demand-XXXXXX";
    struct sp_error error;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    dprintf(fd, "0 0 10\n1 0 ten\n");
    close(fd);
    assert_int_not_equal(demand_parse(&demand, path, &error), 0);
    assert_non_null(strstr(error.text, ":2: "));
    unlink(path);
    demand_fini(&demand);
    assert_int_not_equal(demand_parse(&demand, "burst", &error), 0);
    assert_non_null(strstr(error.text, "neither constant, bursts nor phases"));
    demand_fini(&demand);
}

/* The mean of many tasks over a long time is what the options say; a course depends on its seed. */
static void courses_keep_the_mean(void **state)
{
    static const char *const kinds[] = {"constant", "bursts", "phases"};

    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct demand demand = {.mean = 1000, .seed = 3};
        double sum = 0;

        assert_int_equal(demand_parse(&demand, kinds[kind], NULL), 0);
        for (uint32_t task = 0; task < 400; task++) {
            struct demand_course course = {.begun = false}, again = {.begun = false};

            for (uint64_t ns = 0; ns < 20 * SECOND; ns += SECOND) {
                uint32_t frames = demand_at(&demand, &course, task, ns);

                assert_int_equal(demand_at(&demand, &again, task, ns), frames);
                sum += frames;
            }
        }
        assert_in_range(sum / 400 / 20, 920, 1080);
    }
}

/* Processes of the benchmark may wait for each other; what others took counts as foreign. */
static void a_machine_of_ours_is_told_from_a_shared_one(void **state)
{
    struct machine machine = {.readings = 2, .at_ns = {0, SECOND}};

    (void)state;
    machine_watch(&machine, 1, 0);
    machine_watch(&machine, 2, 0);
    machine.process[0].ran_ns[1] = 6 * SECOND / 10;
    machine.process[0].waited_ns[1] = 4 * SECOND / 10;
    machine.process[1].ran_ns[1] = 4 * SECOND / 10;
    machine.process[1].waited_ns[1] = 6 * SECOND / 10;
    assert_true(machine_was_ours(&machine));
    assert_true(machine_taken(&machine) == 0);
    machine.process[1].waited_ns[1] = 7 * SECOND / 10;
    assert_true(machine_taken(&machine) > 0.0999 && machine_taken(&machine) < 0.1001);
    assert_false(machine_was_ours(&machine));
    machine.process[1].waited_ns[1] = 6 * SECOND / 10;
    machine.stolen_ns[1] = SECOND / 10; /* by the host */
    assert_false(machine_was_ours(&machine));
    machine.stolen_ns[1] = 0;
    machine.unknown = true;
    assert_false(machine_was_ours(&machine));
}

static void readings_are_of_this_process(void **state)
{
    struct machine machine = {.readings = 0};

    (void)state;
    machine_watch(&machine, getpid(), 0);
    machine_read(&machine);
    machine_read(&machine);
    if (!machine.unknown)
        assert_true(machine.process[0].ran_ns[1] >= machine.process[0].ran_ns[0]);
    assert_true(machine.at_ns[1] >= machine.at_ns[0]);
    assert_true(machine_pressure(&machine) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_has_settled_when_tasks_have_what_they_can),
        cmocka_unit_test(shares_are_weighted_and_no_more_than_demands),
        cmocka_unit_test(an_index_of_one_is_fair),
        cmocka_unit_test(demands_come_from_a_file),
        cmocka_unit_test(a_wrong_line_is_named),
        cmocka_unit_test(courses_keep_the_mean),
        cmocka_unit_test(a_machine_of_ours_is_told_from_a_shared_one),
        cmocka_unit_test(readings_are_of_this_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
