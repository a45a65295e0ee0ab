/* Waiting for one child with a limit. */
#ifndef LAUNCH_CHILD_H
#define LAUNCH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Wait until the child `pid` has ended, for at most `timeout_ms` (0: only look), and reap it.
 * Returns 0 and what waitpid says, or -ETIMEDOUT, or -ECHILD if there is no such child. */
int child_wait(pid_t pid, unsigned timeout_ms, int *statusp);

/* Whether the child has ended, without waiting and without reaping it; also if there is no such
 * child. */
bool child_ended(pid_t pid);

/* Send a signal (0: none), wait as child_wait, and if that does not help send SIGKILL and wait for
 * good. Returns 0, or -ETIMEDOUT if it took SIGKILL (*statusp is set then too), or -ECHILD. */
int child_end(pid_t pid, int signal, unsigned timeout_ms, int *statusp);

/* A wait status as an exit status: 128 + the signal's number if one ended the process. */
int child_exit_status(int status);

/* What may have ended a task that died of SIGSEGV or SIGBUS, and that wrote nothing about it; NULL if its wait
 * status says that it ended in another way. */
const char *child_fault_text(int status);

#endif
