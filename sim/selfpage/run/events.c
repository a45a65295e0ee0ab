/* The events of a run, and what becomes of each. */
#include "selfpage/run/events.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/run/servers.h"
#include "selfpage/run/tasks.h"

/* How long until what cannot happen yet is tried again. */
enum { AGAIN_MS = 5 };

/* The event did not happen: say why, and keep it for the verdict. */
SP_PRINTF(2, 3)
static void event_fail(struct run_event *event, const char *format, ...)
{
    char what[120];
    va_list values;

    event->state = EVENT_FAILED;
    va_start(values, format);
    vsnprintf(event->why, sizeof event->why, format, values);
    va_end(values);
    scenario_describe_event(event->event, what, sizeof what);
    report_line(&event->run->report, "selfpage", "%s: %s", what, event->why);
}

int events_judge(struct run *run)
{
    const uint32_t count = run->scenario->events_count;
    const struct run_event *failed = NULL;
    int result = 0;

    for (uint32_t i = 0; i < count && result == 0; i++) {
        const struct run_event *event = &run->events[i];
        bool happened = event->state == EVENT_DONE;
        char what[120];

        scenario_describe_event(event->event, what, sizeof what);
        result = outcome_event(&run->outcome, what, happened ? NULL : event->why);
        if (!happened && failed == NULL)
            failed = event;
    }
    if (count > 0 && result == 0) {
        char why[400] = "", what[120];

        if (failed != NULL) {
            scenario_describe_event(failed->event, what, sizeof what);
            snprintf(why, sizeof why, "%s: %s", what, failed->why);
        }
        result = outcome_expect(&run->outcome, "every event happens", failed == NULL,
                                failed == NULL ? NULL : why);
    }
    return result;
}

/* ---- Tasks ---- */

/* Why a task that does not run does not. */
static const char *task_absence(const struct task_outcome *task)
{
    if (task->state == OUTCOME_WAITING)
        return "the task has not been started yet";
    return task->state == OUTCOME_ENDED ? "the task has ended" : "the task was never started";
}

static void event_signal(struct run_event *event, const struct task_outcome *task)
{
    event->state = EVENT_DONE;
    if (task->state != OUTCOME_RUNNING)
        event_fail(event, "%s", task_absence(task));
    else if (kill(task->pid, event->event->signal_number) != 0)
        event_fail(event, "%s", strerror(errno));
}

static void event_again(struct run_event *event);

/* One recall at a time: the observer keeps only the last answer. */
static void event_recall(struct run_event *event, const struct task_outcome *task)
{
    struct run *run = event->run;
    int seq;

    if (run->recall != NULL) {
        event_again(event);
        return;
    }
    if (task->state != OUTCOME_RUNNING) {
        event_fail(event, "%s",
                   event->state == EVENT_UNATTACHED ? "the task ended before it attached"
                                                    : task_absence(task));
        return;
    }
    seq = observer_recall(&run->servers[task->task->server].observer, task->task->name,
                          event->event->recall);
    if (seq < 0) {
        event_fail(event, "physmem is gone");
        return;
    }
    event->state = EVENT_ASKED;
    event->seq = (uint32_t)seq;
    run->recall = event;
}

/* Physmem has answered the recall that waits for it. */
static void recall_answered(struct run_event *event, const struct observer *observer)
{
    const struct task_outcome *task = &event->run->outcome.tasks[event->event->target];

    event->run->recall = NULL;
    if (observer->done_error == ENOENT && task->state == OUTCOME_RUNNING) {
        event->state = EVENT_UNATTACHED;
        event_again(event);
    } else if (observer->done_error == 0) {
        event->state = EVENT_DONE;
    } else {
        event_fail(event, "%s",
                   *observer->done_text != '\0' ? observer->done_text
                                                : strerror((int)observer->done_error));
    }
}

void events_look(struct run *run)
{
    struct run_event *event = run->recall;
    const struct run_server *physmem;

    if (event == NULL)
        return;
    physmem = &run->servers[run->scenario->tasks[event->event->target].server];
    if (physmem->observer.done_seq == event->seq) {
        recall_answered(event, &physmem->observer);
    } else if (physmem->server.pid == 0) {
        run->recall = NULL;
        event_fail(event, "physmem ended before it answered");
    }
}

