/* How much memory the task could have, and what the program is told about it. */
#include "task/units.h"

static void figures_of(const struct wire_message *message, struct sp_availability *availability)
{
    *availability = (struct sp_availability){.available = message->availability.available,
                                             .held = message->availability.held,
                                             .promised = message->availability.promised,
                                             .pressure = message->availability.pressure};
}

static int ask(struct sp_task *task, uint8_t watch, uint32_t hysteresis,
               struct sp_availability *availability, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ASK_AVAILABILITY};
    struct wire_message reply;
    int result;

    message.ask_availability.watch = watch;
    message.ask_availability.hysteresis = hysteresis;
    result = task_ask(task, &message, WIRE_AVAILABILITY, &reply, error);
    if (result == 0)
        figures_of(&reply, availability);
    return result;
}

int sp_get_availability(struct sp_task *task, struct sp_availability *availability,
                        struct sp_error *error)
{
    return ask(task, WIRE_WATCH_ASK, 0, availability, error);
}

static void set_callback(struct sp_task *task, sp_availability_changed *changed, void *arg)
{
    struct work work;
    sigset_t saved;

    task_enter(task, &work, &saved);
    task->on_availability = changed;
    task->on_availability_arg = arg;
    task_leave(task, &saved);
}

int sp_watch_availability(struct sp_task *task, uint32_t hysteresis,
                          sp_availability_changed *changed, void *arg, struct sp_error *error)
{
    struct sp_availability availability;
    int result;

    set_callback(task, NULL, NULL);
    if (changed == NULL && task->on_pressure == NULL)
        return ask(task, WIRE_WATCH_OFF, 0, &availability, error);
    result =
        ask(task, WIRE_WATCH_ON, changed != NULL ? hysteresis : UINT32_MAX, &availability, error);
    if (result == 0 && changed != NULL) {
        changed(arg, &availability);
        set_callback(task, changed, arg);
    }
    return result;
}

int watch_start(struct sp_task *task, struct sp_error *error)
{
    return task->on_pressure != NULL ? sp_watch_availability(task, 0, NULL, NULL, error) : 0;
}

/* ---- On the control thread ---- */

static void call_on_pressure(struct sp_task *task, bool recalled, uint32_t frames)
{
    const struct sp_pressure pressure = {.recalled = recalled, .frames = frames};

    if (task->on_pressure != NULL && frames > 0)
        task->on_pressure(task->on_pressure_arg, &pressure);
}

void watch_recalled(struct sp_task *task)
{
    uint32_t without_eviction, owed;
    struct work work;

    task_enter(task, &work, NULL);
    owed = units_base(task, task->pager.owed);
    without_eviction = units_base(task, task->pager.free + task->pager.leaving);
    task_leave(task, NULL);
    call_on_pressure(task, true, owed > without_eviction ? owed - without_eviction : 0);
}

void watch_told(struct sp_task *task, const struct wire_message *message)
{
    struct wire_message answer = {.type = WIRE_AVAILABILITY_HEARD};
    struct sp_availability availability;
    sp_availability_changed *changed;
    struct channel_batch batch;
    uint32_t recallable, unused;
    struct work work;
    void *arg;

    figures_of(message, &availability);
    task_enter(task, &work, NULL);
    changed = task->on_availability;
    arg = task->on_availability_arg;
    unused = units_base(task, task->pager.free + task->pager.leaving);
    task_leave(task, NULL);
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
