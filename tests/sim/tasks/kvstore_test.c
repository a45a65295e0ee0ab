/* selfpage-kvstore with real servers: its contents depend on its options alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

#include "scale.h"
#include "task_fixture.h"

static struct sp_testing_result check_store(struct sp_testing *fixture, const char *contract,
                                            const char *policy, const char *dump)
{
    const char *argv[] = {"selfpage-kvstore",
                          "--records",
                          "400",
                          "--value-bytes",
                          "1000",
                          "--operations",
                          scale_is_slow() ? "1000" : "3000",
                          "--zipf",
                          "0.8",
                          "--write-share",
                          "0.3",
                          "--seed",
                          "5",
                          "--dump",
                          dump,
                          NULL};

    return run_task(fixture, contract, policy, argv, 0);
}

static void test_swaps_and_verifies(void **state)
{
    struct sp_testing_result result =
        check_store(*state, "guaranteed=32", NULL, private_path(*state, "dump"));

    assert_true(result.stats.swapped_out > 0 && result.stats.swapped_in > 0);
    assert_int_equal(result.stats.policy_errors, 0);
}

static void test_every_policy_under_chaos(void **state)
{
    const char *expected = private_path(*state, "expected");
    const char *dump = private_path(*state, "dump");
    const struct sp_policy *policy;
    uint64_t unmaps = 0;

    /* With a frame for every page nothing is ever evicted. */
    check_store(*state, "guaranteed=300", NULL, expected);
    for (size_t i = 0; (policy = sp_builtin_policy(i)) != NULL; i++) {
        if (!(policy->flags & SP_POLICY_LIVE) || !scale_has_turn(i, 0))
            continue;
        unmaps += check_store(*state, "guaranteed=24", policy->name, dump).stats.pages_unmapped;
        assert_same_file(expected, dump);
    }
    assert_true(unmaps > 0);
}

/* Pages of four base pages, and of sixteen: the same contents. */
static void test_page_sizes_under_chaos(void **state)
{
    const char *expected = private_path(*state, "expected");
    const char *dump = private_path(*state, "dump");
    struct sp_testing_result result;

    check_store(*state, "guaranteed=300", NULL, expected);
    result = check_store(*state, "guaranteed=24,order=2", "lru", dump);
    assert_same_file(expected, dump);
    assert_true(result.stats.pages_unmapped > 0 && result.stats.swapped_in > 100);
    if (scale_is_slow())
        return;
    check_store(*state, "guaranteed=64,order=4", NULL, dump);
    assert_same_file(expected, dump);
    check_store(*state, "guaranteed=24,order=2;extra=8,order=2", "fifo", dump);
    assert_same_file(expected, dump);
}

static void test_policy_parameters(void **state)
{
    const char *argv[] = {"selfpage-kvstore", "--records", "50", "--operations", "50", NULL};
    struct sp_testing_result result;

    check_store(*state, "guaranteed=40", "lru:watched=50%", private_path(*state, "dump"));
    result = run_task(*state, "guaranteed=40", "lru:watched=2", argv, 2);
    assert_non_null(strstr(result.output, "it must be from 0 to 1"));
    result = run_task(*state, "guaranteed=40", "nosuch", argv, 2);
    assert_non_null(strstr(result.output, "there are fifo, lru, "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_swaps_and_verifies, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_every_policy_under_chaos, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(test_page_sizes_under_chaos, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(test_policy_parameters, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
