#include "task/effects/turn.h"

#include <sys/uio.h>

#include "base/assert.h"
#include "task/effects/apart.h"
#include "task/effects/bits.h"
#include "task/effects/memory.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static struct iovec addresses(const struct sp_task *task, const struct apart_range *range)
{
    check(range->count > 0 && range->page < task->pager.config.pages);
    return (struct iovec){.iov_base = memory_address(task, range->page),
                          .iov_len = range->count * unit_bytes(task)};
}

/* Pages that lose their mappings leave the page table with the others: else each would interrupt all processors. */
static void take_all(struct sp_task *task, const struct apart *apart)
{
    struct iovec range[APART_TAKES + APART_PAGES];
    uint32_t count = 0;

    check(apart->takes <= APART_TAKES && apart->unmaps <= APART_PAGES);
    for (uint32_t i = 0; i < apart->takes; i++)
        range[count++] = addresses(task, &apart->take[i]);
    for (uint32_t i = 0; task->bits.many && i < apart->unmaps; i++)
        range[count++] = addresses(task, &apart->unmap[i]);
    if (count > 0)
        bits_take(task, range, count);
}

/* Tell the pager that its pages are unmapped. */
static void tell(struct sp_task *task, const struct apart *apart, struct work *work)
{
    hold_take(task);
    for (uint32_t i = 0; i < apart->unmaps; i++)
        for (uint32_t n = 0; n < apart->unmap[i].count; n++)
            pager_evict_unmapped(&task->pager, apart->unmap[i].page + n);
    check(task->pager.going == 0);
    work_collect(task, work);
    hold_release(task);
}

/* Carry out what was noted, without the lock. */
static void carry_out(struct sp_task *task, const struct apart *apart, struct work *work)
{
    check(!hold_is_ours() && task->apart == NULL);
    take_all(task, apart);
    for (uint32_t i = 0; i < apart->unmaps; i++)
        memory_unmap(task, apart->unmap[i].page, apart->unmap[i].count);
    if (apart->unmaps == 0)
        return;
    tell(task, apart, work);
    events_signal(task);
}

bool turn_evict(struct sp_task *task, uint32_t most, struct work *work)
{
    struct apart apart;
    bool more;

    ensure(most <= APART_PAGES);
    hold_take(task);
    apart_begin(task, &apart);
    more = pager_ahead_evict(&task->pager, most);
    work_collect(task, work);
    task->apart = NULL;
    hold_release(task);
    carry_out(task, &apart, work);
    return more;
}
