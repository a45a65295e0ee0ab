#include "task/state/guard.h"

#include <pthread.h>

#include "base/assert.h"

int guard_forbid_cancel(void)
{
    int before = PTHREAD_CANCEL_ENABLE;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    check(before == PTHREAD_CANCEL_ENABLE || before == PTHREAD_CANCEL_DISABLE);
    return before;
}

void guard_permit_cancel(int before)
{
    check(before == PTHREAD_CANCEL_ENABLE || before == PTHREAD_CANCEL_DISABLE);
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
    check(sigismember(&all, SIGSEGV) == 0 && sigismember(&all, SIGBUS) == 0);
}

void guard_end(const struct guard *guard)
{
    pthread_sigmask(SIG_SETMASK, &guard->signals, NULL);
    guard_permit_cancel(guard->cancel);
}
