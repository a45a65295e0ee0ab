/* The fixture of selfpage/testing.h: the same test with real processes and in a world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/testing.h>

static struct sp_error error;

static struct sp_testing *start(enum sp_testing_where where, uint32_t frames)
{
    const struct sp_testing_options options = {
        .physmem_frames = frames, .where = where, .arbiter = "maxmin"};
    struct sp_testing *fixture;

    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(sp_testing_in_world(fixture), where == SP_TESTING_WORLD);
    return fixture;
}

static struct sp_testing_task *begin(struct sp_testing *fixture, const char *name,
                                     const char *contract, const char *policy, const char *workload)
{
    struct sp_testing_task *task;

    if (sp_testing_begin_load(fixture, name, contract, policy, workload, &task, &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

static void expect(struct sp_testing *fixture, const char *text)
{
    if (sp_testing_expect(fixture, text, &error) != 1)
        fail_msg("%s", error.text);
}

static void await(struct sp_testing *fixture, const char *text)
{
    if (sp_testing_await(fixture, text, &error) != 0)
        fail_msg("%s", error.text);
}

/* What does not depend on time is the same to the last fault. */
static void a_loop_faults_each_time(enum sp_testing_where where)
{
    struct sp_testing *fixture = start(where, 100);
    struct sp_testing_result result;
    struct sp_testing_task_status status;

    assert_int_equal(sp_testing_run_load(fixture, "loop", "guaranteed=8", "fifo",
                                         "pages=20,kind=discardable;loop=12,references=120",
                                         &result, &error),
                     0);
    assert_int_equal(result.exit_status, 0);
    assert_int_equal(result.stats.faults, 120);
    expect(fixture, "loop.faults == 120");
    expect(fixture, "loop.exit_status == 0");
    assert_int_equal(sp_testing_task_status(fixture, "loop", &status, &error), 0);
    assert_int_equal(status.recalls_missed, 0);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

static void a_recall_is_met(enum sp_testing_where where)
{
    struct sp_testing *fixture = start(where, 100);
    struct sp_testing_task *task = begin(fixture, "idle", "extra=50,drop=30s", NULL,
                                         "pages=40,kind=discardable;scan=1;idle=30s");
    struct sp_testing_physmem physmem;

    await(fixture, "idle.faults == 40");
    assert_int_equal(sp_testing_task_ended(task), 0);
    assert_int_equal(sp_testing_recall(fixture, "idle", 10, &error), 0);
    await(fixture, "physmem.recalls_met == 1");
    expect(fixture, "idle.recalls_met == 1 - idle.recalls_missed");
    expect(fixture, "sum(tasks.held) + physmem.free + physmem.soft == physmem.frames");
    assert_int_equal(sp_testing_physmem_status(fixture, &physmem, &error), 0);
    assert_int_equal(physmem.frames, 100);
    assert_int_equal(sp_testing_recall(fixture, "nobody", 10, &error), -ENOENT);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

static void pages_go_to_swap_and_come_back(enum sp_testing_where where)
{
    struct sp_testing *fixture = start(where, 100);
    struct sp_testing_task *task =
        begin(fixture, NULL, "guaranteed=8", "clock", "pages=40,rounds=2;scan=1,writes=1");
    struct sp_testing_result result;
    struct sp_testing_swap swap;

    sp_testing_wait(&task, &result);
    assert_null(task);
    assert_int_equal(result.exit_status, 0);
    assert_true(result.stats.swapped_out >= 32);
    expect(fixture, "task_1.swapped_in >= 32");
    assert_int_equal(sp_testing_swap_status(fixture, &swap, &error), 0);
    assert_true(swap.stores >= 32);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

static void mistakes_are_explained(enum sp_testing_where where)
{
    struct sp_testing *fixture = start(where, 100);

    assert_int_equal(sp_testing_expect(fixture, "nobody.faults == 0", &error), -EINVAL);
    assert_int_equal(sp_testing_expect(fixture, "physmem.wishes == 0", &error), -EINVAL);
    assert_int_equal(sp_testing_expect(fixture, "physmem.frames == 7", &error), 0);
    assert_non_null(strstr(error.text, "physmem.frames == 7: it is 100"));
    assert_int_equal(sp_testing_await(fixture, "physmem.", &error), -EINVAL);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

#define EITHER(story)                                                                              \
    static void story##_live(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        story(SP_TESTING_LIVE);                                                                    \
    }                                                                                              \
    static void story##_in_a_world(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        story(SP_TESTING_WORLD);                                                                   \
    }
EITHER(a_loop_faults_each_time)
EITHER(a_recall_is_met)
EITHER(pages_go_to_swap_and_come_back)
EITHER(mistakes_are_explained)

/* ---- Of a world alone ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void a_world_has_no_processes(void **state)
{
    struct sp_testing *fixture = start(SP_TESTING_WORLD, 100);
    struct sp_testing_result result;
    char log[8];

    (void)state;
    assert_int_equal(sp_testing_run(fixture, NULL, NULL, nothing, NULL, &result, &error), -ENOTSUP);
    assert_int_equal(sp_testing_kill(fixture, SP_TESTING_SWAP), -ENOTSUP);
    assert_int_equal(sp_testing_end(fixture, SP_TESTING_SWAP), -ENOTSUP);
    assert_int_equal(sp_testing_restart(fixture, SP_TESTING_SWAP, NULL, &error), -ENOTSUP);
    assert_int_equal(sp_testing_pid(fixture, SP_TESTING_PHYSMEM), 0);
    assert_null(sp_testing_socket(fixture, SP_TESTING_PHYSMEM));
    assert_null(sp_testing_directory(fixture));
    assert_null(sp_testing_environment(fixture, NULL, NULL, NULL));
    assert_int_equal(sp_testing_log(fixture, SP_TESTING_PHYSMEM, log, sizeof log), 0);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

static void a_task_that_takes_too_long_is_killed(void **state)
{
    const struct sp_testing_options options = {.where = SP_TESTING_WORLD, .timeout_ms = 50};
    struct sp_testing *fixture;
    struct sp_testing_result result;

    (void)state;
    assert_int_equal(sp_testing_start(&fixture, &options, &error), 0);
    assert_int_equal(sp_testing_run_load(fixture, "slow", "guaranteed=8", NULL,
                                         "pages=4,kind=discardable;idle=1h", &result, &error),
                     0);
    assert_int_equal(result.timed_out, 1);
    assert_int_equal(result.exit_status, 137);
    assert_int_equal(sp_testing_await(fixture, "slow.faults == 1", &error), -ETIMEDOUT);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

static void the_environment_chooses(void **state)
{
    const char *const arguments[] = {"--help", NULL};
    const struct sp_testing_options told = {.physmem_args = arguments};
    struct sp_testing *fixture;

    (void)state;
    assert_int_equal(setenv("SELFPAGE_TESTING", "world", 1), 0);
    assert_int_equal(sp_testing_start(&fixture, NULL, &error), 0);
    assert_int_equal(sp_testing_in_world(fixture), 1);
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
    assert_int_equal(sp_testing_start(&fixture, &told, &error), -ENOTSUP);
    assert_int_equal(setenv("SELFPAGE_TESTING", "dream", 1), 0);
    assert_int_equal(sp_testing_start(&fixture, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "dream"));
    assert_int_equal(unsetenv("SELFPAGE_TESTING"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_faults_each_time_live),
        cmocka_unit_test(a_loop_faults_each_time_in_a_world),
        cmocka_unit_test(a_recall_is_met_live),
        cmocka_unit_test(a_recall_is_met_in_a_world),
        cmocka_unit_test(pages_go_to_swap_and_come_back_live),
        cmocka_unit_test(pages_go_to_swap_and_come_back_in_a_world),
        cmocka_unit_test(mistakes_are_explained_live),
        cmocka_unit_test(mistakes_are_explained_in_a_world),
        cmocka_unit_test(a_world_has_no_processes),
        cmocka_unit_test(a_task_that_takes_too_long_is_killed),
        cmocka_unit_test(the_environment_chooses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
