#include "launch/passing.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "base/assert.h"

static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { PASSED = sizeof(passed) / sizeof(passed[0]) };

static volatile pid_t receiver; /* 0: nobody */
static struct sigaction before[PASSED];
static sigset_t mask_before;

/* A signal of the kernel is a terminal's, which the program has, too. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)context;
    if (info->si_code <= 0 && receiver > 0)
        kill(receiver, number);
    errno = saved;
}

static void all(sigset_t *set)
{
    sigemptyset(set);
    for (int i = 0; i < PASSED; i++)
        sigaddset(set, passed[i]);
}

void passing_hold(void)
{
    sigset_t set;

    all(&set);
    ensure(sigprocmask(SIG_BLOCK, &set, &mask_before) == 0);
    for (int i = 0; i < PASSED; i++)
        ensure(sigaction(passed[i], NULL, &before[i]) == 0);
}

void passing_to(pid_t pid)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};

    ensure(pid > 0);
    receiver = pid;
    for (int i = 0; i < PASSED; i++)
        ensure(sigaction(passed[i], &action, NULL) == 0);
    ensure(sigprocmask(SIG_SETMASK, &mask_before, NULL) == 0);
}

void passing_to_nobody(void)
{
    receiver = 0;
}

int passing_wait(pid_t pid, int *statusp)
{
    siginfo_t info;

    /* Not reaped at once: its number must be nobody else's as long as a signal may be on its way. */
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0)
        if (errno != EINTR)
            return -errno;
    passing_to_nobody();
    while (waitpid(pid, statusp, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

void passing_end(void)
{
    passing_to_nobody();
    for (int i = 0; i < PASSED; i++)
        ensure(sigaction(passed[i], &before[i], NULL) == 0);
    ensure(sigprocmask(SIG_SETMASK, &mask_before, NULL) == 0);
}
