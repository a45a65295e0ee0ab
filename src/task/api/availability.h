#ifndef TASK_API_AVAILABILITY_H
#define TASK_API_AVAILABILITY_H

#include "task/state/state.h"

/* Have physmem tell of pressure, if the program wants to hear of it. Returns 0; `error` is filled
 * otherwise. */
int api_availability_start(struct sp_task *task, struct sp_error *error);

#endif
