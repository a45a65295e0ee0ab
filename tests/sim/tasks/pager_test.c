/* selfpage-pager: a task that pages for another one. The program itself looks at every word that its client
 * reads: no page is wrong, or older than the pager allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

#include "task_fixture.h"

static struct sp_testing_result page_for(void **state, const char *contract, const char *every,
                                         int exit_status)
{
    const char *argv[] = {"selfpage-pager", "--pages=60", "--touches=400", every, NULL};

    return run_task(*state, contract, NULL, argv, exit_status);
}

/* Pages that are never taken back are made once each, as long as the client has frames for them. */
static void a_client_sees_the_pages_of_its_pager(void **state)
{
    page_for(state, "guaranteed=300", "--every=1000000", 0);
}

/* The client's two threads are about the same pages: one reads them, one gives them up. */
static void pages_are_taken_back_while_the_client_reads(void **state)
{
    page_for(state, "guaranteed=300", "--every=1", 0);
}

/* The client has frames for a fraction of its region, so that the library gives pages back, too. */
static void a_client_with_few_frames_faults_more(void **state)
{
    page_for(state, "guaranteed=64", "--every=2", 0);
}

static void a_contract_that_is_too_small_is_refused(void **state)
{
    page_for(state, "guaranteed=31", "--every=2", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(a_client_sees_the_pages_of_its_pager,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(pages_are_taken_back_while_the_client_reads,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(a_client_with_few_frames_faults_more,
                                                 sp_testing_setup, sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(a_contract_that_is_too_small_is_refused,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
