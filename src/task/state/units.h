/* Pages and slots of the pager, and base pages and physmem's slots: from one to the other. */
#ifndef TASK_STATE_UNITS_H
#define TASK_STATE_UNITS_H

#include "base/assert.h"
#include "task/state/state.h"

/* One message to swap carries the largest page whole. */
#define UNIT_ORDER_MAX 6u
_Static_assert(1u << UNIT_ORDER_MAX <= WIRE_BATCH, "a page must fit into one message");

/* How large the contracts to propose make the pages. Returns 0 or -EINVAL. */
int units_choose(const struct wanted_contract *wanted, int count, uint32_t max_pages,
                 unsigned *orderp, struct sp_error *error);

/* Of one page: base pages, and bytes. */
static inline uint32_t unit_pages(const struct sp_task *task)
{
    check(task->page_order <= UNIT_ORDER_MAX);
    return UINT32_C(1) << task->page_order;
}

static inline size_t unit_bytes(const struct sp_task *task)
{
    check(task->page_order <= UNIT_ORDER_MAX);
    return (size_t)SP_PAGE_SIZE << task->page_order;
}

/* So many base pages, in whole pages: those that they make, and those that hold them. */
static inline uint32_t units_in(const struct sp_task *task, uint32_t base)
{
    check(task->page_order <= UNIT_ORDER_MAX);
    return base >> task->page_order;
}

static inline uint32_t units_for(const struct sp_task *task, uint32_t base)
{
    check(task->page_order <= UNIT_ORDER_MAX);
    return (base >> task->page_order) + ((base & (unit_pages(task) - 1)) != 0);
}

/* A number of pages, in base pages; also the first base page of a page or of a slot. */
static inline uint32_t units_base(const struct sp_task *task, uint32_t units)
{
    check(units <= UINT32_MAX >> task->page_order);
    return units << task->page_order;
}

/* Pages that one message to swap carries. */
static inline uint32_t units_batch(const struct sp_task *task)
{
    uint32_t batch = units_in(task, WIRE_BATCH);

    check(batch > 0);
    return batch < PAGER_BATCH ? batch : PAGER_BATCH;
}

/* Tell the pager what the contracts allow, less what containers have. The lock is held. */
static inline void units_allow_pager(struct sp_task *task)
{
    const struct promise *promise = &task->promise;
    uint32_t within = task->aside < promise->guaranteed ? task->aside : promise->guaranteed;
    uint32_t beyond = task->aside - within < promise->extra ? task->aside - within : promise->extra;

    check(within + beyond <= task->aside);
    pager_growth_allow(&task->pager, units_in(task, promise->guaranteed - within),
                       units_in(task, promise->extra - beyond));
    task->stats->guaranteed = units_in(task, promise->guaranteed);
    task->stats->extra = units_in(task, promise->extra);
}

/* What the contracts allow, in base frames. The lock is held. */
static inline void units_allow(struct sp_task *task, uint32_t guaranteed, uint32_t extra)
{
    task->promise = (struct promise){guaranteed, extra};
    units_allow_pager(task);
}

/* Show the counters, which count the pager's pages, in base pages, where these are not the same
 * (shown_stats is not stats). The lock is held. */
void units_show_stats(struct sp_task *task);

/* Where the swap slot of the i-th base page of a page is noted. `swap` is what the pager noted for
 * the page. */
static inline uint32_t units_swap_slot(const struct sp_task *task, sp_page page, uint32_t swap,
                                       uint32_t i)
{
    check(i < unit_pages(task));
    return task->page_order == 0 ? swap : task->swap_slots[units_base(task, page) + i];
}

/* The page of an address, or SP_NO_PAGE if it is not managed. */
static inline sp_page units_page_at(const struct sp_task *task, const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)task->managed;

    if (offset >= (uintptr_t)task->arena_pages * SP_PAGE_SIZE)
        return SP_NO_PAGE;
    check(offset / SP_PAGE_SIZE < task->arena_pages);
    return (sp_page)(offset / SP_PAGE_SIZE >> task->page_order);
}

#endif
