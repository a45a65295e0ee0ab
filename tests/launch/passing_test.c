/* Signals that are passed on to a program: none is lost, and none ends the command before it has tidied up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/child.h"
#include "launch/passing.h"
#include "launch/spawn.h"
#include "processes.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* What a command does with its program, and when the signal comes. */
struct moment {
    int signal;
    bool before; /* there is the program; else once it runs */
    bool none;   /* the program cannot be started */
    bool after;  /* the program has ended by itself */
};

static int sleeper(void *arg)
{
    bool ends = *(const bool *)arg;

    while (!ends)
        pause();
    return 0;
}

/* Exits with the signal that has ended the program, 0 if it ended by itself, or more than 100. */
static int command(void *arg)
{
    const struct moment *moment = arg;
    struct spawn spawn = {SPAWN_DEFAULTS};
    bool ends = moment->after;
    int status = 0;
    pid_t pid;

    passing_hold();
    if (moment->before || moment->none)
        raise(moment->signal);
    if (moment->none) {
        if (write(STDOUT_FILENO, "tidied", 6) != 6)
            return 101;
        passing_end();
        return 102;
    }
    if (spawn_function(&spawn, sleeper, &ends, &pid, NULL) != 0)
        return 103;
    passing_to(pid);
    if (!moment->before && !moment->after)
        kill(getpid(), moment->signal);
    if (passing_wait(pid, &status) != 0)
        return 104;
    if (moment->after)
        kill(getpid(), moment->signal);
    passing_end();
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(const struct moment *moment, char *said, size_t room)
{
    struct spawn spawn = {SPAWN_DEFAULTS};
    struct moment copy = *moment;
    int pipes[2], status;
    ssize_t size;
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    spawn.output = pipes[1];
    spawn.closed = pipes[0];
    assert_int_equal(spawn_function(&spawn, command, &copy, &pid, NULL), 0);
    close(pipes[1]);
    size = read(pipes[0], said, room - 1);
    said[size > 0 ? size : 0] = '\0';
    close(pipes[0]);
    assert_int_equal(child_wait(pid, PROCESS_PATIENCE_MS, &status), 0);
    return child_exit_status(status);
}

static void the_program_gets_it(void **state)
{
    char said[16];

    (void)state;
    for (size_t i = 0; i < SIGNALS; i++) {
        assert_int_equal(
            run(&(struct moment){.signal = signals[i], .before = true}, said, sizeof(said)),
            signals[i]);
        assert_int_equal(run(&(struct moment){.signal = signals[i]}, said, sizeof(said)),
                         signals[i]);
    }
}

static void after_the_program_nobody_gets_it(void **state)
{
    char said[16];

    (void)state;
    for (size_t i = 0; i < SIGNALS; i++)
        assert_int_equal(
            run(&(struct moment){.signal = signals[i], .after = true}, said, sizeof(said)), 0);
}

static void without_a_program_it_ends_the_command_that_has_tidied_up(void **state)
{
    char said[16];

    (void)state;
    for (size_t i = 0; i < SIGNALS; i++) {
        assert_int_equal(
            run(&(struct moment){.signal = signals[i], .none = true}, said, sizeof(said)),
            128 + signals[i]);
        assert_string_equal(said, "tidied");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_gets_it),
        cmocka_unit_test(after_the_program_nobody_gets_it),
        cmocka_unit_test(without_a_program_it_ends_the_command_that_has_tidied_up),
    };

    if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) != 0) /* of SIGQUIT */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
