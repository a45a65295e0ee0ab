/* The fixture of selfpage/testing.h: what it starts, and that it leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include <selfpage/selfpage.h>
#include <selfpage/testing.h>

#include "launch/spawn.h"
#include "processes.h"

#define PAGES 40

/* A precious region with a number in every page, in a new attachment; NULL if that cannot be. */
static uint32_t *attach_and_fill(struct sp_task **taskp)
{
    struct sp_region_options region = {.pages = PAGES};
    struct sp_error error;
    void *base;

    if (sp_attach(taskp, NULL, &error) != 0 ||
        sp_region_create(*taskp, &region, &base, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return NULL;
    }
    for (uint32_t i = 0; i < PAGES; i++)
        ((uint32_t *)base)[i * SP_PAGE_SIZE / 4] = i + 1;
    return base;
}

static int fill_and_verify(void *arg)
{
    struct sp_task *task;
    const uint32_t *words = attach_and_fill(&task);
    int wrong = words == NULL;

    (void)arg;
    for (uint32_t i = 0; i < PAGES && words != NULL; i++)
        wrong |= words[i * SP_PAGE_SIZE / 4] != i + 1;
    if (words != NULL)
        sp_detach(&task);
    return wrong;
}

static int return_number(void *arg)
{
    fprintf(stderr, "%s %s %s\n", getenv("SELFPAGE_NAME"), getenv("SELFPAGE_CONTRACT"),
            getenv("SELFPAGE_POLICY"));
    return *(int *)arg;
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    fprintf(stderr, "waiting\n");
    while (pause() < 0)
        continue;
    return 0;
}

/* Tell by a byte that the memory is filled, and wait to be killed. */
static int fill_and_wait(void *arg)
{
    struct sp_task *task;

    if (attach_and_fill(&task) == NULL || write(*(int *)arg, "x", 1) != 1)
        return 1;
    return wait_for_ever(NULL);
}

static void check(int result, const struct sp_error *error)
{
    if (result != 0)
        fail_msg("%d: %s", result, error->text);
}

static void starts_and_stops_again_and_again(void **state)
{
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    for (int i = 0; i < (RUNNING_ON_VALGRIND ? 1 : 5); i++) {
        check(sp_testing_start(&fixture, NULL, &error), &error);
        check(sp_testing_stop(&fixture, &error), &error);
        assert_null(fixture);
    }
}

static void a_task_runs_and_is_counted(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_physmem physmem;
    struct sp_testing_swap swap;
    struct sp_testing_task_status task;
    struct sp_error error;

    check(sp_testing_run(*state, "guaranteed=16", "fifo", fill_and_verify, NULL, &result, &error),
          &error);
    if (result.exit_status != 0)
        fail_msg("exit status %d: %s", result.exit_status, result.output);
    assert_true(result.stats.faults >= PAGES);
    assert_true(result.stats.swapped_out >= PAGES - 16);
    assert_true(result.stats.swapped_in >= PAGES - 16);
    check(sp_testing_physmem_status(*state, &physmem, &error), &error);
    assert_int_equal(physmem.frames, 1024);
    assert_int_equal(physmem.accepted, 1);
    check(sp_testing_swap_status(*state, &swap, &error), &error);
    assert_int_equal(swap.slots, 4096);
    assert_int_equal(swap.stores, result.stats.swapped_out);
    check(sp_testing_task_status(*state, "task-1", &task, &error), &error);
    assert_int_equal(task.breached, 0);
    assert_int_equal(task.contracts <= 1, 1);
    assert_int_equal(sp_testing_task_status(*state, "nobody", &task, &error), -ENOENT);
    assert_non_null(strstr(error.text, "nobody"));
}

static void a_result_says_how_it_ended(void **state)
{
    const char *const killed[] = {"/bin/sh", "-c", "echo bye >&2; kill -USR1 $$", NULL};
    const char *const missing[] = {"selfpage-none", NULL};
    struct sp_testing_result result;
    struct sp_error error;
    int number = 7;

    check(sp_testing_run(*state, "extra=1", "lru", return_number, &number, &result, &error),
          &error);
    assert_int_equal(result.exit_status, 7);
    assert_int_equal(result.signal, 0);
    assert_string_equal(result.output, "task-1 extra=1 lru\n");
    check(sp_testing_run_program(*state, "extra=1", NULL, killed, &result, &error), &error);
    assert_int_equal(result.exit_status, 128 + SIGUSR1);
    assert_int_equal(result.signal, SIGUSR1);
    assert_string_equal(result.output, "bye\n");
    assert_int_equal(sp_testing_run_program(*state, "extra=1", NULL, missing, &result, &error),
                     -ENOENT);
    assert_non_null(strstr(error.text, "selfpage-none"));
}

static void a_task_that_hangs_is_killed(void **state)
{
    const struct sp_testing_options options = {.timeout_ms = RUNNING_ON_VALGRIND ? 20000 : 2000,
                                               .swap_slots = SP_TESTING_NO_SWAP};
    struct sp_testing_result result;
    struct sp_testing *fixture;
    struct sp_testing_swap swap;
    struct sp_error error;

    (void)state;
    check(sp_testing_start(&fixture, &options, &error), &error);
    check(sp_testing_run(fixture, "extra=1", NULL, wait_for_ever, NULL, &result, &error), &error);
    assert_int_equal(result.timed_out, 1);
    assert_int_equal(result.signal, SIGKILL);
    assert_string_equal(result.output, "waiting\n");
    assert_null(sp_testing_socket(fixture, SP_TESTING_SWAP));
    assert_int_equal(sp_testing_swap_status(fixture, &swap, &error), -ENOENT);
    check(sp_testing_stop(&fixture, &error), &error);
}

static void several_tasks_run_at_a_time(void **state)
{
    struct sp_testing_task *tasks[3];
    struct sp_testing_result result;
    struct sp_testing_task_status status;
    struct sp_error error;
    char name[12];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "t%d", i);
        check(sp_testing_begin(*state, name, "guaranteed=16", NULL, fill_and_verify, NULL,
                               &tasks[i], &error),
              &error);
    }
    for (int i = 2; i >= 0; i--) {
        sp_testing_wait(&tasks[i], &result);
        assert_null(tasks[i]);
        assert_int_equal(result.exit_status, 0);
    }
    check(sp_testing_task_status(*state, "t2", &status, &error), &error);
}

