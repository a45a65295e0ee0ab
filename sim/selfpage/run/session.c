/* One run of a scenario: what comes before its loop. */
#include "selfpage/run/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/program.h"
#include "launch/wait.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

const char *const session_server_names[SCENARIO_SERVERS] = {"physmem", "swap", "policyserver"};

double session_seconds(const struct session *session)
{
    return (double)(clock_now() - session->started_ns) / 1e9;
}

unsigned session_patience_ms(const struct session *session)
{
    uint64_t passed_ms, all_ms = session->scenario->timeout_ns / 1000000, left_ms = 0;

    if (session->started_ns == 0 || RUNNING_ON_VALGRIND)
        return SESSION_PATIENCE_MS;
    passed_ms = (clock_now() - session->started_ns) / 1000000;
    if (!session->timed_out && !session->interrupted && passed_ms < all_ms)
        left_ms = all_ms - passed_ms;
    if (left_ms < SESSION_LAST_PATIENCE_MS)
        return SESSION_LAST_PATIENCE_MS;
    return left_ms < SESSION_PATIENCE_MS ? (unsigned)left_ms : SESSION_PATIENCE_MS;
}

/* ---- Starting ---- */

int session_start_server(struct session *session, enum scenario_server which,
                         struct sp_error *error)
{
    struct session_server *server = &session->servers[which];
    struct spawn spawn = {SPAWN_DEFAULTS, .program = server->program, .argv = server->argv.items,
                          .group = session->guardian.group};

    return server_start(&server->server, session_server_names[which], &spawn, &server->log, error);
}

int session_await_server(struct session *session, enum scenario_server which,
                         struct sp_error *error)
{
    struct session_server *server = &session->servers[which];
    unsigned patience_ms = session_patience_ms(session);
    int result = server_await(&server->server, &server->log, patience_ms, error);

    if (result != 0)
        return result;
    result = observer_connect(&server->observer,
                              which == SCENARIO_SWAP ? session->directory.swap
                                                     : session->directory.physmem,
                              "selfpage-run", error);
    if (result == 0)
        result = observer_refresh(&server->observer, patience_ms, error);
    return result;
}

static int task_environment(const struct session_task *task, struct strings *list)
{
    const struct session *session = task->session;
    const struct scenario_task *scenario = task->outcome->task;
    char number[24];

    strings_add_all(list, (const char *const *)environ);
    strings_set(list, "SELFPAGE_NAME", scenario->name);
    strings_set(list, "SELFPAGE_PHYSMEM", session->directory.physmem);
    strings_set(list, "SELFPAGE_SWAP", session->scenario->swap ? session->directory.swap : NULL);
    strings_set(list, "SELFPAGE_CONTRACT", scenario->contract);
    strings_set(list, "SELFPAGE_POLICY", task->outcome->asked_policy);
    strings_set(list, "SELFPAGE_PAGER_THREAD", scenario->pager_thread ? "1" : NULL);
    strings_set(list, "SELFPAGE_BINDIR", session->bindir);
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)(session->seed + (uint64_t)(task - session->tasks)));
    strings_set(list, "SELFPAGE_SEED", number);
    snprintf(number, sizeof number, "%d", SPAWN_PASSED_FD);
    strings_set(list, "SELFPAGE_STATS_FD", number);
    return list->failed ? -ENOMEM : 0;
}

/* A pipe whose write end is for the child, and whose read end a relay watches. */
static int relay_pipe(struct session_task *task, struct relay *relay, int *writep,
                      struct sp_error *error)
{
    struct server_log log;
    int result = server_log_pipe(&log);

    *writep = log.write;
    if (result == 0)
        result = relay_start(relay, &task->session->loop, &task->session->report,
                             task->outcome->task->name, log.read);
    return result == 0 ? 0 : error_set(error, -result, "pipe: %s", strerror(-result));
}

int session_start_task(struct session_task *task, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .program = task->program, .argv = task->argv.items,
                          .group = task->session->guardian.group};
    struct strings envp = {0};
    int result = relay_pipe(task, &task->output, &spawn.output, error);

    if (result == 0)
        result = relay_pipe(task, &task->error, &spawn.error, error);
    task->stats_fd = memfd_create("selfpage-stats", MFD_CLOEXEC);
    if (result == 0 &&
        (task->stats_fd < 0 || ftruncate(task->stats_fd, sizeof(struct stats_page)) != 0))
        result = error_set(error, errno, "memfd_create: %s", strerror(errno));
    if (result == 0 && task_environment(task, &envp) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0) {
        spawn.passed = task->stats_fd;
        spawn.envp = envp.items;
        result = spawn_program(&spawn, &task->outcome->pid, error);
    }
    strings_fini(&envp);
    if (spawn.output >= 0)
        close(spawn.output);
    if (spawn.error >= 0)
        close(spawn.error);
    return result;
}

