/* Check: a checked fixture is set up in the process of each test. */
#include <check.h>

#include <selfpage/testing.h>

#include "table.h"

static struct sp_testing *fixture;

static void setup(void)
{
    struct sp_error error;

    if (sp_testing_start(&fixture, NULL, &error) != 0)
        ck_abort_msg("%s", error.text);
}

static void teardown(void)
{
    sp_testing_stop(&fixture, NULL);
}

START_TEST(a_table_that_does_not_fit_is_paged)
{
    struct sp_testing_result result;
    struct sp_error error;
    size_t pages = 100;

    if (sp_testing_run(fixture, "guaranteed=16", NULL, table_fill, &pages, &result, &error) != 0)
        ck_abort_msg("%s", error.text);
    ck_assert_msg(result.exit_status == 0 && result.stats.swapped_in >= pages - 16, "%s",
                  sp_testing_said(fixture));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tests = tcase_create("paging");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_table_that_does_not_fit_is_paged);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
