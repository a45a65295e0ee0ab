/* One run of a scenario: its loop, from the first task's start to the last one's end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/wait.h"
#include "selfpage/run/session.h"

/* How often counters are looked at, and how long a task that is asked to end may take. */
enum { TICK_MS = 50, STOP_PATIENCE_MS = 2000 };

/* libuv's milliseconds for our nanoseconds, never too early. */
static uint64_t ms_of(uint64_t ns)
{
    return (ns + 999999) / 1000000;
}

/* ---- Tasks ---- */

void session_sample(struct session_task *task)
{
    const struct sp_stats before = task->outcome->stats;
    struct stats_page page;
    struct sp_stats now;

    /* By pread, for the task can shrink the file. */
    if (task->stats_fd < 0 || pread(task->stats_fd, &page, sizeof page, 0) != (ssize_t)sizeof page)
        return;
    now = page.stats;
    outcome_note_policy(task->outcome, page.policy);
    if (now.guaranteed == 0 && now.extra == 0 && now.held == 0) {
        now.guaranteed = before.guaranteed;
        now.extra = before.extra;
        now.resident = before.resident;
        now.held = before.held;
        now.pages = before.pages;
        now.pinned = before.pinned;
    }
    task->outcome->stats = now;
}

/* Nothing is left to wait for. */
static void task_is_over(struct session_task *task, enum task_state state)
{
    task->outcome->state = state;
    uv_timer_stop(&task->start);
    uv_timer_stop(&task->stop);
    if (--task->session->tasks_left == 0)
        uv_stop(&task->session->loop);
}

static void on_task_stop(uv_timer_t *timer)
{
    struct session_task *task = timer->data;

    kill(task->outcome->pid, SIGTERM);
}

static void session_end_tasks(struct session *session);

static void on_task_start(uv_timer_t *timer)
{
    struct session_task *task = timer->data;
    struct session *session = task->session;

    if (session_start_task(task, &session->failure) != 0) {
        task_is_over(task, TASK_NEVER);
        session_end_tasks(session);
        return;
    }
    task->outcome->state = TASK_RUNNING;
    if (task->outcome->task->stop_after != NULL)
        uv_timer_start(&task->stop, on_task_stop, ms_of(task->outcome->task->stop_ns), 0);
}

/* SIGKILL for whoever has been asked to end and is still there. */
static void on_patience(uv_timer_t *timer)
{
    struct session *session = timer->data;

    for (uint32_t i = 0; i < session->scenario->tasks_count; i++)
        if (session->outcome.tasks[i].state == TASK_RUNNING)
            kill(session->outcome.tasks[i].pid, SIGKILL);
}

/* Ask all tasks to end, and start no more. */
static void session_end_tasks(struct session *session)
{
    for (uint32_t i = 0; i < session->scenario->tasks_count; i++) {
        struct session_task *task = &session->tasks[i];

        if (task->outcome->state == TASK_WAITING)
            task_is_over(task, TASK_NEVER);
        else if (task->outcome->state == TASK_RUNNING)
            kill(task->outcome->pid, SIGTERM);
    }
    uv_timer_start(&session->patience, on_patience, STOP_PATIENCE_MS, 0);
}

static void task_look(struct session_task *task)
{
    int status;

    if (task->outcome->state != TASK_RUNNING ||
        child_wait(task->outcome->pid, 0, &status) == -ETIMEDOUT)
        return;
    task->outcome->exit_status = child_exit_status(status);
    session_sample(task);
    relay_drain(&task->output);
    relay_drain(&task->error);
    task_is_over(task, TASK_ENDED);
}

/* ---- Servers ---- */

void session_server_ended(struct session *session, enum scenario_server which, int status)
{
    struct session_server *server = &session->servers[which];

    server->server.pid = 0;
    session->outcome.server_ended[which] = true;
    if (server->watched)
        uv_poll_stop(&server->poll);
    observer_receive(&server->observer, NULL); /* what it had still said */
    observer_disconnect(&server->observer);
    if (which == SCENARIO_PHYSMEM) {
        session_note_answer(session);
        session_drop_recall(session);
    }
    if (WIFSIGNALED(status) && (server->sent >> (WTERMSIG(status) - 1) & 1) == 0 &&
        server->death_signal == 0)
        server->death_signal = WTERMSIG(status);
    if (!WIFSIGNALED(status) && server->exit_status == 0)
        server->exit_status = WEXITSTATUS(status);
    if (!server->wanted)
        return;
    server->wanted = false;
    server->unasked = true;
    report_line(&session->report, "selfpage", "%s ended unasked, with exit status %d",
                session_server_names[which], child_exit_status(status));
}

