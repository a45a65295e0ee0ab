/* The tasks that live with recalls: the analyser drops its scratch memory, the page cache needs no
 * guarantee, the rogue is revoked and nobody else notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <selfpage/selfpage.h>

#include "awaiting.h"
#include "common.h"
#include "task_fixture.h"

/* ThreadSanitizer may hold back a signal that a handler raises, and the task then exits with the
 * status that stands for it. */
#define DIES_OF_SIGNALS 1
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef DIES_OF_SIGNALS
#define DIES_OF_SIGNALS 0
#endif
#endif

static struct sp_testing_task *begin(struct sp_testing *fixture, const char *name,
                                     const char *contract, const char *const *argv)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin_program(fixture, name, contract, NULL, argv, &task, &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

static struct sp_testing_result finish(struct sp_testing_task *task, int exit_status)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    if (result.exit_status != exit_status)
        fail_msg("ended with %d instead of %d: %s", result.exit_status, exit_status, result.output);
    return result;
}

static void recall(struct sp_testing *fixture, const char *name, uint32_t frames)
{
    struct sp_error error;

    if (sp_testing_recall(fixture, name, frames, &error) != 0)
        fail_msg("%s", error.text);
}

static void test_analyser_drops_on_recall(void **state)
{
    size_t size = 400000;
    char *text = some_text(size, 4);
    const char *argv[] = {"selfpage-analyser", "--passes", RUNNING_ON_VALGRIND ? "100" : "2000",
                          private_file(*state, "input", text, size), NULL};
    struct sp_testing_task *task = begin(*state, "analyser", "guaranteed=24;extra=40", argv);
    struct sp_testing_result result;

    AWAIT(task, awaiting_held(task) >= 30);
    recall(*state, "analyser", 6);
    result = finish(task, 0);
    assert_int_equal(result.stats.swapped_out, 0);
    assert_true(result.stats.dropped > 0);
    assert_int_equal(result.stats.recalls_heard, result.stats.recalls_answered);
    assert_true(result.stats.recalls_heard >= 1);
    free(text);
}

static void test_analyser_under_chaos(void **state)
{
    size_t size = 300000;
    char *text = some_text(size, 5);
    const char *argv[] = {"selfpage-analyser", "--passes", "30",
                          private_file(*state, "input", text, size), NULL};
    struct sp_testing_result result = run_task(*state, "guaranteed=20", NULL, argv, 0);

    assert_true(result.stats.dropped > 0);
    free(text);
}

/* All frames extra; the last page of the file is not a whole one. */
static void test_pagecache_on_extra_frames(void **state)
{
    size_t size = 300001;
    char *text = some_text(size, 6);
    const char *argv[] = {"selfpage-pagecache",
                          "--reads",
                          "3000",
                          "--zipf",
                          "0.6",
                          private_file(*state, "input", text, size),
                          NULL};
    struct sp_testing_result result = run_task(*state, "extra=20", NULL, argv, 0);

    assert_true(result.stats.refilled > 74);
    assert_int_equal(result.stats.swapped_out, 0);
    free(text);
}

static void test_rogue_is_revoked(void **state)
{
    const char *rogue_argv[] = {"selfpage-rogue", "--pages", "200", "--seconds", "100", NULL};
    const char *polite_argv[] = {"selfpage-rogue", "--pages", "50", "--politely",
                                 "--seconds",      "100",     NULL};
    struct sp_testing_task *rogue, *neighbour;
    struct sp_testing_physmem physmem;
    struct sp_testing_result result;
    struct sp_error error;

    rogue = begin(*state, "rogue", "extra=200,drop=100ms", rogue_argv);
    neighbour = begin(*state, "neighbour", "extra=50", polite_argv);
    AWAIT(rogue, awaiting_held(rogue) >= 200);
    AWAIT(neighbour, awaiting_held(neighbour) >= 50);
    recall(*state, "rogue", 100);
    result = finish(rogue, 128 + SIGBUS);
    if (DIES_OF_SIGNALS)
        assert_int_equal(result.signal, SIGBUS);
    assert_true(result.output[0] != '\0'); /* says why */

    recall(*state, "neighbour", 10);
    result = finish(neighbour, 0);
    assert_int_equal(result.stats.recalls_answered, 1);
    do { /* until physmem, too, has seen the end of both */
        if (sp_testing_physmem_status(*state, &physmem, &error) != 0)
            fail_msg("%s", error.text);
    } while (physmem.tasks > 0);
    assert_int_equal(physmem.breaches, 1);
    assert_int_equal(physmem.recalls_missed, 1);
    assert_int_equal(physmem.free + physmem.soft, physmem.frames);
}

static void test_rogue_that_nobody_recalls_from(void **state)
{
    const char *argv[] = {"selfpage-rogue", "--pages", "10", "--seconds", "0", NULL};

    run_task(*state, "extra=20", NULL, argv, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_analyser_drops_on_recall, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_analyser_under_chaos, sp_testing_setup,
                                                 sp_testing_teardown, &chaotic),
        cmocka_unit_test_prestate_setup_teardown(test_pagecache_on_extra_frames, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_rogue_is_revoked, sp_testing_setup,
                                                 sp_testing_teardown, &calm),
        cmocka_unit_test_prestate_setup_teardown(test_rogue_that_nobody_recalls_from,
                                                 sp_testing_setup, sp_testing_teardown, &calm),
    };

    /* Whatever frames are free, recalls must be messages. */
    setenv("SELFPAGE_FRAME_STACK", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
