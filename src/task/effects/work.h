/* What the effects of one call into the pager leave to do once the lock is released.
 *
 * world/pager_work.h is the same where there are no processes. It keeps effects as they are, whereas here they become
 * what messages carry: a page may be many base pages, each with a swap slot of its own, which has to be looked up
 * under the lock. The rules that both rely on are those of the pager, which says how many effects a call has. */
#ifndef TASK_EFFECTS_WORK_H
#define TASK_EFFECTS_WORK_H

#include "base/assert.h"
#include "task/state/state.h"

/* Frames returned with one call: a batch, and those of an allocation that were lost before it was answered. */
#define WORK_RETURNS (PAGER_BATCH + 64u)

struct work_page {
    sp_page page;
    uint32_t slot;
    uint32_t swap;
};

/* At most one of loads, refill, allocate and grant is waited for by one call. */
struct work {
    uint32_t stores, loads, frees, returns;
    struct work_page store[PAGER_BATCH], load[PAGER_BATCH];
    uint32_t free_swap[WIRE_BATCH]; /* `frees` slots of swap, one for each base page */
    uint32_t return_slot[WORK_RETURNS];
    bool refill, allocate, grant, extra;
    bool late;               /* pages are to be evicted while the loads are under way */
    struct task_early early; /* of the page that is loaded */
    struct work_page refilled;
    uint32_t grant_slot, grant_count;
    uint32_t allocate_slot, allocate_count;
};

/* Leave nothing to do. */
static inline void work_clear(struct work *work)
{
    work->stores = work->loads = work->frees = work->returns = 0;
    work->refill = work->allocate = work->grant = work->late = false;
}

static inline bool work_is_empty(const struct work *work)
{
    check(work->stores <= PAGER_BATCH && work->loads <= PAGER_BATCH &&
          work->returns <= WORK_RETURNS);
    return (work->stores | work->loads | work->frees | work->returns) == 0 && !work->refill &&
           !work->allocate && !work->grant;
}

/* Take the effects of a call into the pager, all of which concern this process alone, and carry them out. The lock
 * is held. */
void work_carry_out(struct sp_task *task);

/* Take all effects of the pager: carry out those that concern this process alone, and add the others to
 * `work`. The lock is held. Once after each call into the pager that may say effects. */
void work_collect(struct sp_task *task, struct work *work);

#endif
