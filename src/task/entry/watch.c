#include "task/entry/watch.h"

#include "base/assert.h"
#include "task/state/hold.h"
#include "task/state/units.h"

void watch_figures(const struct wire_message *message, struct sp_availability *availability)
{
    check(message->type == WIRE_AVAILABILITY);
    *availability = (struct sp_availability){.available = message->availability.available,
                                             .held = message->availability.held,
                                             .promised = message->availability.promised,
                                             .pressure = message->availability.pressure};
}

static void call_on_pressure(struct sp_task *task, bool recalled, uint32_t frames)
{
    const struct sp_pressure pressure = {.recalled = recalled, .frames = frames};

    check(!hold_is_ours());
    if (task->on_pressure != NULL && frames > 0)
        task->on_pressure(task->on_pressure_arg, &pressure);
}

void watch_recalled(struct sp_task *task)
{
    uint32_t without_eviction, owed;

    hold_take(task);
    check(task->pager.free <= task->pager.held);
    owed = units_base(task, task->pager.owed);
    without_eviction = units_base(task, task->pager.free + task->pager.leaving);
    hold_release(task);
    call_on_pressure(task, true, owed > without_eviction ? owed - without_eviction : 0);
}

void watch_told(struct sp_task *task, const struct wire_message *message)
{
    struct wire_message answer = {.type = WIRE_AVAILABILITY_HEARD};
    struct sp_availability availability;
    sp_availability_changed *changed;
    struct channel_batch batch;
    uint32_t recallable, unused;
    void *arg;

    check(message->type == WIRE_AVAILABILITY);
    watch_figures(message, &availability);
    hold_take(task);
    changed = task->on_availability;
    arg = task->on_availability_arg;
    unused = units_base(task, task->pager.free + task->pager.leaving);
    hold_release(task);
    if (changed != NULL)
        changed(arg, &availability);
    recallable =
        availability.held > availability.promised ? availability.held - availability.promised : 0;
    if (recallable > availability.pressure)
        recallable = availability.pressure;
    call_on_pressure(task, false, recallable > unused ? recallable - unused : 0);
    answer.availability_heard.available = availability.available;
    batch.size = 0;
    channel_add(&batch, &answer);
    (void)channel_send(&task->control, &batch, -1);
}
