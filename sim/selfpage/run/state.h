/* One run of a scenario: all that is known about it while it lasts. */
#ifndef SELFPAGE_RUN_STATE_H
#define SELFPAGE_RUN_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <selfpage/error.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "client/observer/observer.h"
#include "launch/launched.h"
#include "launch/strings.h"
#include "selfpage/run/options.h"
#include "selfpage/scenario/outcome.h"
#include "selfpage/run/relay.h"
#include "selfpage/scenario/report.h"
#include "selfpage/scenario/scenario.h"
#include "selfpage/scenario/series.h"
#include "selfpage/scenario/timeline.h"

/* How long a server may take to start, to end and to answer when all depends on it: long enough for
 * Valgrind on a loaded machine; and how long once the run's time is up. */
enum { RUN_PATIENCE_MS = 120000, RUN_LAST_PATIENCE_MS = 10000 };

struct run_event;

struct run_server {
    struct run *run;
    struct launched server;
    struct launched_log log;
    struct relay relay;
    struct observer observer;
    uv_poll_t *poll; /* of the observer's connection; NULL: nobody listens */
    char program[PATH_MAX];
    struct strings argv;
    bool wanted;   /* the scenario has it, and no event has ended it */
    bool unasked;  /* it ended without being asked to, or could not be restarted */
    bool hung;     /* it did not answer or end in time, and was killed */
    uint64_t sent; /* bit n - 1: signal n was sent to the process that runs */
    const struct run_event *restart; /* the one that waits until it has ended; NULL: none */
    int exit_status;                 /* the first one that was not 0 of ends that were asked for */
    int death_signal; /* the first one that killed it and that was not sent; 0: none */
};

struct run_task {
    struct run *run;
    struct task_outcome *outcome;
    char program[PATH_MAX];
    struct strings argv;
    char *policy; /* with names replaced */
    int stats_fd;
    struct relay output;
    struct relay error;
    struct run_task
        *above;    /* lives from a part of this one's contract; NULL: has contracts of its own */
    uint32_t part; /* which of those that it splits off */
    char tokens[PATH_MAX]; /* the file in which those of its own parts are; "": it has none */
    uint64_t started_ns;
    uv_timer_t start;
    uv_timer_t stop;
};

enum event_state {
    EVENT_AHEAD,
    EVENT_ASKED,      /* physmem for a recall */
    EVENT_UNATTACHED, /* a recall whose task runs, and that physmem does not know yet */
    EVENT_UNENDED, /* a restart of a server that was told to end, and has not yet; or due behind one */
    EVENT_DONE,    /* it has happened */
    EVENT_FAILED, /* it did not: `why` */
};

struct run_event {
    struct run *run;
    const struct scenario_event *event;
    enum event_state state;
    uint32_t seq; /* of the request of a recall */
    char why[200];
    uv_timer_t timer;
};

struct run {
    struct series series;
    const struct run_options *options;
    const struct scenario *scenario;
    struct report report;
    struct outcome outcome;
    struct timeline timeline;
    struct directory directory;
    struct guardian guardian;
    char bindir[PATH_MAX];
    struct strings variables;
    uint64_t seed;
    struct run_server servers[SCENARIO_SERVERS];
    char stacked[SCENARIO_STACKED_MAX][DIRECTORY_SOCKET_MAX + 1]; /* sockets */
    struct run_task *tasks;
    struct run_event *events;
    struct run_event *recall; /* the one that physmem has not answered yet; NULL: none */
    uint64_t started_ns;      /* by clock_now */
    uv_loop_t loop;
    uv_signal_t on_child, on_interrupt, on_terminate;
    uv_timer_t tick, timeout, patience;
    void (*on_answer)(struct run *run); /* called when an observer has heard something */
    uint32_t tasks_left;                /* waiting or running */
    uint32_t events_held;               /* in state EVENT_UNENDED */
    bool interrupted;
    bool timed_out;
    char late[160];          /* the tasks that still ran at the timeout */
    struct sp_error failure; /* why the run could not go on; code 0: it could */
};

/* Nanoseconds, and seconds, since the tasks could start. */
uint64_t state_ns(const struct run *run);
double state_seconds(const struct run *run);

/* How long a server may take to answer or to end as things stand, in milliseconds: as long as the time
 * of the run still lasts, within the two limits above. */
unsigned state_patience_ms(const struct run *run);

/* The socket of a server that has one. */
const char *state_socket(const struct run *run, uint32_t which);

/* The milliseconds of libuv for nanoseconds, never too early. */
uint64_t state_ms(uint64_t ns);

#endif
