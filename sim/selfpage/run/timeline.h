/* What `run --perfetto` writes: a track for each task and one for physmem, their counters as of each look,
 * and arrows from recalls to their answers. */
#ifndef SELFPAGE_RUN_TIMELINE_H
#define SELFPAGE_RUN_TIMELINE_H

#include "selfpage/run/state.h"

/* Open the file that the options name, if they do. */
int timeline_start(struct run *run, struct sp_error *error);

/* A task has started, or has ended. */
void timeline_task_starts(struct run_task *task);
void timeline_task_ends(struct run_task *task);

/* Write the counters as they are known now. */
void timeline_look(struct run *run);

/* Everything is over: finish the file, if there is one. */
int timeline_end(struct run *run, struct sp_error *error);

#endif