/* ---- The whole run ---- */

static int session_init(struct session *session, const struct run_options *options,
                        const struct scenario *scenario)
{
    *session = (struct session){.options = options, .scenario = scenario, .guardian.pipe = -1};
    session->directory.fd = -1;
    session->seed = options->seed_given           ? options->seed
                    : scenario->physmem.seed != 0 ? scenario->physmem.seed
                                                  : 1;
    report_init(&session->report, options->json, options->table, options->no_table);
    for (int i = 0; i < SCENARIO_SERVERS; i++) {
        session->servers[i].session = session;
        session->servers[i].log = (struct server_log){-1, -1};
        session->servers[i].relay.fd = -1;
        observer_init(&session->servers[i].observer);
    }
    session->tasks = calloc(scenario->tasks_count, sizeof *session->tasks);
    session->events = calloc(scenario->events_count + 1, sizeof *session->events);
    if (session->tasks == NULL || session->events == NULL ||
        outcome_init(&session->outcome, scenario) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        struct session_task *task = &session->tasks[i];

        task->session = session;
        task->outcome = &session->outcome.tasks[i];
        task->stats_fd = task->output.fd = task->error.fd = -1;
        if (options->policy != NULL)
            task->outcome->asked_policy = options->policy;
    }
    for (uint32_t i = 0; i < scenario->events_count; i++)
        session->events[i] =
            (struct session_event){.session = session, .event = &scenario->events[i]};
    return 0;
}

static int session_make_directory(struct session *session, struct sp_error *error)
{
    int result = directory_make(&session->directory, session->options->directory, error);

    if (result != 0)
        return result;
    session->directory.keep_swap = session->scenario->swap != NULL && session->scenario->swap->keep;
    result = guardian_start(&session->guardian, &session->directory, error);
    if (result != 0)
        directory_remove(&session->directory);
    return result;
}

/* Start these servers at the same time, and wait for all. */
static int session_start_some(struct session *session, int first, int end, struct sp_error *error)
{
    int result = 0;

    for (int i = first; i < end && result == 0; i++)
        if (session->servers[i].wanted) {
            result = server_log_pipe(&session->servers[i].log);
            result = result != 0 ? error_set(error, -result, "pipe: %s", strerror(-result))
                                 : session_start_server(session, (enum scenario_server)i, error);
        }
    for (int i = first; i < end && result == 0; i++)
        if (session->servers[i].wanted)
            result = session_await_server(session, (enum scenario_server)i, error);
    return result;
}

static int session_start_servers(struct session *session, struct sp_error *error)
{
    int result = session_start_some(session, 0, SCENARIO_POLICYSERVER, error);

    if (result == 0)
        result = session_start_some(session, SCENARIO_POLICYSERVER, SCENARIO_SERVERS, error);
    return result;
}

int session_run(struct session *session, const struct run_options *options,
                const struct scenario *scenario, struct sp_error *error)
{
    int result = session_init(session, options, scenario);

    if (result != 0)
        return error_set(error, -result, "%s", strerror(-result));
    result = program_directory(NULL, session->bindir, sizeof session->bindir, error);
    if (result == 0)
        result = session_make_directory(session, error);
    if (result == 0)
        result = session_prepare(session, error);
    if (result == 0)
        result = session_start_servers(session, error);
    if (result == 0)
        result = session_loop(session, error);
    if (result == 0)
        result = session_conclude(session, error);
    return result;
}

/* Whatever still runs is ended by the guardian. */
void session_fini(struct session *session)
{
    guardian_stop(&session->guardian);
    if (session->directory.fd >= 0)
        directory_remove(&session->directory); /* in case that somebody has killed the guardian */
    for (uint32_t i = 0; session->tasks != NULL && i < session->scenario->tasks_count; i++) {
        struct session_task *task = &session->tasks[i];
        int status;

        if (task->outcome != NULL && task->outcome->state == TASK_RUNNING)
            child_end(task->outcome->pid, SIGKILL, SESSION_PATIENCE_MS, &status);
        strings_fini(&task->argv);
        free(task->policy);
        relay_fini(&task->output);
        relay_fini(&task->error);
        if (task->stats_fd >= 0)
            close(task->stats_fd);
    }
    for (int i = 0; i < SCENARIO_SERVERS; i++) {
        struct session_server *server = &session->servers[i];
        int status;

        if (server->server.pid != 0)
            child_end(server->server.pid, SIGKILL, SESSION_PATIENCE_MS, &status);
        if (server->relay.fd == server->log.read)
            server->relay.fd = -1; /* the log's to close */
        if (server->log.write > 0)
            server_log_fini(&server->log);
        observer_fini(&server->observer);
        strings_fini(&server->argv);
    }
    strings_fini(&session->variables);
    outcome_fini(&session->outcome);
    directory_fini(&session->directory);
    free(session->tasks);
    free(session->events);
}
