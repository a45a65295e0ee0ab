/* Pins: pages that stay. */
#include <errno.h>

#include "base/assert.h"
#include "task/api/ranges.h"
#include "task/effects/vital.h"
#include "task/effects/work.h"
#include "task/entry/serve.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static void unpin(struct sp_task *task, sp_page first, size_t pages)
{
    check(hold_is_ours());
    for (size_t i = 0; i < pages; i++) {
        pager_pin_undo(&task->pager, first + (sp_page)i);
        vital_unpinned(task, first + (sp_page)i);
    }
}

/* Bring in one page and pin it. */
static bool pin_one(struct sp_task *task, sp_page page)
{
    for (;;) {
        struct pager_page *p = &task->pager.page[page];
        bool there;
        bool pinned = false;

        hold_take(task);
        check(page < task->pager.config.pages);
        there = p->state == PAGE_RESIDENT && (p->protection & PAGE_WRITE) != 0;
        if (there)
            pinned = pager_pin(&task->pager, page);
        work_carry_out(task);
        hold_release(task);
        if (there)
            return pinned;
        serve_fault(task, &(struct fault){.page = page, .write = true});
    }
}

/* Whether `pages` more pages may be pinned: half of the guarantee stays free to page with. */
static bool may_pin(const struct sp_task *task, sp_page first, size_t pages)
{
    size_t more = 0;

    check(hold_is_ours());
    for (size_t i = 0; i < pages; i++)
        more += task->pager.page[first + i].pins == 0;
    check(task->pager.pinned <= task->pager.held);
    return task->pager.pinned + more <= task->pager.guaranteed / 2;
}

int sp_pin(struct sp_task *task, void *first, size_t pages, size_t *lostp)
{
    struct range range;
    size_t lost = 0;
    size_t done = 0;
    struct guard guard;
    bool allowed;
    int result = 0;

    if (!ranges_find(task, first, pages, &range))
        return -EINVAL;
    guard_begin(&guard);
    hold_take(task);
    allowed = may_pin(task, range.first, range.pages);
    work_carry_out(task);
    hold_release(task);
    guard_end(&guard);
    if (!allowed)
        return -ENOMEM;
    guard_begin(&guard);
    while (done < range.pages && pin_one(task, range.first + (sp_page)done))
        done++;
    hold_take(task);
    check(done <= range.pages);
    if (done < range.pages) {
        unpin(task, range.first, done);
        result = -EOVERFLOW;
    } else {
        for (uint32_t i = 0; i < range.pages; i++) {
            lost += pager_discard_noted(&task->pager, range.first + i);
            vital_pinned(task, range.first + i);
        }
    }
    work_carry_out(task);
    hold_release(task);
    guard_end(&guard);
    vital_announce(task);
    if (lostp != NULL && result == 0)
        *lostp = lost << task->page_order;
    return result;
}

int sp_unpin(struct sp_task *task, void *first, size_t pages)
{
    struct range range;
    struct guard guard;
    bool all = true;

    if (!ranges_find(task, first, pages, &range))
        return -EINVAL;
    guard_begin(&guard);
    hold_take(task);
    check(range.first + range.pages <= task->pager.config.pages);
    for (uint32_t i = 0; i < range.pages; i++)
        all = all && task->pager.page[range.first + i].pins > 0;
    if (all)
        unpin(task, range.first, range.pages);
    work_carry_out(task);
    hold_release(task);
    guard_end(&guard);
    if (all)
        vital_announce(task);
    return all ? 0 : -EINVAL;
}
