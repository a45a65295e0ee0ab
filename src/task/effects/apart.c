#include "task/effects/apart.h"

#include "base/assert.h"
#include "task/state/hold.h"

bool apart_enter(struct sp_task *task)
{
    check(!hold_is_ours());
    return futex_lock_try(&task->apart_lock);
}

void apart_forbid(struct sp_task *task)
{
    ensure(!hold_is_ours());
    futex_lock_take(&task->apart_lock);
}

void apart_leave(struct sp_task *task)
{
    ensure(task->apart == NULL);
    futex_lock_release(&task->apart_lock);
}

void apart_begin(struct sp_task *task, struct apart *apart)
{
    ensure(hold_is_ours() && task->apart == NULL);
    apart->takes = apart->unmaps = 0;
    task->apart = apart;
}

bool apart_take(struct sp_task *task, sp_page page, uint32_t count)
{
    struct apart *apart = task->apart;

    check(hold_is_ours() && count > 0);
    if (apart == NULL || apart->takes == APART_TAKES)
        return false;
    apart->take[apart->takes++] = (struct apart_range){page, count};
    return true;
}

void apart_unmap(struct sp_task *task, sp_page page, uint32_t count)
{
    struct apart *apart = task->apart;

    ensure(apart->unmaps < APART_PAGES);
    apart->unmap[apart->unmaps++] = (struct apart_range){page, count};
}
