/* SIGSEGV and SIGBUS: page faults on managed memory. */
#ifndef TASK_ENTRY_FAULT_H
#define TASK_ENTRY_FAULT_H

#include "task/state/state.h"

/* Install the handlers, and note those that were there; and put those back. */
int fault_install(struct sp_task *task, struct sp_error *error);
void fault_uninstall(struct sp_task *task);

/* Unblock both signals in this thread. Linux ends a process at a fault whose signal is blocked, without
 * a word; to block them never does any good, but programs that take their signals by sigwait block all. */
void fault_unblock(void);

/* In the child of a fork, after fault_uninstall: an access to what was managed memory, `size` bytes, ends the
 * process with a line that says why, unless the program has a handler of its own. */
void fault_in_child(const struct sp_task *task, const void *managed, size_t size);

#endif
