/* One run of a scenario: its events, and what becomes of each. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/run/session.h"

/* How long until a recall is tried again. */
enum { RECALL_AGAIN_MS = 5 };

/* "line 9: recall of 5 frames from task a: why". */
SP_PRINTF(2, 3)
static void event_say(const struct session_event *event, const char *format, ...)
{
    const struct scenario_event *what = event->event;
    const char *server = session_server_names[what->target < SCENARIO_SERVERS ? what->target : 0];
    const char *task = what->task != NULL ? what->task : "";
    char subject[120], why[200];
    va_list values;

    va_start(values, format);
    vsnprintf(why, sizeof why, format, values);
    va_end(values);
    switch (what->action) {
    case SCENARIO_SIGNAL:
        snprintf(subject, sizeof subject, "signal %s for task %s", what->signal, task);
        break;
    case SCENARIO_RECALL:
        snprintf(subject, sizeof subject, "recall of %u frames from task %s", what->recall, task);
        break;
    case SCENARIO_STOP:
        snprintf(subject, sizeof subject, "stop of %s", server);
        break;
    case SCENARIO_KILL:
        snprintf(subject, sizeof subject, "kill of %s", server);
        break;
    case SCENARIO_RESTART:
        snprintf(subject, sizeof subject, "restart of %s", server);
        break;
    }
    report_line(&event->session->report, "selfpage", "line %u: %s: %s", what->line, subject, why);
}

/* ---- Tasks ---- */

/* Why a task that does not run does not. */
static const char *task_absence(const struct task_outcome *task)
{
    if (task->state == TASK_WAITING)
        return "the task has not been started yet";
    return task->state == TASK_ENDED ? "the task has ended" : "the task was never started";
}

static void event_signal(struct session_event *event, const struct task_outcome *task)
{
    event->state = EVENT_DONE;
    if (task->state != TASK_RUNNING)
        event_say(event, "%s", task_absence(task));
    else if (kill(task->pid, event->event->signal_number) != 0)
        event_say(event, "%s", strerror(errno));
}

static void event_again(struct session_event *event);

/* One recall at a time: the observer keeps only the last answer. */
static void event_recall(struct session_event *event, const struct task_outcome *task)
{
    struct session *session = event->session;
    int seq;

    if (session->recall != NULL) {
        event_again(event);
        return;
    }
    if (task->state != TASK_RUNNING) {
        event_say(event, "%s",
                  event->state == EVENT_UNATTACHED ? "the task ended before it attached"
                                                   : task_absence(task));
        event->state = EVENT_DONE;
        return;
    }
    seq = observer_recall(&session->servers[SCENARIO_PHYSMEM].observer, task->task->name,
                          event->event->recall);
    if (seq < 0) {
        event->state = EVENT_DONE;
        event_say(event, "physmem is gone");
        return;
    }
    event->state = EVENT_ASKED;
    event->seq = (uint32_t)seq;
    session->recall = event;
}

void session_note_answer(struct session *session)
{
    const struct observer *observer = &session->servers[SCENARIO_PHYSMEM].observer;
    struct session_event *event = session->recall;
    const struct task_outcome *task;

    if (event == NULL || observer->done_seq != event->seq)
        return;
    session->recall = NULL;
    task = &session->outcome.tasks[event->event->target];
    if (observer->done_error == ENOENT && task->state == TASK_RUNNING) {
        event->state = EVENT_UNATTACHED;
        event_again(event);
        return;
    }
    event->state = EVENT_DONE;
    if (observer->done_error != 0)
        event_say(event, "%s",
                  *observer->done_text != '\0' ? observer->done_text
                                               : strerror((int)observer->done_error));
}

void session_drop_recall(struct session *session)
{
    struct session_event *event = session->recall;

    session->recall = NULL;
    if (event == NULL)
        return;
    event->state = EVENT_DONE;
    event_say(event, "physmem ended before it answered");
}

/* ---- Servers ---- */

static void event_restart(struct session_event *event)
{
    enum scenario_server which = (enum scenario_server)event->event->target;
    struct session_server *server = &event->session->servers[which];
    struct sp_error error;

    if (server->server.pid != 0) {
        event_say(event, "it runs still");
        return;
    }
    if (session_restart_server(event->session, which, &error) == 0)
        return;
    event_say(event, "%s", error.text);
    server->unasked = true;
}

static void event_end(struct session_event *event, int signal)
{
    enum scenario_server which = (enum scenario_server)event->event->target;
    struct session_server *server = &event->session->servers[which];

    session_look_server(event->session, which); /* it may have died by itself just now */
    if (server->server.pid == 0)
        event_say(event, "it does not run");
    server->wanted = false;
    session_signal_server(server, signal);
}

/* ---- All ---- */

static void on_event(uv_timer_t *timer)
{
    struct session_event *event = timer->data;
    const struct task_outcome *task = &event->session->outcome.tasks[event->event->target];

    switch (event->event->action) {
    case SCENARIO_SIGNAL:
        event_signal(event, task);
        return;
    case SCENARIO_RECALL:
        event_recall(event, task);
        return;
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
    event->state = EVENT_DONE;
}

static void event_again(struct session_event *event)
{
    uv_timer_start(&event->timer, on_event, RECALL_AGAIN_MS, 0);
}

void session_arm_event(struct session_event *event)
{
    uv_timer_init(&event->session->loop, &event->timer);
    event->timer.data = event;
    uv_timer_start(&event->timer, on_event, (event->event->at_ns + 999999) / 1000000, 0);
}

void session_end_events(struct session *session)
{
    for (uint32_t i = 0; i < session->scenario->events_count; i++) {
        struct session_event *event = &session->events[i];

        if (event->state == EVENT_AHEAD)
            event_say(event, "never happened: the run was over before %s", event->event->at);
        else if (event->state == EVENT_UNATTACHED)
            event_say(event, "the task ended before it attached");
        else if (event->state == EVENT_ASKED)
            event_say(event, "physmem did not answer before the end");
        event->state = EVENT_DONE;
    }
    session->recall = NULL;
}
