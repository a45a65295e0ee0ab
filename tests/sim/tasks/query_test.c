/* The query program: the same answers whatever memory it has, and adapting while others come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <signal.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

#include "awaiting.h"
#include "common.h"
#include "task_fixture.h"

/* 4096 records on 128 pages, and 4 indexes of 17 pages: 196. It makes an index only if there are 24
 * frames besides: 169 for one, 220 for all. */
#define SMALL "--records", "4096", "--columns", "4", "--queries", "500"

/* Run it under a contract, and return the file with the sums of its answers. */
static const char *answers(struct sp_testing *fixture, const char *name, const char *mode,
                           const char *contract, struct sp_testing_result *result)
{
    const char *path = private_path(fixture, name);
    const char *argv[] = {"selfpage-query", SMALL, "--batches", "4", "--mode", mode,
                          "--dump",         path,  NULL};

    *result = run_task(fixture, contract, NULL, argv, 0);
    return path;
}

static void test_answers_do_not_depend_on_memory(void **state)
{
    struct sp_testing_result result;
    const char *memory = answers(*state, "memory", "page", "guaranteed=300", &result);

    assert_int_equal(result.stats.swapped_in, 0);
    /* Room for one index: it is made again for each batch. */
    assert_same_file(answers(*state, "regenerate", "adapt", "guaranteed=175", &result), memory);
    assert_int_equal(result.stats.evictions, 0); /* the library had none to do */
    /* Room for none: each batch is answered from the table. */
    assert_same_file(answers(*state, "scan", "adapt", "guaranteed=160", &result), memory);
    assert_int_equal(result.stats.evictions, 0);
    /* Not even the table fits: that is paged, and the indexes are not. */
    assert_same_file(answers(*state, "little", "adapt", "guaranteed=80", &result), memory);
    assert_true(result.stats.swapped_in > 0);
    assert_same_file(answers(*state, "page", "page", "guaranteed=150", &result), memory);
    assert_true(result.stats.swapped_in > 0);
}

/* Where there is memory for all indexes, none is dropped to make room for another one: the program takes the frames
 * that it takes when it drops nothing. */
static void test_no_index_is_dropped_without_need(void **state)
{
    struct sp_testing_result pages, adapts;
    const char *memory = answers(*state, "pages", "page", "guaranteed=300", &pages);

    assert_same_file(answers(*state, "adapts", "adapt", "guaranteed=300", &adapts), memory);
    assert_true(pages.stats.faults > 128);
    assert_int_equal(adapts.stats.faults, pages.stats.faults);
    assert_int_equal(adapts.stats.evictions, 0);
}

/* An index has two places for each record, 511 of them on a page: 2044 records on 64 pages have 4 indexes of exactly
 * 8 pages. */
static void test_an_index_takes_as_many_pages_as_its_places(void **state)
{
    static const char *const argv[] = {
        "selfpage-query", "--records", "2044",      "--columns", "4",
        "--queries",      "100",       "--batches", "1",         NULL};
    struct sp_testing_result result = run_task(*state, "guaranteed=150", NULL, argv, 0);

    assert_int_equal(result.stats.pages, 64 + 4 * 8);
}

static int hold(void *arg)
{
    size_t pages = *(const size_t *)arg;
    struct sp_task *task = task_attach(NULL);
    volatile char *memory = region_create(task, pages * SP_PAGE_SIZE, SP_DISCARDABLE, 0);

    for (size_t i = 0; i < pages; i++)
        memory[i * SP_PAGE_SIZE] = 1;
    for (;;)
        poll(NULL, 0, -1);
    return 0;
}

/* It has all its indexes, some of them on extra frames, when another task claims 75 to 80 of 260
 * frames. Then some index has to go, and there is room for one. Every answer is verified by the
 * program itself. */
static void test_another_task_squeezes_it(void **state)
{
    static const char *const argv[] = {"selfpage-query", SMALL, "--batches", "4",
                                       "--adaptations",  "6",   NULL};
    size_t pages = 75;
    struct sp_testing_task *query, *other;
    struct sp_testing_result result;
    struct sp_testing_physmem physmem;
    struct sp_testing_task_status status;
    struct sp_error error;

    if (sp_testing_begin_program(*state, "query", "guaranteed=150;extra=90", NULL, argv, &query,
                                 &error) != 0)
        fail_msg("%s", error.text);
    AWAIT(query, awaiting_held(query) >= 196);
    if (sp_testing_begin(*state, "other", "guaranteed=80", NULL, hold, &pages, &other, &error) != 0)
        fail_msg("%s", error.text);
    AWAIT(other, awaiting_held(other) >= 75);
    sp_testing_wait(&query, &result);
    kill(sp_testing_task_pid(other), SIGKILL);
    sp_testing_wait(&other, NULL);
    if (result.exit_status != 0)
        fail_msg("ended with %d: %s", result.exit_status, result.output);
    do /* until physmem, too, has read all that they sent, and seen their end */
        assert_int_equal(sp_testing_physmem_status(*state, &physmem, &error), 0);
    while (physmem.tasks > 0);
    assert_int_equal(physmem.breaches, 0);
    assert_int_equal(sp_testing_task_status(*state, "query", &status, &error), 0);
    assert_true(status.recalls_met > 0);
    assert_int_equal(status.recalls_missed, 0);
    assert_in_range(status.recalls - status.recalls_met, 0, 1); /* one was under way at its end */
    assert_in_range(status.available, 150, 240);
}

/* Frames for the query and little more. */
static struct sp_testing_options tight = {
    .physmem_frames = 260, .swap_slots = 1024, .bindir = TEST_BINDIR};
static const char *const chaos[] = {"--chaos-unmap", "3000", NULL};
static struct sp_testing_options tight_and_chaotic = {.physmem_frames = 260,
                                                      .swap_slots = 1024,
                                                      .seed = 5,
                                                      .physmem_args = chaos,
                                                      .bindir = TEST_BINDIR};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_answers_do_not_depend_on_memory,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_no_index_is_dropped_without_need,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_an_index_takes_as_many_pages_as_its_places,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_another_task_squeezes_it, sp_testing_setup,
                                                 sp_testing_teardown, &tight),
        cmocka_unit_test_prestate_setup_teardown(test_another_task_squeezes_it, sp_testing_setup,
                                                 sp_testing_teardown, &tight_and_chaotic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
