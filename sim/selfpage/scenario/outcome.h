/* What is known about a run: while it runs, and at its end. The names that expectations use, the
 * table and the JSON object all come from here. */
#ifndef SELFPAGE_SCENARIO_OUTCOME_H
#define SELFPAGE_SCENARIO_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/stats.h>

#include "shm/stats_page.h"
#include "expression/expression.h"
#include "client/observer/observer.h"
#include "selfpage/scenario/scenario.h"

/* The policy of a task for which the scenario names none: the library's default. */
#define DEFAULT_POLICY "clock"

enum task_state {
    OUTCOME_WAITING, /* for its start */
    OUTCOME_RUNNING,
    OUTCOME_ENDED,
    OUTCOME_NEVER, /* the run ended before its start, or it could not be started */
};

struct task_outcome {
    const struct scenario_task *task;
    const char *asked_policy;      /* as the scenario or the command line names it */
    char policy[STATS_POLICY_MAX]; /* that runs; "" as long as the task has chosen none */
    enum task_state state;
    pid_t pid;
    int exit_status;       /* 128 + signal if one killed it; -1 until it has ended */
    uint64_t microseconds; /* from its start to its end; 0 until it has ended */
    /* Counters; the gauges of a task that has ended are those of its last moments. */
    struct sp_stats stats;
    struct observed_task seen; /* what physmem last said about it; zeros if nothing */
};

/* An event and whether it happened. */
struct event_outcome {
    char *text;
    char *why; /* NULL: it happened */
};

/* An expectation and whether it held. */
struct expectation {
    char *text;
    bool passed;
    char *why; /* NULL, or what was found instead */
};

struct outcome {
    const struct scenario *scenario;
    struct task_outcome *tasks; /* scenario->tasks_count of them */
    struct observed_physmem physmem;
    struct observed_swap swap;
    struct observed_files files;
    bool server_ended[SCENARIO_SERVERS]; /* asked or unasked */
    struct event_outcome *events;
    size_t event_count;
    struct expectation *expectations;
    size_t expectation_count;
    /* Of what was played in virtual time. */
    bool simulated;
    uint64_t seed;
    uint64_t hash; /* of all events */
    uint64_t events_played;
    uint64_t virtual_ns;
    const char *varied; /* what is another than the scenario says; NULL: nothing */
};

/* Everything waiting. Returns 0 or -ENOMEM. */
int outcome_init(struct outcome *outcome, const struct scenario *scenario);

void outcome_fini(struct outcome *outcome);

/* Take over which policy a task says that it runs: STATS_POLICY_MAX bytes of the task's own. */
void outcome_note_policy(struct task_outcome *task, const char *text);

/* The policy of a task, for people: the one that runs; before that, the one that it will run, a
 * shared object without its directories; "-" if the task ended without one. */
const char *outcome_policy(const struct task_outcome *task);

/* The names that expectations may use, in this outcome: TASK.FIELD, physmem.FIELD, swap.FIELD,
 * fileserver.FIELD. */
struct expression_names outcome_names(const struct outcome *outcome);

/* Add an expectation; `why` may be NULL. Both are copied. Returns 0 or -ENOMEM. */
int outcome_expect(struct outcome *outcome, const char *text, bool passed, const char *why);

/* Add an event; `why` is NULL if it happened. Both are copied. Returns 0 or -ENOMEM. */
int outcome_event(struct outcome *outcome, const char *text, const char *why);

/* All expectations held. */
bool outcome_passed(const struct outcome *outcome);

#endif
