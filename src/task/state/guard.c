#include "task/state/guard.h"

#include <pthread.h>

int guard_forbid_cancel(void)
{
    int before = PTHREAD_CANCEL_ENABLE;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

void guard_permit_cancel(int before)
{
    pthread_setcancelstate(before, NULL);
}

void guard_begin(struct guard *guard)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    guard->cancel = guard_forbid_cancel();
    pthread_sigmask(SIG_SETMASK, &all, &guard->signals);
}

void guard_end(const struct guard *guard)
{
    pthread_sigmask(SIG_SETMASK, &guard->signals, NULL);
    guard_permit_cancel(guard->cancel);
}
