#include "task/state/hold.h"

#include "base/assert.h"
#include "task/state/units.h"

/* Set while this thread holds the lock of the task. Initial-exec: a fault handler reads it, and must
 * not allocate. */
static __thread bool holding __attribute__((tls_model("initial-exec")));

void hold_take(struct sp_task *task)
{
    ensure(!holding);
    futex_lock_take(&task->lock);
    holding = true;
}

void hold_release(struct sp_task *task)
{
    ensure(holding);
    ensure(task->pager.effects_next == task->pager.effects_end);
    if (task->recalls_open > 0 && task->pager.owed == 0) {
        task->stats->recalls_answered += task->recalls_open;
        task->recalls_open = 0;
    }
    units_show_stats(task);
    holding = false;
    futex_lock_release(&task->lock);
}

bool hold_is_ours(void)
{
    return holding;
}
