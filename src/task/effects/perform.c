#include "task/effects/perform.h"

#include "base/assert.h"
#include "task/effects/frames.h"
#include "task/effects/refill.h"
#include "task/effects/swapping.h"
#include "task/state/hold.h"

/* One round: what is sent, and the one thing that is waited for. `work` is then what that leaves to do. */
static void perform_round(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                          bool write)
{
    check((work->loads > 0) + work->refill + work->allocate + work->grant <= 1);
    if (work->returns > 0)
        frames_return(task, work);
    work->returns = 0;
    if (work->stores + work->loads + work->frees > 0)
        swapping_perform(task, work, swap, map, write);
    if (work->refill)
        refill_page(task, work, write);
    else if (work->allocate)
        frames_allocate(task, work);
    else if (work->grant)
        frames_grant(task, work);
}

void perform_work(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                  bool write)
{
    ensure(!hold_is_ours());
    while (!work_is_empty(work)) {
        perform_round(task, work, swap, map, write);
        swap = &task->swap;
        map = write = false;
    }
    check(work_is_empty(work) && !hold_is_ours());
}
