/* The room on the stack that a fault is handled on. */
#ifndef TASK_ENTRY_ROOM_H
#define TASK_ENTRY_ROOM_H

#include "task/state/state.h"

extern __thread bool room_was_checked __attribute__((tls_model("initial-exec")));

/* At a thread's first fault: end the process, saying what to do, if this thread's stack has less room
 * than SP_FAULT_STACK. */
void room_check(const struct sp_task *task);

#endif
