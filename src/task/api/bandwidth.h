/* The task's contract with swap for paging bandwidth: SELFPAGE_BANDWIDTH. */
#ifndef TASK_API_BANDWIDTH_H
#define TASK_API_BANDWIDTH_H

#include "task/state/state.h"

/* Make the contract that the environment asks for, once swap is connected, and before the task asks for a file of its own:
 * it gets none then. Returns 0, -EINVAL: the text says nothing; or what swap says. */
int bandwidth_negotiate(struct sp_task *task, struct sp_error *error);

#endif
