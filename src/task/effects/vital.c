#include "task/effects/vital.h"

#include "base/assert.h"
#include "task/effects/lost.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static uint32_t find(const struct sp_task *task, sp_page page)
{
    uint32_t i = 0;

    while (i < task->vitals && task->vital[i] != page)
        i++;
    check(task->vitals <= TASK_VITALS);
    return i;
}

void vital_pinned(struct sp_task *task, sp_page page)
{
    check(hold_is_ours() && task->pager.page[page].pins > 0);
    if (find(task, page) == task->vitals && task->vitals < TASK_VITALS)
        task->vital[task->vitals++] = page;
}

void vital_unpinned(struct sp_task *task, sp_page page)
{
    uint32_t i = find(task, page);

    check(hold_is_ours());
    if (i < task->vitals && task->pager.page[page].pins == 0)
        task->vital[i] = task->vital[--task->vitals];
}

void vital_announce(struct sp_task *task)
{
    struct wire_message message = {.type = WIRE_VITAL};
    struct channel_batch batch;
    struct guard guard;
    uint32_t count = 0;

    if (!lost_possible(task))
        return;
    message.vital.container = task->container;
    guard_begin(&guard);
    hold_take(task);
    for (uint32_t i = 0; i < task->vitals; i++) {
        const struct pager_page *page = &task->pager.page[task->vital[i]];

        if (page->state == PAGE_RESIDENT)
            message.vital.ranges[count++] =
                (struct wire_range){.start = units_base(task, page->slot), .count = 1};
    }
    check(count <= task->vitals && count <= WIRE_RANGES);
    message.vital.ranges_count = (uint16_t)count;
    hold_release(task);
    batch.size = 0;
    channel_add(&batch, &message);
    /* Should physmem be gone, that is seen elsewhere. */
    (void)channel_send(&task->physmem, &batch, -1);
    guard_end(&guard);
}