static void counters_outlive_a_killed_task(void **state)
{
    struct sp_testing_task *task;
    struct sp_testing_result result;
    struct sp_stats stats;
    struct sp_error error;
    int filled[2];
    char byte;

    assert_int_equal(pipe(filled), 0);
    check(sp_testing_begin(*state, NULL, "guaranteed=16", NULL, fill_and_wait, &filled[1], &task,
                           &error),
          &error);
    assert_int_equal(read(filled[0], &byte, 1), 1);
    sp_testing_task_stats(task, &stats);
    assert_true(stats.resident > 0 && stats.resident <= 16);
    assert_int_equal(stats.guaranteed, 16);
    assert_int_equal(sp_testing_task_ended(task), 0);
    kill(sp_testing_task_pid(task), SIGKILL);
    while (!sp_testing_task_ended(task))
        poll(NULL, 0, 1); /* a pause between questions, not an assumption */
    assert_int_equal(sp_testing_task_ended(task), 1); /* asking does not use it up */
    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGKILL);
    assert_true(result.stats.faults >= PAGES);
    close(filled[0]);
    close(filled[1]);
}

static void servers_are_killed_ended_and_restarted(void **state)
{
    struct sp_testing_physmem physmem;
    struct sp_testing_result result;
    struct sp_error error;
    pid_t before = sp_testing_pid(*state, SP_TESTING_PHYSMEM);

    assert_int_equal(sp_testing_restart(*state, SP_TESTING_PHYSMEM, NULL, &error), -EBUSY);
    check(sp_testing_physmem_status(*state, &physmem, &error), &error);
    assert_int_equal(sp_testing_kill(*state, SP_TESTING_PHYSMEM), 0);
    assert_true(process_is_gone(before));
    assert_int_equal(sp_testing_pid(*state, SP_TESTING_PHYSMEM), 0);
    assert_int_equal(sp_testing_kill(*state, SP_TESTING_PHYSMEM), -ESRCH);
    assert_int_equal(sp_testing_physmem_status(*state, &physmem, &error), -EPIPE);
    check(sp_testing_restart(*state, SP_TESTING_PHYSMEM, NULL, &error), &error);
    assert_int_equal(sp_testing_end(*state, SP_TESTING_SWAP), 0);
    assert_int_equal(sp_testing_end(*state, SP_TESTING_SWAP), -ESRCH);
    check(sp_testing_restart(*state, SP_TESTING_SWAP, NULL, &error), &error);
    check(sp_testing_run(*state, "guaranteed=16", NULL, fill_and_verify, NULL, &result, &error),
          &error);
    assert_int_equal(result.exit_status, 0);
    check(sp_testing_physmem_status(*state, &physmem, &error), &error);
}

