/* selfpage-load: what it refers to is what faults, and what it writes comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

#include "task_fixture.h"

static struct sp_testing_result load(void **state, const char *contract, const char *policy,
                                     const char *workload, int exit_status)
{
    const char *argv[] = {"selfpage-load", "--seed=3", workload, NULL};

    return run_task(*state, contract, policy, argv, exit_status);
}

/* A loop of more pages than there are frames faults each time, first in first out. */
static void a_loop_faults_as_its_pattern_says(void **state)
{
    struct sp_testing_result result =
        load(state, "guaranteed=8", "fifo", "pages=20,kind=discardable;loop=12,references=120", 0);

    assert_int_equal(result.stats.faults, 120);
    result =
        load(state, "guaranteed=16", "fifo", "pages=20,kind=discardable;loop=12,references=120", 0);
    assert_int_equal(result.stats.faults, 12);
}

static void every_kind_of_memory_comes_back(void **state)
{
    static const char *const kinds[] = {"precious", "discardable", "remanufacturable"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char workload[200];

        snprintf(
            workload, sizeof(workload),
            "pages=100,kind=%s,rounds=2;scan=1,writes=1;zipf=0.8,writes=0.3;markov=9,references=300",
            kinds[i]);
        load(state, "guaranteed=24", "clock", workload, 0);
    }
}

static void without_a_workload_it_says_what_it_wants(void **state)
{
    const char *argv[] = {"selfpage-load", "--seed=3", NULL};

    run_task(*state, "guaranteed=8", "fifo", argv, 2);
}

/* More than physmem has, of which less will do. */
static void a_counter_offer_is_taken_if_it_is_enough(void **state)
{
    load(state, "guaranteed=9000,min=16", "fifo", "pages=20,kind=discardable;loop=12,references=24",
         0);
    load(state, "guaranteed=9000", "fifo", "pages=20,kind=discardable;loop=12,references=24", 2);
}

static void a_wrong_workload_is_refused(void **state)
{
    load(state, "guaranteed=8", "fifo", "pages=20;hop=3", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(a_loop_faults_as_its_pattern_says,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(every_kind_of_memory_comes_back, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(a_counter_offer_is_taken_if_it_is_enough,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(without_a_workload_it_says_what_it_wants,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(a_wrong_workload_is_refused, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
