/* One test, live and in virtual time: SELFPAGE_TESTING says which. Two tasks share what one of them could use
 * alone, and both get on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <selfpage/testing.h>

static void two_tasks_share(void **state)
{
    static const char *const names[] = {"left", "right"};
    struct sp_testing_task *task[2];
    struct sp_testing_result result;
    struct sp_error error;

    for (int i = 0; i < 2; i++)
        if (sp_testing_begin_load(*state, names[i], "guaranteed=10;extra=90", "clock",
                                  "pages=80;zipf=0.9,writes=0.2,references=5000", &task[i],
                                  &error) != 0)
            fail_msg("%s", error.text);
    for (int i = 0; i < 2; i++) {
        sp_testing_wait(&task[i], &result);
        assert_int_equal(result.exit_status, 0);
    }
    if (sp_testing_expect(*state, "left.faults + right.faults < 9000", &error) != 1 ||
        sp_testing_expect(*state, "sum(tasks.recalls_missed) == 0", &error) != 1)
        fail_msg("%s", error.text);
}

int main(void)
{
    struct sp_testing_options options = {.physmem_frames = 100, .arbiter = "maxmin"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(two_tasks_share, sp_testing_setup,
                                                 sp_testing_teardown, &options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
