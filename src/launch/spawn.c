/* Starting a child. Between fork and exec only async-signal-safe functions are called. */
#include "launch/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* What the child of spawn_program says if it cannot become the program. */
struct spawn_failure {
    int code;
    char what[12]; /* the call that failed */
};

/* Descriptors are first moved up here, so that putting one in place cannot overwrite another. */
enum { SPAWN_ASIDE = 16 };

static int spawn_join(const struct spawn *spawn, pid_t parent)
{
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return -1;
    if (getppid() != parent) /* it ended before it could be watched */
        _exit(127);
    if (spawn->group != 0 && setpgid(0, spawn->group) != 0)
        return -1;
    for (int number = 1; number < SIGRTMIN; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Make `fd` (-1: leave as it is) the descriptor `place`. */
static int spawn_place(int fd, int place)
{
    if (fd < 0)
        return 0;
    return dup2(fd, place) < 0 ? -1 : 0;
}

/* `fd` moved out of the way; -1 stays -1. */
static int spawn_aside(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_ASIDE);
}

static int spawn_standard_fds(const struct spawn *spawn)
{
    int input = spawn->input < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : spawn->input;
    int output = spawn_aside(spawn->output), error = spawn_aside(spawn->error);

    input = spawn_aside(input);
    if (input < 0 || (spawn->output >= 0 && output < 0) || (spawn->error >= 0 && error < 0))
        return -1;
    if (spawn_place(input, STDIN_FILENO) != 0 || spawn_place(output, STDOUT_FILENO) != 0)
        return -1;
    return spawn_place(error, STDERR_FILENO);
}

/* Returns the call that failed, with errno set; does not return when all went well. */
static const char *spawn_become(const struct spawn *spawn, pid_t parent, int *report)
{
    int passed;

    if (spawn_join(spawn, parent) != 0)
        return "setpgid";
    *report = spawn_aside(*report);
    passed = spawn_aside(spawn->passed);
    if (*report < 0 || (spawn->passed >= 0 && passed < 0) || spawn_standard_fds(spawn) != 0 ||
        spawn_place(passed, SPAWN_PASSED_FD) != 0)
        return "dup2";
    if (spawn->directory != NULL && chdir(spawn->directory) != 0)
        return "chdir";
    if (!spawn->inherits)
        close_range(SPAWN_PASSED_FD + (passed >= 0), ~0u, CLOSE_RANGE_CLOEXEC);
    execve(spawn->program, spawn->argv, spawn->envp != NULL ? spawn->envp : environ);
    return "execve";
}

_Noreturn static void spawn_child(const struct spawn *spawn, pid_t parent, int report)
{
    struct spawn_failure failure = {0};
    const char *what = spawn_become(spawn, parent, &report);

    failure.code = errno;
    strncpy(failure.what, what, sizeof failure.what - 1);
    _exit(write(report, &failure, sizeof failure) > 0 ? 127 : 126);
}

int spawn_program(const struct spawn *spawn, pid_t *pidp, struct sp_error *error)
{
    struct spawn_failure failure;
    pid_t parent = getpid(), pid;
    ssize_t size;
    int report[2];

    if (pipe2(report, O_CLOEXEC) != 0)
        return error_set(error, errno, "pipe: %s", strerror(errno));
    pid = fork();
    if (pid == 0)
        spawn_child(spawn, parent, report[1]);
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return error_set(error, errno, "cannot start %.160s: fork: %s", spawn->program,
                         strerror(errno));
    }
    do
        size = read(report[0], &failure, sizeof failure);
    while (size < 0 && errno == EINTR);
    close(report[0]);
    if (size == 0) {
        *pidp = pid;
        return 0;
    }
    waitpid(pid, NULL, 0);
    return error_set(error, size < 0 ? EIO : failure.code, "cannot start %.160s: %s: %s",
                     spawn->program, size < 0 ? "pipe" : failure.what,
                     strerror(size < 0 ? EIO : failure.code));
}

int spawn_function(const struct spawn *spawn, int (*function)(void *arg), void *arg, pid_t *pidp,
                   struct sp_error *error)
{
    pid_t parent = getpid(), pid = fork();
    int status;

    if (pid < 0)
        return error_set(error, errno, "fork: %s", strerror(errno));
    if (pid > 0) {
        *pidp = pid;
        return 0;
    }
    if (spawn_join(spawn, parent) != 0 || spawn_standard_fds(spawn) != 0 ||
        (spawn->directory != NULL && chdir(spawn->directory) != 0))
        _exit(127);
    if (spawn->closed >= 0)
        close(spawn->closed);
    if (spawn->envp != NULL)
        environ = (char **)spawn->envp;
    status = function(arg);
    fflush(NULL);
    _exit(status);
}
