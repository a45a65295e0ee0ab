/* SIGSEGV and SIGBUS: page faults on managed memory. */
#ifndef TASK_ENTRY_FAULT_H
#define TASK_ENTRY_FAULT_H

#include "task/state/state.h"

/* Install the handlers, and note those that were there; and put those back. */
int fault_install(struct sp_task *task, struct sp_error *error);
void fault_uninstall(struct sp_task *task);

#endif
