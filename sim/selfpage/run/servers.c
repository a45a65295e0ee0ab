/* The servers of a run: starting them, looking whether they still run, signalling, restarting. */
#include "selfpage/run/servers.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "launch/child.h"

/* ---- Starting ---- */

static int server_start_one(struct run *run, enum scenario_server which, struct sp_error *error)
{
    struct run_server *server = &run->servers[which];
    struct spawn spawn = {SPAWN_DEFAULTS, .program = server->program, .argv = server->argv.items,
                          .group = run->guardian.group};

    return launched_start(&server->server, scenario_server_name(run->scenario, which), &spawn,
                          &server->log, error);
}

static int server_await_one(struct run *run, enum scenario_server which, struct sp_error *error)
{
    struct run_server *server = &run->servers[which];
    unsigned patience_ms = state_patience_ms(run);
    int result = launched_await(&server->server, &server->log, patience_ms, error);

    if (result != 0)
        return result;
    result = observer_connect(&server->observer, state_socket(run, which), "selfpage-run", error);
    if (result == 0)
        result = observer_refresh(&server->observer, patience_ms, error);
    return result;
}

/* Start these servers at the same time, and wait for all. */
static int start_some(struct run *run, int first, int end, struct sp_error *error)
{
    int result = 0;

    for (int i = first; i < end && result == 0; i++)
        if (run->servers[i].wanted) {
            result = launched_log_pipe(&run->servers[i].log);
            result = result != 0 ? error_set(error, -result, "pipe: %s", strerror(-result))
                                 : server_start_one(run, (enum scenario_server)i, error);
        }
    for (int i = first; i < end && result == 0; i++)
        if (run->servers[i].wanted)
            result = server_await_one(run, (enum scenario_server)i, error);
    return result;
}

int servers_start(struct run *run, struct sp_error *error)
{
    int result = start_some(run, 0, SCENARIO_POLICYSERVER, error);

    for (int i = SCENARIO_STACKED; i < SCENARIO_SERVERS && result == 0; i++)
        result = start_some(run, i, i + 1, error);
    if (result == 0)
        result = start_some(run, SCENARIO_POLICYSERVER, SCENARIO_STACKED, error);
    return result;
}

/* ---- While they run ---- */

static void on_poll_closed(uv_handle_t *poll)
{
    free(poll);
}

void servers_unwatch(struct run_server *server)
{
    if (server->poll != NULL)
        uv_close((uv_handle_t *)server->poll, on_poll_closed);
    server->poll = NULL;
}

void servers_ended(struct run *run, enum scenario_server which, int status)
{
    struct run_server *server = &run->servers[which];

    server->server.pid = 0;
    run->outcome.server_ended[which] = true;
    servers_unwatch(server);
    observer_receive(&server->observer, NULL); /* what it had still said */
    observer_disconnect(&server->observer);
    if (WIFSIGNALED(status) && (server->sent >> (WTERMSIG(status) - 1) & 1) == 0 &&
        server->death_signal == 0)
        server->death_signal = WTERMSIG(status);
    if (!WIFSIGNALED(status) && server->exit_status == 0)
        server->exit_status = WEXITSTATUS(status);
    if (!server->wanted)
        return;
    server->wanted = false;
    server->unasked = true;
    report_line(&run->report, "selfpage", "%s ended unasked, with exit status %d",
                scenario_server_name(run->scenario, which), child_exit_status(status));
}

void servers_look(struct run *run, enum scenario_server which)
{
    int status;

    if (run->servers[which].server.pid != 0 &&
        child_wait(run->servers[which].server.pid, 0, &status) != -ETIMEDOUT)
        servers_ended(run, which, status);
}

void servers_signal(struct run_server *server, int number)
{
    if (server->server.pid == 0)
        return;
    server->sent |= UINT64_C(1) << (number - 1);
    kill(server->server.pid, number);
}

void servers_note_status(struct run *run)
{
    const struct observer *physmem = &run->servers[SCENARIO_PHYSMEM].observer;

    run->outcome.physmem = physmem->physmem;
    run->outcome.swap = run->servers[SCENARIO_SWAP].observer.swap;
    run->outcome.files = run->servers[SCENARIO_FILESERVER].observer.files;
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++) {
        struct task_outcome *task = &run->outcome.tasks[i];
        const struct observer *own = &run->servers[task->task->server].observer;
        const struct observed_task *seen =
            task->pid != 0 ? observer_task_of(own, (uint32_t)task->pid) : NULL;

        if (seen != NULL)
            task->seen = *seen;
    }
}

static void on_observer(uv_poll_t *poll, int status, int events)
{
    struct run_server *server = poll->data;

    (void)events;
    if (status != 0 || observer_receive(&server->observer, NULL) < 0)
        uv_poll_stop(poll);
    if (server->run->on_answer != NULL)
        server->run->on_answer(server->run);
}

/* Listen to a server that has just been connected to. */
int servers_watch(struct run *run, enum scenario_server which)
{
    struct run_server *server = &run->servers[which];
    uv_poll_t *poll = calloc(1, sizeof(*poll));
    int result;

    if (poll == NULL)
        return UV_ENOMEM;
    poll->data = server;
    result = uv_poll_init(&run->loop, poll, server->observer.link.fd);
    if (result != 0) {
        free(poll);
        return result;
    }
    server->poll = poll;
    return uv_poll_start(poll, UV_READABLE, on_observer);
}

int servers_restart(struct run *run, enum scenario_server which, struct sp_error *error)
{
    struct run_server *server = &run->servers[which];
    int result;

    server->sent = 0;
    result = server_start_one(run, which, error);
    if (result == 0)
        result = server_await_one(run, which, error);
    if (result != 0)
        return result;
    server->wanted = true;
    run->outcome.server_ended[which] = false;
    result = servers_watch(run, which);
    return result == 0 ? 0 : error_set(error, -result, "libuv: %s", uv_strerror(result));
}
