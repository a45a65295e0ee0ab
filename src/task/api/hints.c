/* What the program expects of its memory. */
#include <errno.h>

#include "base/assert.h"
#include "base/least.h"
#include "task/api/ranges.h"
#include "task/effects/perform.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

/* Base pages that SP_HINT_WILL_NEED brings in at most. */
#define READ_AHEAD 64u

/* Pages that the policy is told of before what it wants done about them is done. */
#define HINTS 64u

static void read_ahead(struct sp_task *task, sp_page page, size_t pages)
{
    size_t done = 0;

    if (pages > units_for(task, READ_AHEAD))
        pages = units_for(task, READ_AHEAD);
    check(ranges_step(task) > 0);
    while (done < pages) {
        struct work work;

        work_clear(&work);
        hold_take(task);
        for (uint32_t n = 0; n < ranges_step(task) && done < pages; n++, done++)
            pager_advice_prefetch(&task->pager, page + (sp_page)done);
        work_collect(task, &work);
        hold_release(task);
        check(done <= pages);
        perform_work(task, &work, &task->swap, false, false);
    }
}

/* Have pages that have no contents yet ready to be written. */
static void populate(struct sp_task *task, sp_page page, uint32_t pages)
{
    uint32_t done = 0;
    bool grows = true;

    check(pages > 0);
    if (pages > units_for(task, READ_AHEAD))
        pages = units_for(task, READ_AHEAD);
    while (done < pages && grows) {
        uint32_t step = least_of(pages - done, PAGER_POPULATE_MOST);
        struct work work;

        work_clear(&work);
        hold_take(task);
        done += pager_advice_populate(&task->pager, page + done, step, &grows);
        work_collect(task, &work);
        hold_release(task);
        perform_work(task, &work, &task->swap, false, false);
    }
}

int sp_advise(struct sp_task *task, void *first, size_t pages, enum sp_hint hint)
{
    struct range range;
    struct guard guard;

    if (!ranges_find(task, first, pages, &range) || hint < SP_HINT_WILL_NEED ||
        hint > SP_HINT_SCRATCH)
        return -EINVAL;
    check(range.pages <= task->pager.config.pages &&
          range.first <= task->pager.config.pages - range.pages);
    guard_begin(&guard);
    hold_take(task);
    for (uint32_t i = 0; i < range.pages; i++) {
        pager_advice_hint(&task->pager, range.first + i, hint);
        if (i % HINTS == HINTS - 1)
            work_carry_out(task);
    }
    work_carry_out(task);
    hold_release(task);
    if (hint == SP_HINT_WILL_NEED && range.pages > 0)
        populate(task, range.first, range.pages);
    if (hint == SP_HINT_WILL_NEED)
        read_ahead(task, range.first, range.pages);
    guard_end(&guard);
    return 0;
}