void session_look_server(struct session *session, enum scenario_server which)
{
    int status;

    if (session->servers[which].server.pid != 0 &&
        child_wait(session->servers[which].server.pid, 0, &status) != -ETIMEDOUT)
        session_server_ended(session, which, status);
}

void session_signal_server(struct session_server *server, int number)
{
    if (server->server.pid == 0)
        return;
    server->sent |= UINT64_C(1) << (number - 1);
    kill(server->server.pid, number);
}

void session_note_status(struct session *session)
{
    const struct observer *physmem = &session->servers[SCENARIO_PHYSMEM].observer;

    session->outcome.physmem = physmem->physmem;
    session->outcome.swap = session->servers[SCENARIO_SWAP].observer.swap;
    for (uint32_t i = 0; i < session->scenario->tasks_count; i++) {
        struct task_outcome *task = &session->outcome.tasks[i];
        const struct observed_task *seen =
            task->pid != 0 ? observer_task_of(physmem, (uint32_t)task->pid) : NULL;

        if (seen != NULL)
            task->seen = *seen;
    }
}

static void on_observer(uv_poll_t *poll, int status, int events)
{
    struct session_server *server = poll->data;

    (void)events;
    if (status != 0 || observer_receive(&server->observer, NULL) < 0)
        uv_poll_stop(poll);
    session_note_answer(server->session);
}

/* Listen to a server that has just been connected to. */
static int server_watch(struct session *session, enum scenario_server which)
{
    struct session_server *server = &session->servers[which];
    int result;

    server->poll.data = server;
    result = uv_poll_init(&session->loop, &server->poll, server->observer.link.fd);
    if (result != 0)
        return result;
    server->watched = true;
    return uv_poll_start(&server->poll, UV_READABLE, on_observer);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct session_server *server = handle->data;

    server->watched = false;
}

int session_restart_server(struct session *session, enum scenario_server which,
                           struct sp_error *error)
{
    struct session_server *server = &session->servers[which];
    int result;

    if (server->watched) {
        uv_close((uv_handle_t *)&server->poll, on_poll_closed);
        while (server->watched)
            uv_run(&session->loop, UV_RUN_NOWAIT);
    }
    server->sent = 0;
    result = session_start_server(session, which, error);
    if (result == 0)
        result = session_await_server(session, which, error);
    if (result != 0)
        return result;
    server->wanted = true;
    session->outcome.server_ended[which] = false;
    result = server_watch(session, which);
    return result == 0 ? 0 : error_set(error, -result, "libuv: %s", uv_strerror(result));
}

/* ---- The loop ---- */

static void on_child(uv_signal_t *handle, int number)
{
    struct session *session = handle->data;

    (void)number;
    for (int i = 0; i < SCENARIO_SERVERS; i++)
        session_look_server(session, (enum scenario_server)i);
    for (uint32_t i = 0; i < session->scenario->tasks_count; i++)
        task_look(&session->tasks[i]);
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    struct session *session = handle->data;

    report_line(&session->report, "selfpage", "%s: ending all tasks", strsignal(number));
    if (session->interrupted) /* asked twice: at once */
        on_patience(&session->patience);
    session->interrupted = true;
    session_end_tasks(session);
}

static void on_timeout(uv_timer_t *timer)
{
    struct session *session = timer->data;
    size_t length = 0;

    session->timed_out = true;
    for (uint32_t i = 0; i < session->scenario->tasks_count; i++) {
        const struct task_outcome *task = &session->outcome.tasks[i];

        if (task->state <= TASK_RUNNING && length < sizeof session->late)
            length += (size_t)snprintf(session->late + length, sizeof session->late - length,
                                       "%s%s%s", length > 0 ? ", " : "", task->task->name,
                                       task->state == TASK_WAITING ? " (waiting)" : "");
    }
    report_line(&session->report, "selfpage", "timeout after %s; still running: %s",
                session->scenario->timeout != NULL ? session->scenario->timeout : "5m",
                session->late);
    session_end_tasks(session);
}

