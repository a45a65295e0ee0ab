/* Waiting for one child with a limit: by a descriptor of the process where the kernel has them, and
 * by looking every millisecond where it has not (Valgrind 3.19 does not know pidfd_open). */
#include "launch/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

static int child_look(pid_t pid, int *statusp)
{
    pid_t result;

    do
        result = waitpid(pid, statusp, WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    return result == pid ? 0 : -ETIMEDOUT;
}

/* Sleep until the process may have ended, or time is up. `pidfd` may be -1. */
static void child_pause(int pidfd, uint64_t left_ns)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    struct timespec pause = {.tv_nsec = CLOCK_NS_PER_MS};

    if (pidfd < 0) {
        nanosleep(&pause, NULL);
        return;
    }
    pause.tv_sec = (time_t)(left_ns / CLOCK_NS_PER_S);
    pause.tv_nsec = (long)(left_ns % CLOCK_NS_PER_S);
    ppoll(&poll_fd, 1, &pause, NULL);
}

bool child_ended(pid_t pid)
{
    siginfo_t info = {0};
    int result;

    do
        result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    while (result < 0 && errno == EINTR);
    return result < 0 || info.si_pid == pid;
}

int child_wait(pid_t pid, unsigned timeout_ms, int *statusp)
{
    uint64_t deadline = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS, now;
    int result = child_look(pid, statusp), pidfd = -1;

    if (result != -ETIMEDOUT || timeout_ms == 0)
        return result;
    if (!RUNNING_ON_VALGRIND)
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    while ((result = child_look(pid, statusp)) == -ETIMEDOUT && (now = clock_now_ns()) < deadline)
        child_pause(pidfd, deadline - now);
    if (pidfd >= 0)
        close(pidfd);
    return result;
}

int child_end(pid_t pid, int signal, unsigned timeout_ms, int *statusp)
{
    int result;

    kill(pid, signal);
    result = child_wait(pid, timeout_ms, statusp);
    if (result != -ETIMEDOUT)
        return result;
    kill(pid, SIGKILL);
    while (waitpid(pid, statusp, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return -ETIMEDOUT;
}

int child_exit_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const char *child_fault_text(int status)
{
    if (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGSEGV && WTERMSIG(status) != SIGBUS))
        return NULL;
    return "a wrong address; or managed memory was touched in a thread that blocks SIGSEGV, in a signal handler "
           "whose sa_mask holds it, or with a signal stack (sigaltstack) of less than "
           "sysconf(_SC_MINSIGSTKSZ)";
}
