/* How much memory the task could have. */
#include "task/api/availability.h"

#include "base/assert.h"
#include "task/api/ask.h"
#include "task/entry/watch.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

static int ask(struct sp_task *task, uint8_t watch, uint32_t hysteresis,
               struct sp_availability *availability, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ASK_AVAILABILITY};
    struct wire_message reply;
    int result;

    check(watch == WIRE_WATCH_ON || hysteresis == 0);
    message.ask_availability.watch = watch;
    message.ask_availability.hysteresis = hysteresis;
    result = ask_physmem(task, &message, WIRE_AVAILABILITY, &reply, error);
    if (result == 0)
        watch_figures(&reply, availability);
    return result;
}

int sp_get_availability(struct sp_task *task, struct sp_availability *availability,
                        struct sp_error *error)
{
    check(!hold_is_ours());
    return ask(task, WIRE_WATCH_ASK, 0, availability, error);
}

static void set_callback(struct sp_task *task, sp_availability_changed *changed, void *arg)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    check(changed != NULL || arg == NULL);
    task->on_availability = changed;
    task->on_availability_arg = arg;
    hold_release(task);
    guard_end(&guard);
}

int sp_watch_availability(struct sp_task *task, uint32_t hysteresis,
                          sp_availability_changed *changed, void *arg, struct sp_error *error)
{
    struct sp_availability availability;
    int result;

    check(!hold_is_ours());
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

int api_availability_start(struct sp_task *task, struct sp_error *error)
{
    return task->on_pressure != NULL ? sp_watch_availability(task, 0, NULL, NULL, error) : 0;
}
