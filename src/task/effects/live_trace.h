/* The trace of a live task: what its eviction policy saw and said. */
#ifndef TASK_EFFECTS_LIVE_TRACE_H
#define TASK_EFFECTS_LIVE_TRACE_H

#include "task/state/state.h"

#define LIVE_TRACE_POLICY_MOST 4096u

/* If SELFPAGE_TRACE names a file, or a directory for one, record there what the policy, which was
 * chosen by the text `policy`, sees and says. Before the pager begins; live_trace_end in any case. */
int live_trace_begin(struct sp_task *task, const char *policy, uint32_t pages,
                     struct sp_error *error);

/* The policy that the pager should run, and its parameters. */
const struct sp_policy *live_trace_policy(const struct sp_task *task, const double **params);

/* Control thread: write the events collected so far, if they are enough to be worth it. */
void live_trace_write(struct sp_task *task);

/* Close the trace; `write_rest`: all of it. No other thread uses the task. */
void live_trace_end(struct sp_task *task, bool write_rest);

#endif