static void a_server_that_dies_unasked_is_told_of(void **state)
{
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    check(sp_testing_start(&fixture, NULL, &error), &error);
    kill(sp_testing_pid(fixture, SP_TESTING_SWAP), SIGKILL);
    assert_int_equal(sp_testing_stop(&fixture, &error), -ECHILD);
    assert_non_null(strstr(error.text, "swap"));
    assert_non_null(strstr(error.text, "137"));
}

static void what_cannot_start_says_why(void **state)
{
    const char *const unknown[] = {"--no-such-option", NULL};
    struct sp_testing_options options = {.physmem_args = unknown};
    struct sp_testing *fixture = NULL;
    struct sp_error error;

    (void)state;
    assert_int_equal(sp_testing_start(&fixture, &options, &error), -ECHILD);
    assert_non_null(strstr(error.text, "physmem ended with exit status 2 while starting"));
    assert_non_null(strstr(error.text, "no-such-option"));
    options = (struct sp_testing_options){.bindir = "/etc"};
    assert_int_equal(sp_testing_start(&fixture, &options, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/etc"));
    options = (struct sp_testing_options){.chaos_unmap = -1};
    assert_int_equal(sp_testing_start(&fixture, &options, &error), -EINVAL);
    assert_null(fixture);
}

static void the_log_is_kept(void **state)
{
    char text[8], all[4096];

    assert_true(sp_testing_log(*state, SP_TESTING_PHYSMEM, text, sizeof text) < sizeof text);
    assert_true(sp_testing_log(*state, SP_TESTING_PHYSMEM, all, sizeof all) < sizeof all);
}

static void the_environment_is_complete(void **state)
{
    static const char *const names[] = {"SELFPAGE_NAME=n",     "SELFPAGE_PHYSMEM=/",
                                        "SELFPAGE_SWAP=/",     "SELFPAGE_CONTRACT=extra=1",
                                        "SELFPAGE_POLICY=lru", "SELFPAGE_SEED=1",
                                        "SELFPAGE_BINDIR=/"};
    char **envp = sp_testing_environment(*state, "n", "extra=1", "lru");

    assert_non_null(envp);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char **found = envp;

        while (*found != NULL && strncmp(*found, names[i], strlen(names[i])) != 0)
            found++;
        assert_non_null(*found);
    }
    free(envp);
}

/* What a test that will be killed reports. */
struct victim {
    pid_t servers[SP_TESTING_SERVERS];
    pid_t task;
    char directory[128];
};

/* A process that uses the fixture, and waits to be killed in the middle of it. */
static int victim_main(void *arg)
{
    struct sp_testing *fixture;
    struct sp_testing_task *task;
    struct victim victim = {0};

    if (sp_testing_start(&fixture, NULL, NULL) != 0 ||
        sp_testing_begin(fixture, NULL, "guaranteed=8", NULL, wait_for_ever, NULL, &task, NULL) !=
            0)
        return 1;
    for (int i = 0; i < SP_TESTING_SERVERS; i++)
        victim.servers[i] = sp_testing_pid(fixture, (enum sp_testing_server)i);
    victim.task = sp_testing_task_pid(task);
    snprintf(victim.directory, sizeof victim.directory, "%s", sp_testing_directory(fixture));
    if (write(*(int *)arg, &victim, sizeof victim) != (ssize_t)sizeof victim)
        return 1;
    return wait_for_ever(NULL);
}

static void a_test_that_is_killed_leaves_nothing(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct victim victim;
    struct sp_error error;
    int report[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(report), 0);
    fflush(NULL);
    check(spawn_function(&spawn, victim_main, &report[1], &pid, &error), &error);
    close(report[1]);
    assert_int_equal(read(report[0], &victim, sizeof victim), sizeof victim);
    assert_int_equal(access(victim.directory, F_OK), 0);
    assert_int_equal(child_end(pid, SIGKILL, PROCESS_PATIENCE_MS, &status), 0);
    assert_true(wait_gone(victim.servers[0]));
    assert_true(wait_gone(victim.servers[1]));
    assert_true(wait_gone(victim.task));
    assert_true(wait_until(path_is_gone, victim.directory));
    close(report[0]);
}

#define WITH_FIXTURE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, sp_testing_setup, sp_testing_teardown)

static int say_and_fail(void *arg)
{
    fprintf(stderr, "this is said by %s\n", (const char *)arg);
    return 3;
}

static int say_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++)
        fputc('x', stderr);
    return 0;
}

