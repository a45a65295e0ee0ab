/* What is known about a run: while it runs, and at its end. The names that expectations use, the
 * table and the JSON object all come from here. */
#ifndef SELFPAGE_OUTCOME_H
#define SELFPAGE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/stats.h>

#include "expression.h"
#include "launch/observer.h"
#include "scenario.h"

/* The policy of a task for which the scenario names none: the library's default. */
#define DEFAULT_POLICY "clock"

enum task_state {
    TASK_WAITING, /* for its start */
    TASK_RUNNING,
    TASK_ENDED,
    TASK_NEVER, /* the run ended before its start, or it could not be started */
};

struct task_outcome {
    const struct scenario_task *task;
    const char *policy;
    enum task_state state;
    pid_t pid;
    int exit_status; /* 128 + signal if one killed it; -1 until it has ended */
    /* Counters; the gauges of a task that has ended are those of its last moments. */
    struct sp_stats stats;
    struct observed_task seen; /* what physmem last said about it; zeros if nothing */
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
    bool server_ended[SCENARIO_SERVERS]; /* asked or unasked */
    struct expectation *expectations;
    size_t expectation_count;
};

/* Everything waiting. Returns 0 or -ENOMEM. */
int outcome_init(struct outcome *outcome, const struct scenario *scenario);

void outcome_fini(struct outcome *outcome);

/* The names that expectations may use, in this outcome: TASK.FIELD, physmem.FIELD, swap.FIELD. */
struct expression_names outcome_names(const struct outcome *outcome);

/* Add an expectation; `why` may be NULL. Both are copied. Returns 0 or -ENOMEM. */
int outcome_expect(struct outcome *outcome, const char *text, bool passed, const char *why);

/* All expectations held. */
bool outcome_passed(const struct outcome *outcome);

#endif
