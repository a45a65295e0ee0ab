#include "task/effects/frames.h"

#include <errno.h>

#include "base/assert.h"
#include "task/effects/extents.h"
#include "task/effects/lost.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

void frames_return(struct sp_task *task, const struct work *work)
{
    struct channel_batch batch;
    struct wire_message message = {.type = WIRE_DEALLOCATE};
    uint32_t ranges = 0;

    ensure(work->returns > 0 && work->returns <= WORK_RETURNS);
    _Static_assert(WORK_RETURNS <= WIRE_RANGES, "one message carries all returns of a call");
    message.deallocate.container = task->container;
    for (uint32_t i = 0; i < work->returns; i++) {
        uint32_t slot = units_base(task, work->return_slot[i]);
        struct wire_range *last = ranges > 0 ? &message.deallocate.ranges[ranges - 1] : NULL;

        if (last != NULL && last->start + last->count == slot)
            last->count += unit_pages(task);
        else
            message.deallocate.ranges[ranges++] =
                (struct wire_range){.start = slot, .count = unit_pages(task)};
    }
    check(ranges <= WIRE_RANGES);
    message.deallocate.ranges_count = (uint16_t)ranges;
    batch.size = 0;
    channel_add(&batch, &message);
    /* Should physmem be gone, the control thread sees it too, and reports it. */
    (void)channel_send(&task->control, &batch, -1);
}

/* Ask physmem for map rights on slots. Returns how many from `start` have them now. *fullp: it has no descriptor for another
 * extent. The answer takes the place of the question: faults run on short stacks. */
static uint32_t map_slots(struct sp_task *task, uint32_t start, uint32_t count, bool *fullp)
{
    struct wire_message message = {.type = WIRE_MAP};
    uint32_t mapped = 0;

    message.map.container = task->container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    *fullp = message.error == EMFILE;
    if (message.type != WIRE_MAPPED || message.error != 0)
        return 0;
    for (uint32_t i = 0; i < message.mapped.items_count; i++) {
        const struct wire_map *item = &message.mapped.items[i];

        if (item->slot != start + mapped || item->count > count - mapped)
            say_and_die(task, "physmem mapped slots that were not asked for");
        if (!extents_adopt(task, item))
            break;
        mapped += item->count;
    }
    check(mapped <= count);
    return mapped;
}

/* What physmem has answered. */
struct allocated {
    uint32_t count; /* of base pages: these have frames */
    bool zeroed;
    bool barred; /* there is no memory for the first slot: see pager_growth_barred */
};

/* Ask for `count` base pages from `start`. A function of its own, and called as one: its message is gone before the frames
 * are mapped. */
static __attribute__((noinline)) struct allocated
ask_for_frames(struct sp_task *task, uint32_t start, uint32_t count, bool extra)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};

    check(count > 0 && count % unit_pages(task) == 0 && !hold_is_ours());
    message.allocate.container = task->container;
    message.allocate.start = start;
    message.allocate.count = count;
    message.allocate.order = (uint8_t)task->page_order;
    message.allocate.flags = WIRE_ALLOCATE_PARTIAL | (extra ? WIRE_ALLOCATE_EXTRA : 0);
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
    if (message.type != WIRE_ALLOCATED)
        return (struct allocated){.barred = message.error == ENXIO};
    if (message.allocated.count > count || message.allocated.count % unit_pages(task) != 0)
        say_and_die(task, "physmem allocated slots that were not asked for");
    return (struct allocated){.count = message.allocated.count, .zeroed = message.allocated.zeroed};
}

/* Map what was allocated. Returns how many base pages of whole units have rights: fewer if physmem has taken frames by
 * force in the meantime, or (*fullp) has no descriptor for another extent. */
static uint32_t map_allocated(struct sp_task *task, uint32_t start, uint32_t count, bool *fullp)
{
    uint32_t mapped = 0, n = 1;

    check(!hold_is_ours());
    while (mapped < count && n > 0) {
        n = map_slots(task, start + mapped, count - mapped, fullp);
        mapped += n;
    }
    if (mapped < count && !*fullp && !lost_possible(task))
        say_and_die(task, "physmem does not map slots that it allocated");
    return mapped - mapped % unit_pages(task);
}

/* Frames behind one that was lost: they cannot be told from those that are gone, too, whose return does no harm. */
static __attribute__((noinline)) void give_back(struct sp_task *task, uint32_t start,
                                                uint32_t count)
{
    struct channel_batch batch;
    struct wire_message message = {.type = WIRE_DEALLOCATE};

    check(count > 0 && !hold_is_ours());
    message.deallocate.container = task->container;
    message.deallocate.ranges[0] = (struct wire_range){.start = start, .count = count};
    message.deallocate.ranges_count = 1;
    batch.size = 0;
    channel_add(&batch, &message);
    (void)channel_send(&task->control, &batch, -1); /* as in frames_return */
}

void frames_allocate(struct sp_task *task, struct work *work)
{
    uint32_t slot = work->allocate_slot;
    uint32_t start = units_base(task, slot);
    uint32_t mapped;
    bool full = false, goes_on;
    struct allocated answer =
        ask_for_frames(task, start, units_base(task, work->allocate_count), work->extra);

    ensure(work->allocate);
    mapped = map_allocated(task, start, answer.count, &full);
    check(mapped <= answer.count && mapped % unit_pages(task) == 0);
    if (mapped < answer.count)
        give_back(task, start + mapped, answer.count - mapped);
    work_clear(work);
    hold_take(task);
    if (answer.count > 0 && mapped == 0 && !full)
        pager_growth_possible(
            &task->pager); /* none was refused, all were lost: it soon asks again */
    pager_growth_allocated(&task->pager, slot, units_in(task, mapped), PAGE_READ | PAGE_WRITE,
                           answer.zeroed);
    if (answer.barred)
        pager_growth_barred(&task->pager, slot);
    goes_on = !full || pager_growth_gather(&task->pager) || mapped > 0;
    work_collect(task, work);
    hold_release(task);
    if (!goes_on)
        say_and_die(task, "physmem has no descriptor for another extent: raise its limit of open "
                          "files (ulimit -n)");
    events_signal(task);
}

void frames_grant(struct sp_task *task, struct work *work)
{
    uint32_t slot = work->grant_slot;
    uint32_t count = work->grant_count;
    bool full;
    uint32_t mapped =
        units_in(task, map_slots(task, units_base(task, slot), units_base(task, count), &full));

    ensure(work->grant);
    check(mapped <= count);
    work_clear(work);
    hold_take(task);
    for (uint32_t i = 0; i < count; i++)
        pager_rights_granted(&task->pager, slot + i, i < mapped ? PAGE_READ | PAGE_WRITE : 0);
    work_collect(task, work);
    hold_release(task);
    events_signal(task);
}
