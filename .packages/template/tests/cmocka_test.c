/* CMocka: sp_testing_setup and sp_testing_teardown are of the types that it wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <selfpage/testing.h>

#include "table.h"

static void a_table_that_does_not_fit_is_paged(void **state)
{
    struct sp_testing_result result;
    struct sp_error error;
    size_t pages = 100;

    if (sp_testing_run(*state, "guaranteed=16", NULL, table_fill, &pages, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0 || result.stats.swapped_in < pages - 16)
        fail_msg("%s", sp_testing_said(*state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_that_does_not_fit_is_paged, sp_testing_setup,
                                        sp_testing_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
