/* The guardian: nothing is left behind, however its starter ends. */
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
#include <sys/wait.h>
#include <unistd.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "launch/spawn.h"
#include "launch/child.h"
#include "processes.h"
#include "scratch.h"

/* What a starter reports before it waits for its end. */
struct report {
    char directory[DIRECTORY_SOCKET_MAX + 1];
    pid_t guardian;
    pid_t child;      /* ignores SIGTERM, and has left... */
    pid_t grandchild; /* ...this one, which knows nothing of the starter */
    pid_t daemon;     /* has left the group, and its parent has ended */
};

static int read_pid(const char *path, pid_t *pidp)
{
    FILE *file = wait_until(path_is_there, path) ? fopen(path, "re") : NULL;
    int result = file != NULL && fscanf(file, "%d", pidp) == 1 ? 0 : -1;

    if (file != NULL)
        fclose(file);
    return result;
}

/* A process that starts a guardian, a child, a grandchild and a daemon, and says so on report[1]. */
static int starter(void *arg)
{
    const int *pipes = arg;
    struct report report = {0};
    struct directory directory;
    struct guardian guardian;
    char *argv[] = {"sh", "-c",
                    "trap '' TERM; sh -c 'echo $$ > grandchild.new; mv grandchild.new grandchild;"
                    "exec cat /dev/zero > /dev/null' &"
                    "(SELFPAGE_GUARDIAN=$0 setsid sh -c 'echo $$ > daemon.new;"
                    " mv daemon.new daemon; exec cat /dev/zero > /dev/null' &) ; read line",
                    guardian.mark, NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv};
    int input[2];

    if (guardian_start(&guardian, &directory, NULL, false, NULL) != 0 || pipe(input) != 0)
        return 1;
    spawn.directory = directory.path;
    spawn.group = guardian.group;
    spawn.input = input[0];
    if (spawn_program(&spawn, &report.child, NULL) != 0)
        return 1;
    snprintf(report.directory, sizeof report.directory, "%s", directory.path);
    report.guardian = guardian.pid;
    if (chdir(directory.path) != 0)
        return 1;
    if (read_pid("grandchild", &report.grandchild) != 0 || read_pid("daemon", &report.daemon) != 0)
        return 1;
    if (write(pipes[1], &report, sizeof report) != (ssize_t)sizeof report)
        return 1;
    close(pipes[1]);
    if (read(pipes[2], &report, 1) == 1) { /* asked to end well */
        int status;

        child_end(report.child, SIGKILL, PROCESS_PATIENCE_MS, &status);
        guardian_stop(&guardian);
        directory_fini(&directory);
        return access(directory.path, F_OK) == 0;
    }
    return 1;
}

/* Start a starter: its pid, its report, and a descriptor to ask it to end well. */
static pid_t begin(struct report *report, int *ask)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct sp_error error;
    int said[2], asked[2], pipes[3];
    pid_t pid;

    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    assert_int_equal(pipe2(asked, O_CLOEXEC), 0);
    pipes[0] = said[0];
    pipes[1] = said[1];
    pipes[2] = asked[0];
    fflush(NULL);
    assert_int_equal(spawn_function(&spawn, starter, pipes, &pid, &error), 0);
    close(said[1]);
    close(asked[0]);
    assert_int_equal(read(said[0], report, sizeof *report), sizeof *report);
    close(said[0]);
    *ask = asked[1];
    return pid;
}

static void assert_nothing_is_left(const struct report *report)
{
    assert_true(wait_gone(report->child));
    assert_true(wait_gone(report->grandchild));
    assert_true(wait_gone(report->daemon));
    assert_true(wait_until(path_is_gone, report->directory));
    assert_true(wait_gone(report->guardian));
}

static void a_starter_that_is_killed_leaves_nothing(void **state)
{
    struct report report;
    int ask, status;
    pid_t pid = begin(&report, &ask);

    (void)state;
    assert_int_equal(access(report.directory, F_OK), 0);
    assert_false(process_is_gone(report.guardian));
    assert_int_equal(child_end(pid, SIGKILL, PROCESS_PATIENCE_MS, &status), 0);
    assert_nothing_is_left(&report);
    close(ask);
}

static void a_starter_that_ends_well_leaves_nothing(void **state)
{
    struct report report;
    int ask, status;
    pid_t pid = begin(&report, &ask);

    (void)state;
    assert_int_equal(write(ask, "x", 1), 1);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    assert_int_equal(child_exit_status(status), 0);
    assert_nothing_is_left(&report);
    close(ask);
}

static void signals_do_not_end_a_guardian(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    struct report report;
    int ask, status;
    pid_t pid = begin(&report, &ask);

    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        kill(report.guardian, signals[i]);
    assert_false(process_is_gone(report.guardian));
    assert_int_equal(child_end(pid, SIGKILL, PROCESS_PATIENCE_MS, &status), 0);
    assert_nothing_is_left(&report);
    close(ask);
}

/* The linker leads calls of fork here: --wrap. */
pid_t __real_fork(void);
pid_t __wrap_fork(void);

static pid_t only_forker;  /* 0: everybody may */
static pid_t ended_forker; /* gets SIGTERM as it begins to fork; 0: nobody */

pid_t __wrap_fork(void)
{
    if (getpid() == ended_forker)
        raise(SIGTERM);
    if (only_forker != 0 && getpid() != only_forker) {
        errno = EAGAIN;
        return -1;
    }
    return __real_fork();
}

/* The guardian is there, but there are no more processes for its group. */
static void a_guardian_without_a_group_is_gone_again(void **state)
{
    unsigned fds = count_fds();
    struct directory directory;
    struct guardian guardian;
    struct sp_error error;

    (void)state;
    only_forker = getpid();
    assert_int_equal(guardian_start(&guardian, &directory, NULL, false, &error), -EAGAIN);
    only_forker = 0;
    assert_non_null(strstr(error.text, "no more processes"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, not even a dead one */
    assert_int_equal(errno, ECHILD);
    assert_true(path_is_gone(directory.path));
    assert_int_equal(count_fds(), fds);
}

/* The signal that ends a starter comes when there is a directory, and no guardian yet. */
static int starter_that_is_ended(void *arg)
{
    struct directory directory;
    struct guardian guardian;

    (void)arg;
    ended_forker = getpid();
    return guardian_start(&guardian, &directory, NULL, false, NULL) == 0 ? 0 : 1;
}

static bool is_empty(const void *value)
{
    return rmdir(value) == 0;
}

static void a_signal_before_there_is_a_guardian_leaves_nothing(void **state)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct scratch scratch;
    char assignment[96];
    char *environment[] = {assignment, NULL};
    struct sp_error error;
    int status;
    pid_t pid;

    (void)state;
    scratch_init(&scratch);
    snprintf(assignment, sizeof assignment, "XDG_RUNTIME_DIR=%s", scratch.directory);
    spawn.envp = environment;
    assert_int_equal(spawn_function(&spawn, starter_that_is_ended, NULL, &pid, &error), 0);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_true(wait_until(is_empty, scratch.directory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_starter_that_is_killed_leaves_nothing),
        cmocka_unit_test(a_starter_that_ends_well_leaves_nothing),
        cmocka_unit_test(signals_do_not_end_a_guardian),
        cmocka_unit_test(a_guardian_without_a_group_is_gone_again),
        cmocka_unit_test(a_signal_before_there_is_a_guardian_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
