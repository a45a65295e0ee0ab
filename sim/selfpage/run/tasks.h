/* The tasks of a run. */
#ifndef SELFPAGE_RUN_TASKS_H
#define SELFPAGE_RUN_TASKS_H

#include "selfpage/run/state.h"

/* Have the loop start a task in its time. */
void tasks_arm(struct run_task *task);

/* Reread the counters of a task; the gauges stay as they were if it has given everything back. */
void tasks_sample(struct run_task *task);

/* Reap a task if it has ended. */
void tasks_look(struct run_task *task);

/* Stop the loop if there is nothing to wait for: no task, and no event that waits for a server to end, unless the run is to
 * end in any case. */
void tasks_look_over(struct run *run);

/* Ask all tasks to end, start no more, and kill those that are still there after a while. */
void tasks_end(struct run *run);

/* Kill all tasks. */
void tasks_kill(struct run *run);

#endif
