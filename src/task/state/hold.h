/* The task's lock. */
#ifndef TASK_STATE_HOLD_H
#define TASK_STATE_HOLD_H

#include "task/state/state.h"

/* Take the lock, inside a guard or a fault handler. This thread must not hold it. */
void hold_take(struct sp_task *task);

/* Release it. All effects of the pager have been taken (work_collect). */
void hold_release(struct sp_task *task);

/* True if this thread holds the lock. */
bool hold_is_ours(void);

#endif
