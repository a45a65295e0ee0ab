/* The task's lock. Its functions are inline: each fault takes and releases it. */
#ifndef TASK_STATE_HOLD_H
#define TASK_STATE_HOLD_H

#include "base/assert.h"
#include "task/state/state.h"
#include "task/state/units.h"

/* Set while this thread holds the lock of the task. Initial-exec: a fault handler reads it, and must not
 * allocate. */
extern __thread bool hold_ours __attribute__((tls_model("initial-exec")));

/* True if this thread holds the lock. */
static inline bool hold_is_ours(void)
{
    return hold_ours;
}

/* Take the lock, inside a guard or a fault handler. This thread must not hold it. */
static inline void hold_take(struct sp_task *task)
{
    ensure(!hold_ours);
    futex_lock_take(&task->lock);
    hold_ours = true;
}

/* All frames that recalls asked for are returned: count the recalls as answered. */
void hold_recalls_met(struct sp_task *task);

/* Release it. All effects of the pager have been taken (work_collect). */
static inline void hold_release(struct sp_task *task)
{
    ensure(hold_ours && task->pager.effects_end == 0);
    if (task->recalls_open > 0 && task->pager.owed == 0)
        hold_recalls_met(task);
    if (task->shown_stats != task->stats)
        units_show_stats(task);
    hold_ours = false;
    futex_lock_release(&task->lock);
}

#endif
