/* One run of a scenario: what comes after its loop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/wait.h"
#include "selfpage/run/session.h"

/* How long physmem and swap may take to notice that the last task's connections have ended. */
enum { SETTLE_MS = 5000 };

/* ---- The last status ---- */

/* Nobody but us is connected, and swap has the slots back of those who were. */
static bool session_is_settled(const struct session *session)
{
    const struct session_server *servers = session->servers;
    const struct observed_swap *swap = &servers[SCENARIO_SWAP].observer.swap;

    if (servers[SCENARIO_PHYSMEM].observer.link.fd >= 0 &&
        servers[SCENARIO_PHYSMEM].observer.physmem.tasks > 0)
        return false;
    if (servers[SCENARIO_SWAP].observer.link.fd < 0)
        return true;
    return swap->clients <= 1 &&
           (session->scenario->swap->keep || (swap->used == 0 && swap->reserved == 0));
}

/* A server that does not answer is not waited for again. */
static void server_refresh(struct session_server *server)
{
    struct sp_error error = {0};

    if (server->observer.link.fd < 0 ||
        observer_refresh(&server->observer, session_patience_ms(server->session), &error) == 0 ||
        error.code != ETIMEDOUT)
        return;
    server->hung = true;
    server->wanted = false;
    observer_disconnect(&server->observer);
    session_signal_server(server, SIGKILL);
}

/* Ask for the counters until those of the tasks' end are there. */
static void session_settle(struct session *session)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    uint64_t deadline = clock_now() + SETTLE_MS * UINT64_C(1000000);
    bool first = true;

    do {
        if (!first)
            nanosleep(&pause, NULL);
        first = false;
        for (int i = 0; i < SCENARIO_SERVERS; i++)
            server_refresh(&session->servers[i]);
    } while (!session_is_settled(session) && clock_now() < deadline);
    session_note_status(session);
}

/* ---- Commands ---- */

static int command_environment(const struct session *session, struct strings *list)
{
    strings_add_all(list, (const char *const *)environ);
    for (size_t i = 0; i < session->variables.count; i++) {
        char *name = strdup(session->variables.items[i]), *sign;

        if (name == NULL)
            return -ENOMEM;
        sign = strchr(name, '=');
        *sign = '\0';
        strings_set(list, name, sign + 1);
        free(name);
    }
    strings_set(list, "SELFPAGE_PHYSMEM", session->directory.physmem);
    strings_set(list, "SELFPAGE_SWAP", session->directory.swap);
    return list->failed ? -ENOMEM : 0;
}

/* Show what a command wrote. */
static void show_log(struct session *session, const struct server_log *log)
{
    struct relay relay = {.report = &session->report, .name = "check", .fd = log->read};

    relay_drain(&relay);
}

/* Run one command. Returns its exit status, or a negative errno with *error set. */
static int command_run(struct session *session, const struct scenario_command *command,
                       struct sp_error *error)
{
    char *argv[] = {"sh", "-c", command->command, NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv,
                          .directory = session->directory.path, .group = session->guardian.group};
    struct strings envp = {0};
    struct server_log log;
    pid_t pid;
    int result = server_log_memory(&log), status = 0;

    if (result == 0)
        result = command_environment(session, &envp);
    if (result != 0) {
        error_set(error, -result, "%s", strerror(-result));
    } else {
        spawn.envp = envp.items;
        spawn.output = spawn.error = log.write;
        result = spawn_program(&spawn, &pid, error);
    }
    if (result == 0) {
        unsigned ms = (unsigned)(session->scenario->timeout_ns / 1000000);

        if (child_wait(pid, ms, &status) == -ETIMEDOUT) {
            child_end(pid, SIGKILL, SESSION_PATIENCE_MS, &status);
            report_line(&session->report, "check", "timeout: %s", command->text);
        }
        show_log(session, &log);
        result = child_exit_status(status);
    }
    server_log_fini(&log);
    strings_fini(&envp);
    return result;
}

static int run_commands(struct session *session, struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < session->scenario->check_count && result == 0; i++) {
        const struct scenario_command *command = &session->scenario->check[i];
        int status = command_run(session, command, error);
        char why[40];

        if (status < 0)
            return status;
        snprintf(why, sizeof why, "exit status %d", status);
        result =
            outcome_expect(&session->outcome, command->text, status == 0, status == 0 ? NULL : why);
    }
    return result == 0 ? 0 : error_set(error, -result, "%s", strerror(-result));
}

/* ---- Verdicts ---- */

static int judge_tasks(struct session *session)
{
    int result = 0;

    for (uint32_t i = 0; i < session->scenario->tasks_count && result == 0; i++) {
        const struct task_outcome *task = &session->outcome.tasks[i];
        int wanted = task->task->expected_exit;
        bool passed = task->state == TASK_ENDED && task->exit_status == wanted;
        char text[80], why[40];

        if (wanted < 0)
            continue;
        snprintf(text, sizeof text, "%s.exit_status == %d", task->task->name, wanted);
        if (task->state == TASK_ENDED)
            snprintf(why, sizeof why, "it is %d", task->exit_status);
        else
            snprintf(why, sizeof why, "it never ran");
        result = outcome_expect(&session->outcome, text, passed, passed ? NULL : why);
    }
    return result;
}