/* ---- Servers ---- */

/* The event waits for a server to end, and the run for the event. */
static void event_hold(struct run_event *event)
{
    event->state = EVENT_UNENDED;
    event->run->events_held++;
    event_again(event);
}

/* A server that was told to end takes its time, however soon it is to be there again. What comes after that for the same
 * server waits, too. */
static void event_restart(struct run_event *event)
{
    enum scenario_server which = (enum scenario_server)event->event->target;
    struct run_server *server = &event->run->servers[which];
    struct sp_error error;

    servers_look(event->run, which);
    if (server->server.pid != 0 && !server->wanted) {
        server->restart = event;
        event_hold(event);
        return;
    }
    server->restart = NULL;
    event->state = EVENT_DONE;
    if (server->server.pid != 0) {
        event_fail(event, "it runs still");
    } else if (servers_restart(event->run, which, &error) != 0) {
        event_fail(event, "%s", error.text);
        server->unasked = true;
    }
}

static void event_signal_server(struct run_event *event, int signal)
{
    enum scenario_server which = (enum scenario_server)event->event->target;
    struct run_server *server = &event->run->servers[which];

    servers_look(event->run, which); /* it may have died by itself just now */
    events_look(event->run);
    event->state = EVENT_DONE;
    if (server->server.pid == 0)
        event_fail(event, "it does not run");
    servers_signal(server, signal);
}

/* The same with a signal that should end it. */
static void event_end(struct run_event *event, int signal)
{
    event_signal_server(event, signal);
    event->run->servers[event->event->target].wanted = false;
}

/* ---- All ---- */

/* Whether an earlier event for the same server has not happened yet. */
static bool is_behind(const struct run_event *event)
{
    const struct run_event *restart;

    if (event->event->action == SCENARIO_SIGNAL || event->event->action == SCENARIO_RECALL)
        return false;
    restart = event->run->servers[event->event->target].restart;
    return restart != NULL && restart != event;
}

static void on_event(uv_timer_t *timer)
{
    struct run_event *event = timer->data;
    const struct task_outcome *tasks = event->run->outcome.tasks;

    if (event->state == EVENT_UNENDED)
        event->run->events_held--;
    if (is_behind(event)) {
        event_hold(event);
        return;
    }
    switch (event->event->action) {
    case SCENARIO_SIGNAL:
        event_signal(event, &tasks[event->event->target]);
        break;
    case SCENARIO_SIGNAL_SERVER:
        event_signal_server(event, event->event->signal_number);
        break;
    case SCENARIO_RECALL:
        event_recall(event, &tasks[event->event->target]);
        break;
    case SCENARIO_STOP:
        event_end(event, SIGTERM);
        break;
    case SCENARIO_KILL:
        event_end(event, SIGKILL);
        break;
    case SCENARIO_RESTART:
        event_restart(event);
        break;
    }
    tasks_look_over(event->run);
}

static void event_again(struct run_event *event)
{
    uv_timer_start(&event->timer, on_event, AGAIN_MS, 0);
}

void events_arm(struct run_event *event)
{
    uv_timer_init(&event->run->loop, &event->timer);
    event->timer.data = event;
    uv_timer_start(&event->timer, on_event, state_ms(event->event->at_ns), 0);
}

void events_end(struct run *run)
{
    for (uint32_t i = 0; i < run->scenario->events_count; i++) {
        struct run_event *event = &run->events[i];

        if (event->state == EVENT_AHEAD)
            event_fail(event, "never happened: the run was over before %s", event->event->at);
        else if (event->state == EVENT_UNATTACHED)
            event_fail(event, "the task ended before it attached");
        else if (event->state == EVENT_UNENDED)
            event_fail(event, "the server was told to end, and still ran when the run was over");
        else if (event->state == EVENT_ASKED)
            event_fail(event, "physmem did not answer before the end");
    }
    run->recall = NULL;
}
