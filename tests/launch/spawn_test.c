/* Starting children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/spawn.h"
#include "launch/child.h"
#include "processes.h"

/* Run `script` by sh, and give its exit status and what it wrote to its standard output. */
static int run_script(struct spawn *spawn, const char *script, char *text, size_t size)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    int fd = memfd_create("output", MFD_CLOEXEC), status;
    struct sp_error error;
    ssize_t got;
    pid_t pid;

    spawn->program = "/bin/sh";
    spawn->argv = argv;
    spawn->output = fd;
    assert_int_equal(spawn_program(spawn, &pid, &error), 0);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    got = pread(fd, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
    return child_exit_status(status);
}

static void a_program_gets_what_is_passed_and_nothing_else(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .directory = "/"};
    int passed = memfd_create("passed", 0), leaked = dup2(STDERR_FILENO, 50);
    char text[4096];

    (void)state;
    assert_true(passed >= 0);
    assert_int_equal(leaked, 50);
    spawn.passed = passed;
    assert_int_equal(
        run_script(&spawn,
                   "pwd; echo hello >&3; read line || echo no input;"
                   "for fd in 0 1 2 3 50; do test -e /proc/$$/fd/$fd && echo $fd; done; true",
                   text, sizeof text),
        0);
    assert_string_equal(text, "/\nno input\n0\n1\n2\n3\n");
    assert_int_equal(pread(passed, text, 6, 0), 6);
    assert_memory_equal(text, "hello\n", 6);
    close(passed);
    close(leaked);
}

static void descriptors_land_in_place_whatever_their_numbers(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    int input[2], passed = memfd_create("passed", 0);
    char text[4096];

    (void)state;
    assert_int_equal(pipe(input), 0);
    assert_int_equal(write(input[1], "in\n", 3), 3);
    close(input[1]);
    assert_int_equal(fcntl(3, F_GETFD) >= 0, 1); /* 3 is taken in this process */
    spawn.input = input[0];
    spawn.passed = passed;
    assert_int_equal(run_script(&spawn, "read line; echo got $line; echo p >&3", text, sizeof text),
                     0);
    assert_string_equal(text, "got in\n");
    assert_int_equal(pread(passed, text, 2, 0), 2);
    close(input[0]);
    close(passed);
}

static void the_environment_is_the_given_one(void **state)
{
    char *envp[] = {"ONE=1", NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .envp = envp};
    char text[4096];

    (void)state;
    setenv("SELFPAGE_TEST_LEAK", "x", 1);
    assert_int_equal(run_script(&spawn, "echo $ONE$SELFPAGE_TEST_LEAK", text, sizeof text), 0);
    assert_string_equal(text, "1\n");
}

static void dispositions_and_masks_are_the_default(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    sigset_t blocked, before;
    char text[4096];

    (void)state;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGTERM, SIG_IGN);
    assert_int_equal(run_script(&spawn, "kill -TERM $$; echo survived", text, sizeof text),
                     128 + SIGTERM);
    assert_string_equal(text, "");
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void a_program_that_cannot_run_is_reported_and_reaped(void **state)
{
    char *argv[] = {"none", NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/nonexistent/none", .argv = argv};
    struct sp_error error;
    pid_t pid;

    (void)state;
    assert_int_equal(spawn_program(&spawn, &pid, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/none"));
    spawn.program = "/etc/passwd";
    assert_int_equal(spawn_program(&spawn, &pid, &error), -EACCES);
    spawn.program = "/bin/sh";
    spawn.directory = "/nonexistent";
    assert_int_equal(spawn_program(&spawn, &pid, &error), -ENOENT);
    assert_non_null(strstr(error.text, "chdir"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static int add_one(void *arg)
{
    return *(int *)arg + 1;
}

static void a_function_runs_in_a_child(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    int number = 41, status;
    struct sp_error error;
    pid_t pid;

    (void)state;
    fflush(NULL);
    assert_int_equal(spawn_function(&spawn, add_one, &number, &pid, &error), 0);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    assert_int_equal(child_exit_status(status), 42);
}

static void waiting_has_a_limit(void **state)
{
    char *argv[] = {"sh", "-c", "trap '' TERM; echo x; read x", NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv};
    int input[2], output[2], status;
    struct sp_error error;
    pid_t pid;
    char byte;

    (void)state;
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    spawn.input = input[0];
    spawn.output = output[1];
    assert_int_equal(spawn_program(&spawn, &pid, &error), 0);
    assert_int_equal(read(output[0], &byte, 1), 1); /* the trap is set */
    assert_int_equal(child_wait(pid, 0, &status), -ETIMEDOUT);
    assert_int_equal(child_wait(pid, 20, &status), -ETIMEDOUT);
    assert_int_equal(child_end(pid, SIGTERM, 20, &status), -ETIMEDOUT);
    assert_int_equal(child_exit_status(status), 128 + SIGKILL);
    assert_int_equal(child_wait(pid, 20, &status), -ECHILD);
    for (int i = 0; i < 2; i++) {
        close(input[i]);
        close(output[i]);
    }
}

static int read_to_the_end(void *arg)
{
    char byte;

    return read(*(const int *)arg, &byte, 1) == 0 ? 0 : 1;
}

/* Whoever reads from a pipe sees its end only if it does not hold the other one itself. */
static void a_function_does_not_have_what_is_closed(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct sp_error error;
    int ends[2], status;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spawn.closed = ends[1];
    fflush(NULL);
    assert_int_equal(spawn_function(&spawn, read_to_the_end, &ends[0], &pid, &error), 0);
    close(ends[1]);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    assert_int_equal(child_exit_status(status), 0);
    close(ends[0]);
}

static int start_a_child_and_report(void *arg)
{
    char *argv[] = {"sh", "-c", "read x", NULL};
    const int *report = arg;
    int input[2];
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv};
    pid_t pid;

    if (pipe(input) != 0)
        return 1;
    spawn.input = input[0];
    if (spawn_program(&spawn, &pid, NULL) != 0 || write(report[1], &pid, sizeof pid) < 0)
        return 1;
    pause();
    return 0;
}

static void children_die_with_their_parent(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    int report[2], status;
    struct sp_error error;
    pid_t parent, child;

    (void)state;
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    fflush(NULL);
    assert_int_equal(spawn_function(&spawn, start_a_child_and_report, report, &parent, &error), 0);
    assert_int_equal(read(report[0], &child, sizeof child), sizeof child);
    assert_false(process_is_gone(child));
    assert_int_equal(child_end(parent, SIGKILL, PROCESS_PATIENCE_MS, &status), 0);
    assert_true(wait_gone(child));
    close(report[0]);
    close(report[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_what_is_passed_and_nothing_else),
        cmocka_unit_test(descriptors_land_in_place_whatever_their_numbers),
        cmocka_unit_test(the_environment_is_the_given_one),
        cmocka_unit_test(dispositions_and_masks_are_the_default),
        cmocka_unit_test(a_program_that_cannot_run_is_reported_and_reaped),
        cmocka_unit_test(a_function_runs_in_a_child),
        cmocka_unit_test(a_function_does_not_have_what_is_closed),
        cmocka_unit_test(waiting_has_a_limit),
        cmocka_unit_test(children_die_with_their_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
