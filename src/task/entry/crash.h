/* Last words of a task that crashes in the midst of paging. */
#ifndef TASK_ENTRY_CRASH_H
#define TASK_ENTRY_CRASH_H

#include <ucontext.h>

#include "task/state/state.h"

/* See where the code of the policy lies, which has been chosen. */
void crash_watch_policy(struct sp_task *task);

/* This thread has had a fault that is not on managed memory: say whose it is, if it is one of
 * paging. Async-signal-safe enough, as say. */
void crash_explain(const struct sp_task *task, const siginfo_t *info, const ucontext_t *context);

#endif
