/* One run of a scenario: its processes, its loop, its end. */
#ifndef SELFPAGE_RUN_SESSION_H
#define SELFPAGE_RUN_SESSION_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <selfpage/error.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "client/observer/observer.h"
#include "launch/server.h"
#include "launch/strings.h"
#include "selfpage/run/options.h"
#include "selfpage/run/outcome.h"
#include "selfpage/run/relay.h"
#include "selfpage/run/report.h"
#include "selfpage/run/scenario.h"

/* How long a server may take to start, to end and to answer when all depends on it: long enough for
 * Valgrind on a loaded machine; and how long once the run's time is up. */
enum { SESSION_PATIENCE_MS = 120000, SESSION_LAST_PATIENCE_MS = 10000 };

struct session_server {
    struct session *session;
    struct server server;
    struct server_log log;
    struct relay relay;
    struct observer observer;
    uv_poll_t poll; /* of the observer's connection */
    bool watched;   /* `poll` is initialised */
    char program[PATH_MAX];
    struct strings argv;
    bool wanted;      /* the scenario has it, and no event has ended it */
    bool unasked;     /* it ended without being asked to, or could not be restarted */
    bool hung;        /* it did not answer or end in time, and was killed */
    uint64_t sent;    /* bit n - 1: signal n was sent to the process that runs */
    int exit_status;  /* the first one that was not 0 of ends that were asked for */
    int death_signal; /* the first one that killed it and that was not sent; 0: none */
};

struct session_task {
    struct session *session;
    struct task_outcome *outcome;
    char program[PATH_MAX];
    struct strings argv;
    char *policy; /* with names replaced */
    int stats_fd;
    struct relay output;
    struct relay error;
    uv_timer_t start;
    uv_timer_t stop;
};

enum event_state {
    EVENT_AHEAD,
    EVENT_ASKED,      /* physmem for a recall */
    EVENT_UNATTACHED, /* a recall whose task runs, and that physmem does not know yet */
    EVENT_DONE,       /* or it has been said why not */
};

struct session_event {
    struct session *session;
    const struct scenario_event *event;
    enum event_state state;
    uint32_t seq; /* of the recall's request */
    uv_timer_t timer;
};

struct session {
    const struct run_options *options;
    const struct scenario *scenario;
    struct report report;
    struct outcome outcome;
    struct directory directory;
    struct guardian guardian;
    char bindir[PATH_MAX];
    struct strings variables;
    uint64_t seed;
    struct session_server servers[SCENARIO_SERVERS];
    struct session_task *tasks;
    struct session_event *events;
    struct session_event *recall; /* the one that physmem has not answered yet; NULL: none */
    uint64_t started_ns;          /* by clock_now */
    uv_loop_t loop;
    uv_signal_t on_child, on_interrupt, on_terminate;
    uv_timer_t tick, timeout, patience;
    uint32_t tasks_left; /* waiting or running */
    bool interrupted;
    bool timed_out;
    char late[160];          /* who was still running at the timeout */
    struct sp_error failure; /* why the run could not go on; code 0: it could */
};

/* Run the scenario from beginning to end: 0, and the outcome is in session->outcome; or a negative
 * errno and *error if it could not run. Release with session_fini in any case. */
int session_run(struct session *session, const struct run_options *options,
                const struct scenario *scenario, struct sp_error *error);

void session_fini(struct session *session);

/* Seconds since the tasks could start. */
double session_seconds(const struct session *session);

/* The parts of session_run. Same returns. */
int session_prepare(struct session *session, struct sp_error *error); /* paths and arguments */
int session_start_server(struct session *session, enum scenario_server which,
                         struct sp_error *error);
int session_await_server(struct session *session, enum scenario_server which,
                         struct sp_error *error); /* and connect an observer to it */
int session_start_task(struct session_task *task, struct sp_error *error);
int session_loop(struct session *session, struct sp_error *error);     /* until all tasks ended */
int session_conclude(struct session *session, struct sp_error *error); /* checks, verdicts */

/* Reread a task's counters; the gauges stay as they were if it has given everything back. */
void session_sample(struct session_task *task);

/* Take over what the observers know into the outcome. */
void session_note_status(struct session *session);

/* How long a server may take to answer or to end as things stand: as long as the run's time still
 * lasts, within the two limits above. */
unsigned session_patience_ms(const struct session *session);

/* Send a signal to a server if it runs, and remember it. */
void session_signal_server(struct session_server *server, int number);

/* Reap a server if it has ended. */
void session_look_server(struct session *session, enum scenario_server which);

/* Start a server again that has ended, and listen to it. Same returns as session_run. */
int session_restart_server(struct session *session, enum scenario_server which,
                           struct sp_error *error);

/* Have an event happen in its time. */
void session_arm_event(struct session_event *event);

/* See whether physmem has answered the recall that waits for it. */
void session_note_answer(struct session *session);

/* Physmem has ended: it will not answer. */
void session_drop_recall(struct session *session);

/* Tell of every event that has not happened. */
void session_end_events(struct session *session);

/* A server's process has been reaped. */
void session_server_ended(struct session *session, enum scenario_server which, int status);

extern const char *const session_server_names[SCENARIO_SERVERS];

#endif
