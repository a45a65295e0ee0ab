/* The loop of a run. */
#ifndef SELFPAGE_RUN_LOOP_H
#define SELFPAGE_RUN_LOOP_H

#include "selfpage/run/state.h"

/* Start the tasks and let the events happen, until all tasks have ended. Returns 0, or a negative errno
 * with a text. */
int loop_run(struct run *run, struct sp_error *error);

#endif
