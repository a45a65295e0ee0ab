/* The guardian. All that runs in the forked child is async-signal-safe. */
#include "launch/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/marked.h"
#include "os/clock.h"

/* How long to wait for the killed children to be gone, in ms. As orphans they are reaped by
 * another process, which may be slow or missing; they are dead in any case. */
enum { GUARDIAN_PATIENCE_MS = 100 };

/* How long to try to remove the directory, which fails while a dying child still adds to it. */
enum { GUARDIAN_REMOVAL_MS = 5000 };

/* Descriptors of the guardian; everything else is closed. */
enum { GUARDIAN_PIPE = 3, GUARDIAN_LOCK = 4, GUARDIAN_FIRST_FREE = 5 };

/* Keep two descriptors, in known places, and nothing that the starter's other readers and writers
 * would wait for. */
static void guardian_close_others(int pipe, int lock)
{
    int null = open("/dev/null", O_RDWR);

    pipe = fcntl(pipe, F_DUPFD, GUARDIAN_FIRST_FREE);
    lock = fcntl(lock, F_DUPFD, GUARDIAN_FIRST_FREE);
    null = fcntl(null, F_DUPFD, GUARDIAN_FIRST_FREE);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    dup2(pipe, GUARDIAN_PIPE);
    dup2(lock, GUARDIAN_LOCK);
    close_range(GUARDIAN_FIRST_FREE, ~0u, 0);
}

/* Signals are for the starter; only its end is for the guardian. */
static void guardian_ignore_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

/* The leader of the group: there until it is killed. */
static pid_t guardian_make_group(void)
{
    pid_t guardian = getpid(), leader = fork();

    if (leader != 0) {
        if (leader > 0)
            setpgid(leader, leader); /* both processes do it: the first one counts */
        return leader;
    }
    setpgid(0, 0);
    prctl(PR_SET_NAME, "selfpage-group");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guardian)
        _exit(0);
    close_range(GUARDIAN_PIPE, ~0u, 0);
    for (;;)
        pause();
}

/* Returns how many processes had left the group. */
static unsigned guardian_clean(pid_t group, const char *mark, const struct directory *directory)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    unsigned strays;

    kill(-group, SIGKILL);
    while (waitpid(group, NULL, 0) < 0 && errno == EINTR)
        continue;
    for (int ms = 0; ms < GUARDIAN_PATIENCE_MS && kill(-group, 0) == 0; ms++)
        nanosleep(&pause, NULL);
    strays = marked_kill(mark);
    for (int ms = 0; ms < GUARDIAN_REMOVAL_MS && directory_remove(directory) != 0; ms++)
        nanosleep(&pause, NULL);
    return strays;
}

_Noreturn static void guardian_main(int pipe, int report, const char *mark,
                                    const struct directory *directory)
{
    char entry[sizeof GUARDIAN_VARIABLE + sizeof((struct guardian *)0)->mark];
    unsigned strays;
    pid_t group;
    char byte;

    setpgid(0, 0); /* a Ctrl-C at the terminal is for the starter's group */
    prctl(PR_SET_NAME, "selfpage-guard");
    guardian_ignore_signals();
    group = guardian_make_group();
    if (group < 0 || write(report, &group, sizeof group) != (ssize_t)sizeof group)
        _exit(1);
    guardian_close_others(pipe, directory->fd);
    while (read(GUARDIAN_PIPE, &byte, 1) < 0 && errno == EINTR)
        continue;
    strcat(strcpy(entry, GUARDIAN_VARIABLE "="), mark);
    strays = guardian_clean(group, entry, directory);
    _exit(strays < 255 ? (int)strays : 255);
}

/* Wait until the guardian says which group it made. */
static int guardian_receive_group(struct guardian *guardian, int report, struct sp_error *error)
{
    ssize_t size;

    do
        size = read(report, &guardian->group, sizeof guardian->group);
    while (size < 0 && errno == EINTR);
    if (size == (ssize_t)sizeof guardian->group)
        return 0;
    guardian_stop(guardian);
    return error_set(error, EAGAIN, "cannot start the guardian process: no more processes");
}

static int guardian_fork(struct guardian *guardian, const struct directory *directory,
                         struct sp_error *error)
{
    int watched[2], report[2], result;

    if (pipe2(watched, O_CLOEXEC) != 0)
        return error_set(error, errno, "pipe: %s", strerror(errno));
    if (pipe2(report, O_CLOEXEC) != 0) {
        result = error_set(error, errno, "pipe: %s", strerror(errno));
        close(watched[0]);
        close(watched[1]);
        return result;
    }
    snprintf(guardian->mark, sizeof guardian->mark, "%d.%llu", (int)getpid(),
             (unsigned long long)clock_now_ns());
    guardian->pid = fork();
    if (guardian->pid == 0) {
        close(watched[1]);
        close(report[0]);
        guardian_main(watched[0], report[1], guardian->mark, directory);
    }
    result = guardian->pid < 0 ? error_set(error, errno, "fork: %s", strerror(errno)) : 0;
    guardian->pipe = watched[1];
    close(watched[0]);
    close(report[1]);
    if (result != 0) {
        guardian->pid = 0;
        guardian_stop(guardian);
    } else {
        result = guardian_receive_group(guardian, report[0], error);
    }
    close(report[0]);
    return result;
}

int guardian_start(struct guardian *guardian, struct directory *directory, const char *chosen,
                   bool keep_swap, struct sp_error *error)
{
    sigset_t all, before;
    int result;

    *guardian = (struct guardian){.pipe = -1};
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    result = directory_make(directory, chosen, error);
    if (result == 0) {
        directory->keep_swap = keep_swap;
        result = guardian_fork(guardian, directory, error);
        if (result != 0) {
            directory_remove(directory);
            directory_fini(directory);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

unsigned guardian_stop(struct guardian *guardian)
{
    int status = 0;

    if (guardian->pipe >= 0)
        close(guardian->pipe);
    guardian->pipe = -1;
    if (guardian->pid > 0)
        while (waitpid(guardian->pid, &status, 0) < 0 && errno == EINTR)
            continue;
    guardian->pid = 0;
    return WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 0;
}
