/* A part of a thread's run that must not be interrupted: no signal but SIGSEGV and SIGBUS is
 * delivered, and the thread is not cancelled. Everything in this library that takes a lock, or waits for a
 * server, runs inside a guard; a thread that was cancelled meanwhile ends after it. Guards nest. */
#ifndef TASK_STATE_GUARD_H
#define TASK_STATE_GUARD_H

#include <signal.h>

struct guard {
    sigset_t signals; /* blocked before */
    int cancel;       /* the cancellation state before */
};

/* Begin a guard; `guard` notes what was before. Async-signal-safe. Threads that are started inside it
 * inherit the blocked signals. */
void guard_begin(struct guard *guard);

/* End it. A pending signal acts here; a pending cancellation at the next point where the thread can be
 * cancelled, or here, if that is anywhere. */
void guard_end(const struct guard *guard);

/* The part of it that concerns cancellation alone, for a handler, in which signals are blocked already. */
int guard_forbid_cancel(void);
void guard_permit_cancel(int before);

#endif