static int judge_servers(struct session *session)
{
    int result = 0;

    for (int i = 0; i < SCENARIO_SERVERS && result == 0; i++) {
        const struct session_server *server = &session->servers[i];
        bool passed = !server->unasked && !server->hung && server->exit_status == 0 &&
                      server->death_signal == 0;
        char text[80], why[80];

        if (server->argv.count == 0)
            continue;
        snprintf(text, sizeof text, "%s lasts to the end and ends well", session_server_names[i]);
        if (server->hung)
            snprintf(why, sizeof why, "it hung: it did not answer or end, and was killed");
        else if (server->death_signal != 0)
            snprintf(why, sizeof why, "it was killed by signal %d (%s)", server->death_signal,
                     strsignal(server->death_signal));
        else if (server->unasked)
            snprintf(why, sizeof why, "it ended unasked, or could not be restarted");
        else
            snprintf(why, sizeof why, "it ended with exit status %d", server->exit_status);
        result = outcome_expect(&session->outcome, text, passed, passed ? NULL : why);
    }
    return result;
}

/* A policy that blunders is overruled, and would go unnoticed. */
static int judge_policies(struct session *session)
{
    char why[120] = "";

    for (uint32_t i = 0; i < session->scenario->tasks_count; i++) {
        const struct task_outcome *task = &session->outcome.tasks[i];

        if (task->stats.policy_errors == 0)
            continue;
        snprintf(why, sizeof why, "%s of task %s did, %llu times", outcome_policy(task),
                 task->task->name, (unsigned long long)task->stats.policy_errors);
        break;
    }
    return outcome_expect(&session->outcome, "no eviction policy named a page that was not there",
                          *why == '\0', *why == '\0' ? NULL : why);
}

static int judge_time(struct session *session)
{
    char text[80], why[200];
    bool passed = !session->timed_out && !session->interrupted;

    snprintf(text, sizeof text, "all tasks end within %s",
             session->scenario->timeout != NULL ? session->scenario->timeout : "5m");
    if (session->timed_out)
        snprintf(why, sizeof why, "still running then: %s", session->late);
    else
        snprintf(why, sizeof why, "the run was interrupted");
    return outcome_expect(&session->outcome, text, passed, passed ? NULL : why);
}

static int judge_expressions(struct session *session)
{
    struct expression_names names = outcome_names(&session->outcome);
    int result = 0;

    for (uint32_t i = 0; i < session->scenario->expect_count && result == 0; i++) {
        const char *text = session->scenario->expect[i];
        struct expression_sides sides;
        struct sp_error error;
        int holds = expression_evaluate(text, &names, false, &sides, &error);

        if (holds == 0)
            error_set(&error, EINVAL, "found %.15g and %.15g", sides.left, sides.right);
        result =
            outcome_expect(&session->outcome, text, holds == 1, holds == 1 ? NULL : error.text);
    }
    return result;
}

/* SIGTERM for these servers, and what they say to the last. */
static void end_some(struct session *session, int first, int end)
{
    for (int i = first; i < end; i++) {
        session_look_server(session, (enum scenario_server)i); /* it may be dead already */
        session->servers[i].wanted = false;
        session_signal_server(&session->servers[i], SIGTERM);
    }
    for (int i = first; i < end; i++) {
        struct session_server *server = &session->servers[i];
        int status = 0;

        if (server->server.pid != 0) {
            /* One SIGTERM is enough: a second one would find it without its handler. */
            if (child_end(server->server.pid, 0, session_patience_ms(session), &status) ==
                -ETIMEDOUT) {
                server->hung = true;
                server->sent |= UINT64_C(1) << (SIGKILL - 1);
            }
            session_server_ended(session, (enum scenario_server)i, status);
        }
        if (server->relay.fd >= 0)
            relay_drain(&server->relay);
    }
}

static void end_servers(struct session *session)
{
    end_some(session, SCENARIO_POLICYSERVER, SCENARIO_SERVERS);
    end_some(session, 0, SCENARIO_POLICYSERVER);
}

int session_conclude(struct session *session, struct sp_error *error)
{
    int result;

    session_settle(session);
    result = judge_tasks(session);
    if (result == 0)
        result = judge_time(session);
    if (result == 0)
        result = judge_policies(session);
    if (result == 0)
        result = judge_expressions(session);
    if (result != 0)
        return error_set(error, -result, "%s", strerror(-result));
    if (!session->interrupted)
        result = run_commands(session, error);
    end_servers(session);
    if (result == 0 && judge_servers(session) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    return result;
}