static void on_tick(uv_timer_t *timer)
{
    struct session *session = timer->data;
    unsigned every = session->report.in_place ? REPORT_TERMINAL_MS : REPORT_PLAIN_MS;
    uint64_t ms = (uint64_t)(session_seconds(session) * 1000);

    for (uint32_t i = 0; i < session->scenario->tasks_count; i++)
        if (session->tasks[i].outcome->state == TASK_RUNNING)
            session_sample(&session->tasks[i]);
    session_note_status(session);
    if (ms / REPORT_TERMINAL_MS != (ms - TICK_MS) / REPORT_TERMINAL_MS)
        for (int i = 0; i < SCENARIO_SERVERS; i++)
            if (session->servers[i].observer.link.fd >= 0)
                observer_ask(&session->servers[i].observer);
    if (ms / every != (ms - TICK_MS) / every)
        report_table(&session->report, &session->outcome, session_seconds(session));
}

static void timer_arm(struct session *session, uv_timer_t *timer, void *data, uv_timer_cb callback,
                      uint64_t ns)
{
    uv_timer_init(&session->loop, timer);
    timer->data = data;
    if (callback != NULL)
        uv_timer_start(timer, callback, ms_of(ns), 0);
}

static void signal_watch(struct session *session, uv_signal_t *handle, int number,
                         uv_signal_cb callback)
{
    uv_signal_init(&session->loop, handle);
    handle->data = session;
    uv_signal_start(handle, callback, number);
}

/* Everything that the loop waits for. */
static int loop_fill(struct session *session)
{
    const struct scenario *scenario = session->scenario;
    int result = 0;

    signal_watch(session, &session->on_child, SIGCHLD, on_child);
    signal_watch(session, &session->on_interrupt, SIGINT, on_interrupt);
    signal_watch(session, &session->on_terminate, SIGTERM, on_interrupt);
    timer_arm(session, &session->timeout, session, on_timeout, scenario->timeout_ns);
    timer_arm(session, &session->patience, session, NULL, 0);
    timer_arm(session, &session->tick, session, NULL, 0);
    uv_timer_start(&session->tick, on_tick, TICK_MS, TICK_MS);
    for (uint32_t i = 0; i < scenario->events_count; i++)
        session_arm_event(&session->events[i]);
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        timer_arm(session, &session->tasks[i].stop, &session->tasks[i], NULL, 0);
        timer_arm(session, &session->tasks[i].start, &session->tasks[i], on_task_start,
                  scenario->tasks[i].start_ns);
    }
    for (int i = 0; i < SCENARIO_SERVERS && result == 0; i++)
        if (session->servers[i].wanted) {
            result = server_watch(session, (enum scenario_server)i);
            if (result == 0)
                result = relay_start(&session->servers[i].relay, &session->loop, &session->report,
                                     session_server_names[i], session->servers[i].log.read);
        }
    return result;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

int session_loop(struct session *session, struct sp_error *error)
{
    int result = uv_loop_init(&session->loop);

    if (result != 0)
        return error_set(error, -result, "libuv: %s", uv_strerror(result));
    session->started_ns = clock_now();
    session->tasks_left = session->scenario->tasks_count;
    result = loop_fill(session);
    if (result != 0)
        error_set(error, -result, "libuv: %s", uv_strerror(result));
    else
        uv_run(&session->loop, UV_RUN_DEFAULT);
    session_end_events(session);
    uv_walk(&session->loop, close_handle, NULL);
    uv_run(&session->loop, UV_RUN_DEFAULT);
    uv_loop_close(&session->loop);
    for (int i = 0; i < SCENARIO_SERVERS; i++)
        session->servers[i].watched = false;
    if (result == 0 && session->failure.code != 0) {
        *error = session->failure;
        result = -session->failure.code;
    }
    return result;
}
