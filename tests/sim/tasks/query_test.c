/* The query program: the same answers whatever memory it has, and adapting while others come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include <cmocka.h>

#include <selfpage/selfpage.h>

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
    assert_same_file(answers(*state, "page", "page", "guaranteed=150", &result), memory);
    assert_true(result.stats.swapped_in > 0);
}

/* Not even the table fits: then it is paged, and the indexes are not. */
static void test_less_memory_than_the_table(void **state)
{
    struct sp_testing_result result;
    const char *memory = answers(*state, "memory", "adapt", "guaranteed=300", &result);

    assert_same_file(answers(*state, "little", "adapt", "guaranteed=80", &result), memory);
    assert_true(result.stats.swapped_in > 0);
}

static struct sp_testing_task *begin(struct sp_testing *fixture, const char *name,
                                     const char *contract, const char *const *argv)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin_program(fixture, name, contract, NULL, argv, &task, &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

static void wait_for_frames(struct sp_testing_task *task, uint64_t frames)
{
    struct sp_stats stats;

    do {
        poll(NULL, 0, 1); /* a pause between questions, not an assumption */
        sp_testing_task_stats(task, &stats);
    } while (stats.held < frames);
}

/* It has all its indexes, some of them on extra frames, when another task claims 75 to 80 of 260
 * frames. Then some index has to go, and there is room for one. */
static void test_another_task_squeezes_it(void **state)
{
    const char *answered = private_path(*state, "squeezed");
    const char *const query_argv[] = {"selfpage-query", SMALL,           "--batches", "4", "--dump",
                                      answered,         "--adaptations", "6",         NULL};
    const char *const other_argv[] = {"selfpage-rogue", "--pages", "75", "--politely",
                                      "--seconds",      "1000",    NULL};
    struct sp_testing_task *query = begin(*state, "query", "guaranteed=150;extra=90", query_argv);
    struct sp_testing_task *other;
    struct sp_testing_result result;
    struct sp_testing_physmem physmem;
    struct sp_testing_task_status status;
    struct sp_error error;

    wait_for_frames(query, 196);
    other = begin(*state, "other", "guaranteed=80", other_argv);
    wait_for_frames(other, 75);
    sp_testing_wait(&query, &result);
    kill(sp_testing_task_pid(other), SIGKILL);
    sp_testing_wait(&other, NULL);
    if (result.exit_status != 0)
        fail_msg("ended with %d: %s", result.exit_status, result.output);
    assert_int_equal(sp_testing_task_status(*state, "query", &status, &error), 0);
    assert_true(status.recalls > 0);
    assert_int_equal(status.recalls_met, status.recalls);
    assert_int_equal(sp_testing_physmem_status(*state, &physmem, &error), 0);
    assert_int_equal(physmem.breaches, 0);
    assert_same_file(answered, answers(*state, "memory", "page", "guaranteed=240", &result));
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
        cmocka_unit_test_prestate_setup_teardown(test_less_memory_than_the_table, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_another_task_squeezes_it, sp_testing_setup,
                                                 sp_testing_teardown, &tight),
        cmocka_unit_test_prestate_setup_teardown(test_another_task_squeezes_it, sp_testing_setup,
                                                 sp_testing_teardown, &tight_and_chaotic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
