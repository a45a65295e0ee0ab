/* The loop of a run, from the start of the first task to the end of the last one. */
#include "selfpage/run/loop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "launch/child.h"
#include "selfpage/run/events.h"
#include "selfpage/run/servers.h"
#include "selfpage/run/tasks.h"
#include "os/clock.h"

/* How often counters are looked at. */
enum { TICK_MS = 50 };

static void on_child(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    (void)number;
    for (int i = 0; i < SCENARIO_SERVERS; i++)
        servers_look(run, (enum scenario_server)i);
    events_look(run);
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++)
        tasks_look(&run->tasks[i]);
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    report_line(&run->report, "selfpage", "%s: ending all tasks", strsignal(number));
    if (run->interrupted) /* asked twice: at once */
        tasks_kill(run);
    run->interrupted = true;
    tasks_end(run);
}

static void on_timeout(uv_timer_t *timer)
{
    struct run *run = timer->data;
    size_t length = 0;

    run->timed_out = true;
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++) {
        const struct task_outcome *task = &run->outcome.tasks[i];

        if (task->state <= OUTCOME_RUNNING && length < sizeof run->late)
            length += (size_t)snprintf(run->late + length, sizeof run->late - length, "%s%s%s",
                                       length > 0 ? ", " : "", task->task->name,
                                       task->state == OUTCOME_WAITING ? " (waiting)" : "");
    }
    if (run->tasks_left == 0)
        snprintf(run->late, sizeof run->late, "a server that was told to end");
    report_line(&run->report, "selfpage", "timeout after %s; still running: %s",
                run->scenario->timeout != NULL ? run->scenario->timeout : "5m", run->late);
    tasks_end(run);
}

static void on_tick(uv_timer_t *timer)
{
    struct run *run = timer->data;
    unsigned every = run->report.in_place ? REPORT_TERMINAL_MS : REPORT_PLAIN_MS;
    uint64_t ms = (uint64_t)(state_seconds(run) * 1000);

    for (uint32_t i = 0; i < run->scenario->tasks_count; i++)
        if (run->tasks[i].outcome->state == OUTCOME_RUNNING)
            tasks_sample(&run->tasks[i]);
    servers_note_status(run);
    timeline_look(&run->timeline, state_ns(run), &run->outcome);
    /* In the tick before a table, so that it shows what is, and not what was long ago. */
    if (run->series.file != NULL || run->options->perfetto != NULL ||
        (ms + TICK_MS) / REPORT_TERMINAL_MS != ms / REPORT_TERMINAL_MS)
        for (int i = 0; i < SCENARIO_SERVERS; i++)
            if (run->servers[i].observer.link.fd >= 0)
                observer_ask(&run->servers[i].observer);
    series_write(&run->series, ms * 1000000, &run->outcome);
    if (ms >= every && ms / every != (ms - TICK_MS) / every)
        report_table(&run->report, &run->outcome, state_seconds(run));
}

static void timer_arm(struct run *run, uv_timer_t *timer, void *data, uv_timer_cb callback,
                      uint64_t ns)
{
    uv_timer_init(&run->loop, timer);
    timer->data = data;
    if (callback != NULL)
        uv_timer_start(timer, callback, state_ms(ns), 0);
}

static void signal_watch(struct run *run, uv_signal_t *handle, int number, uv_signal_cb callback)
{
    uv_signal_init(&run->loop, handle);
    handle->data = run;
    uv_signal_start(handle, callback, number);
}

/* Everything that the loop waits for. */
static int loop_fill(struct run *run)
{
    const struct scenario *scenario = run->scenario;
    int result = 0;

    signal_watch(run, &run->on_child, SIGCHLD, on_child);
    signal_watch(run, &run->on_interrupt, SIGINT, on_interrupt);
    signal_watch(run, &run->on_terminate, SIGTERM, on_interrupt);
    timer_arm(run, &run->timeout, run, on_timeout, scenario->timeout_ns);
    timer_arm(run, &run->patience, run, NULL, 0);
    timer_arm(run, &run->tick, run, NULL, 0);
    uv_timer_start(&run->tick, on_tick, TICK_MS, TICK_MS);
    for (uint32_t i = 0; i < scenario->events_count; i++)
        events_arm(&run->events[i]);
    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        tasks_arm(&run->tasks[i]);
    for (int i = 0; i < SCENARIO_SERVERS && result == 0; i++)
        if (run->servers[i].wanted) {
            result = servers_watch(run, (enum scenario_server)i);
            if (result == 0)
                result = relay_start(&run->servers[i].relay, &run->loop, &run->report,
                                     scenario_server_name(run->scenario, (uint32_t)i),
                                     run->servers[i].log.read);
        }
    return result;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

int loop_run(struct run *run, struct sp_error *error)
{
    int result = uv_loop_init(&run->loop);

    if (result != 0)
        return error_set(error, -result, "libuv: %s", uv_strerror(result));
    run->started_ns = clock_now_ns();
    run->tasks_left = run->scenario->tasks_count;
    run->on_answer = events_look;
    result = loop_fill(run);
    if (result != 0)
        error_set(error, -result, "libuv: %s", uv_strerror(result));
    else
        uv_run(&run->loop, UV_RUN_DEFAULT);
    events_end(run);
    for (int i = 0; i < SCENARIO_SERVERS; i++)
        servers_unwatch(&run->servers[i]);
    uv_walk(&run->loop, close_handle, NULL);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);
    if (result == 0 && run->failure.code != 0) {
        *error = run->failure;
        result = -run->failure.code;
    }
    return result;
}
