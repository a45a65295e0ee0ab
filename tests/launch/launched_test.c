/* Servers that start, and servers that do not: shell scripts in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "launch/launched.h"
#include "launch/child.h"
#include "processes.h"

static int start(struct launched *server, const struct launched_log *log, const char *script,
                 struct sp_error *error)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv};

    return launched_start(server, "stub", &spawn, log, error);
}

static void ready_is_when_it_says_so(void **state)
{
    struct launched_log log;
    struct launched server;
    struct sp_error error;
    int status;
    char text[16];

    (void)state;
    assert_int_equal(launched_log_memory(&log), 0);
    assert_int_equal(
        start(&server, &log,
              "echo starting >&2; printf x >&3; exec 3>&-; exec cat /dev/zero >/dev/null", &error),
        0);
    assert_int_equal(launched_await(&server, &log, PROCESS_PATIENCE_MS, &error), 0);
    assert_int_equal(server.ready, -1);
    assert_int_equal(read(log.read, text, sizeof text), 9);
    assert_memory_equal(text, "starting\n", 9);
    assert_int_equal(child_end(server.pid, SIGTERM, PROCESS_PATIENCE_MS, &status), 0);
    launched_log_fini(&log);
}

static void a_server_that_dies_is_quoted(void **state)
{
    struct launched_log log;
    struct launched server;
    struct sp_error error;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? launched_log_memory(&log) : launched_log_pipe(&log), 0);
        assert_int_equal(start(&server, &log, "echo first >&2; echo no room >&2; exit 2", &error),
                         0);
        assert_int_equal(launched_await(&server, &log, PROCESS_PATIENCE_MS, &error), -ECHILD);
        assert_string_equal(error.text, "stub ended with exit status 2 while starting: no room");
        assert_int_equal(server.pid, 0);
        launched_log_fini(&log);
    }
}

static void a_long_log_is_quoted_by_its_last_line(void **state)
{
    struct launched_log log;
    struct launched server;
    struct sp_error error;

    (void)state;
    assert_int_equal(launched_log_memory(&log), 0);
    assert_int_equal(start(&server, &log,
                           "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done;"
                           "kill -KILL $$",
                           &error),
                     0);
    assert_int_equal(launched_await(&server, &log, PROCESS_PATIENCE_MS, &error), -ECHILD);
    assert_string_equal(error.text, "stub was killed by signal 9 while starting: line 2999");
    launched_log_fini(&log);
}

static void a_server_that_says_nothing_is_killed(void **state)
{
    struct launched_log log;
    struct launched server;
    struct sp_error error;

    (void)state;
    assert_int_equal(launched_log_memory(&log), 0);
    assert_int_equal(start(&server, &log, "exec cat /dev/zero > /dev/null", &error), 0);
    assert_int_equal(launched_await(&server, &log, 50, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.text, "stub did not listen within 50 ms"));
    assert_int_equal(server.pid, 0);
    launched_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_is_when_it_says_so),
        cmocka_unit_test(a_server_that_dies_is_quoted),
        cmocka_unit_test(a_long_log_is_quoted_by_its_last_line),
        cmocka_unit_test(a_server_that_says_nothing_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
