/* Criterion: .init and .fini run in the process of each test. */
#include <criterion/criterion.h>

#include <selfpage/testing.h>

#include "table.h"

static struct sp_testing *fixture;

static void setup(void)
{
    struct sp_error error;

    cr_assert(sp_testing_start(&fixture, NULL, &error) == 0, "%s", error.text);
}

static void teardown(void)
{
    sp_testing_stop(&fixture, NULL);
}

Test(table, a_table_that_does_not_fit_is_paged, .init = setup, .fini = teardown)
{
    struct sp_testing_result result;
    struct sp_error error;
    size_t pages = 100;

    cr_assert(sp_testing_run(fixture, "guaranteed=16", NULL, table_fill, &pages, &result, &error) ==
                  0,
              "%s", error.text);
    cr_assert(result.exit_status == 0 && result.stats.swapped_in >= pages - 16, "%s",
              sp_testing_said(fixture));
}