static void what_everybody_said_can_be_shown(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_task *task;
    struct sp_error error;
    const char *said;

    assert_int_equal(sp_testing_run(*state, NULL, NULL, say_and_fail, "the first", &result, &error),
                     0);
    assert_int_equal(
        sp_testing_begin(*state, "other", NULL, NULL, say_and_fail, "the second", &task, &error),
        0);
    sp_testing_wait(&task, NULL);
    said = sp_testing_said(*state);
    assert_non_null(strstr(said, "physmem:"));
    assert_non_null(strstr(said, "swap:"));
    assert_non_null(strstr(said, "task-1 (exit status 3):\nthis is said by the first\n"));
    assert_non_null(strstr(said, "other (exit status 3):\nthis is said by the second\n"));
    for (int i = 0; i < 15; i++) /* more than it keeps */
        assert_int_equal(sp_testing_run(*state, NULL, NULL, say_much, NULL, &result, &error), 0);
    said = sp_testing_said(*state);
    assert_null(strstr(said, "the first"));
    assert_non_null(strstr(said, "task-17 (exit status 0):\nxxx"));
}

int main(void)
{
    static struct sp_testing_options small = {.physmem_frames = 1024};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_stops_again_and_again),
        cmocka_unit_test_prestate_setup_teardown(a_task_runs_and_is_counted, sp_testing_setup,
                                                 sp_testing_teardown, &small),
        WITH_FIXTURE(a_result_says_how_it_ended),
        cmocka_unit_test(a_task_that_hangs_is_killed),
        WITH_FIXTURE(several_tasks_run_at_a_time),
        WITH_FIXTURE(counters_outlive_a_killed_task),
        WITH_FIXTURE(servers_are_killed_ended_and_restarted),
        cmocka_unit_test(a_server_that_dies_unasked_is_told_of),
        cmocka_unit_test(what_cannot_start_says_why),
        WITH_FIXTURE(the_log_is_kept),
        WITH_FIXTURE(what_everybody_said_can_be_shown),
        WITH_FIXTURE(the_environment_is_complete),
        cmocka_unit_test(a_test_that_is_killed_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
