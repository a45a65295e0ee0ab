/* An assertion that does not hold ends the process by SIGABRT, and says where it stands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"

static int evaluated;

static int count(int result)
{
    evaluated++;
    return result;
}

/* Run a child that asserts `value`; returns its wait status, and what it wrote. */
static int run(int value, char *text, size_t size)
{
    const struct rlimit no_core = {0};
    int fds[2], status;
    ssize_t length;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        ensure(value == 1);
        _exit(7);
    }
    close(fds[1]);
    length = read(fds[0], text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void true_is_silent(void **state)
{
    char text[512];
    int status = run(1, text, sizeof(text));

    (void)state;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_string_equal(text, "");
}

static void false_is_said_and_aborts(void **state)
{
    char text[512];
    int status = run(0, text, sizeof(text));

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "assert_test.c:"));
    assert_non_null(strstr(text, "value == 1"));
}

static void ensure_evaluates_once(void **state)
{
    (void)state;
    evaluated = 0;
    ensure(count(1));
    assert_int_equal(evaluated, 1);
}

static void check_evaluates_in_a_checked_build_alone(void **state)
{
    (void)state;
    evaluated = 0;
    check(count(1));
#ifdef SELFPAGE_CHECKED
    assert_int_equal(evaluated, 1);
#else
    assert_int_equal(evaluated, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_is_silent),
        cmocka_unit_test(false_is_said_and_aborts),
        cmocka_unit_test(ensure_evaluates_once),
        cmocka_unit_test(check_evaluates_in_a_checked_build_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
