/* The room on the stack that a fault is handled on. */
#ifndef TASK_ENTRY_ROOM_H
#define TASK_ENTRY_ROOM_H

#include <ucontext.h>

#include "task/state/state.h"

extern __thread bool room_was_checked __attribute__((tls_model("initial-exec")));

/* At a thread's first fault, in its handler: end the process, saying what to do, if the stack of the handler has
 * less room than SP_FAULT_STACK. Takes little of it itself. */
void room_check(const struct sp_task *task, const ucontext_t *context);

#endif
