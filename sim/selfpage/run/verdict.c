/* The verdict of a run: the last counters, the expectations, the end of the servers. */
#include "selfpage/run/verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "launch/child.h"
#include "selfpage/run/checks.h"
#include "selfpage/run/events.h"
#include "selfpage/run/servers.h"
#include "selfpage/scenario/judge.h"
#include "os/clock.h"

/* How long a server may take to notice that the last task's connections have ended. */
enum { SETTLE_MS = 5000 };

/* ---- The last status ---- */

/* Whether all tasks of a physmem have gone, but for those that are physmems. */
static bool is_left(const struct run *run, uint32_t which)
{
    const struct observer *observer = &run->servers[which].observer;
    uint32_t physmems = 0;

    for (uint32_t i = 0; i < run->scenario->physmems_count; i++)
        physmems += run->scenario->physmems[i].above == which &&
                    run->servers[SCENARIO_STACKED + i].server.pid != 0;
    return observer->link.fd < 0 || observer->physmem.tasks <= physmems;
}

/* No other peer is connected, and swap has back the slots of those that were. */
static bool is_settled(const struct run *run)
{
    const struct run_server *servers = run->servers;
    const struct observed_swap *swap = &servers[SCENARIO_SWAP].observer.swap;

    if (!is_left(run, SCENARIO_PHYSMEM))
        return false;
    for (uint32_t i = 0; i < run->scenario->physmems_count; i++)
        if (!is_left(run, SCENARIO_STACKED + i))
            return false;
    if (servers[SCENARIO_SWAP].observer.link.fd < 0)
        return true;
    return swap->clients <= 1 &&
           (run->scenario->swap->keep || (swap->used == 0 && swap->reserved == 0));
}

/* A server that does not answer is not waited for again. */
static void server_refresh(struct run_server *server)
{
    struct sp_error error = {0};

    if (server->observer.link.fd < 0 ||
        observer_refresh(&server->observer, state_patience_ms(server->run), &error) == 0 ||
        error.code != ETIMEDOUT)
        return;
    server->hung = true;
    server->wanted = false;
    observer_disconnect(&server->observer);
    servers_signal(server, SIGKILL);
}

static const struct timespec pause_between = {.tv_nsec = 2000000};

/* Ask the file server for its counters until it has noticed that its clients have ended. */
static void settle_files(struct run *run)
{
    struct run_server *server = &run->servers[SCENARIO_FILESERVER];
    uint64_t deadline = clock_now_ns() + SETTLE_MS * UINT64_C(1000000);

    server_refresh(server);
    while (server->observer.link.fd >= 0 && server->observer.files.clients > 0 &&
           clock_now_ns() < deadline) {
        nanosleep(&pause_between, NULL);
        server_refresh(server);
    }
}

/* Ask for the counters until those of the tasks' end are there. */
static void settle(struct run *run)
{
    uint64_t deadline = clock_now_ns() + SETTLE_MS * UINT64_C(1000000);
    bool first = true;

    do {
        if (!first)
            nanosleep(&pause_between, NULL);
        first = false;
        for (int i = 0; i < SCENARIO_SERVERS; i++)
            server_refresh(&run->servers[i]);
    } while (!is_settled(run) && clock_now_ns() < deadline);
    servers_note_status(run);
}

/* ---- Verdicts ---- */

static int judge_servers(struct run *run)
{
    int result = 0;

    for (int i = 0; i < SCENARIO_SERVERS && result == 0; i++) {
        const struct run_server *server = &run->servers[i];
        bool passed = !server->unasked && !server->hung && server->exit_status == 0 &&
                      server->death_signal == 0;
        char text[80], why[80];

        if (server->argv.count == 0)
            continue;
        snprintf(text, sizeof text, "%s lasts to the end and ends well",
                 scenario_server_name(run->scenario, (uint32_t)i));
        if (server->hung)
            snprintf(why, sizeof why, "it hung: it did not answer or end, and was killed");
        else if (server->death_signal != 0)
            snprintf(why, sizeof why, "it was killed by signal %d (%s)", server->death_signal,
                     strsignal(server->death_signal));
        else if (server->unasked)
            snprintf(why, sizeof why, "it ended unasked, or could not be restarted");
        else
            snprintf(why, sizeof why, "it ended with exit status %d", server->exit_status);
        result = outcome_expect(&run->outcome, text, passed, passed ? NULL : why);
    }
    return result;
}

static int judge_time(struct run *run)
{
    char text[80], why[200];
    bool passed = !run->timed_out && !run->interrupted;

    snprintf(text, sizeof text, "all tasks end within %s",
             run->scenario->timeout != NULL ? run->scenario->timeout : "5m");
    if (run->timed_out)
        snprintf(why, sizeof why, "still running then: %s", run->late);
    else
        snprintf(why, sizeof why, "the run was interrupted");
    return outcome_expect(&run->outcome, text, passed, passed ? NULL : why);
}

/* ---- The end of the servers ---- */

/* SIGTERM for these servers, and what they say to the last. */
static void end_some(struct run *run, int first, int end)
{
    for (int i = first; i < end; i++) {
        servers_look(run, (enum scenario_server)i); /* it may be dead already */
        run->servers[i].wanted = false;
        servers_signal(&run->servers[i], SIGTERM);
    }
    for (int i = first; i < end; i++) {
        struct run_server *server = &run->servers[i];
        int status = 0;

        if (server->server.pid != 0) {
            /* One SIGTERM is enough: a second one would find it without its handler. */
            if (child_end(server->server.pid, 0, state_patience_ms(run), &status) == -ETIMEDOUT) {
                server->hung = true;
                server->sent |= UINT64_C(1) << (SIGKILL - 1);
            }
            servers_ended(run, (enum scenario_server)i, status);
        }
        if (server->relay.fd >= 0)
            relay_drain(&server->relay);
    }
}

static void end_servers(struct run *run)
{
    end_some(run, SCENARIO_POLICYSERVER, SCENARIO_STACKED);
    for (int i = SCENARIO_SERVERS; i-- > SCENARIO_STACKED;)
        end_some(run, i, i + 1);
    end_some(run, 0, SCENARIO_POLICYSERVER);
}

int verdict_find(struct run *run, struct sp_error *error)
{
    int result;

    /* It is a task of physmem itself, which has no other task any more to serve. */
    settle_files(run);
    end_some(run, SCENARIO_FILESERVER, SCENARIO_FILESERVER + 1);
    settle(run);
    result = judge_tasks(&run->outcome);
    if (result == 0)
        result = judge_time(run);
    if (result == 0)
        result = judge_policies(&run->outcome);
    if (result == 0)
        result = events_judge(run);
    if (result == 0)
        result = judge_expressions(&run->outcome);
    if (result != 0)
        return error_set(error, -result, "%s", strerror(-result));
    if (!run->interrupted)
        result = checks_run(run, error);
    end_servers(run);
    if (result == 0 && judge_servers(run) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    return result;
}
