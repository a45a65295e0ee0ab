/* What the program expects of its memory. */
#include <errno.h>

#include "base/assert.h"
#include "task/api/ranges.h"
#include "task/effects/perform.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

/* Pages that SP_HINT_WILL_NEED reads ahead at most. */
#define READ_AHEAD 64u

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
    for (uint32_t i = 0; i < range.pages; i++)
        pager_advice_hint(&task->pager, range.first + i, hint);
    work_carry_out(task);
    hold_release(task);
    if (hint == SP_HINT_WILL_NEED)
        read_ahead(task, range.first, range.pages);
    guard_end(&guard);
    return 0;
}
