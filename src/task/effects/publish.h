/* What the task publishes to physmem in shared memory: its unused frames. */
#ifndef TASK_EFFECTS_PUBLISH_H
#define TASK_EFFECTS_PUBLISH_H

#include "task/state/state.h"

/* Open a frame stack with physmem, for about as many frames as the contracts allow, and list unused
 * frames there from now on. After the pager has begun, before there are other threads. Returns 0;
 * `error` is filled otherwise. */
int publish_start(struct sp_task *task, uint32_t frames, struct sp_error *error);
void publish_end(struct sp_task *task);

#endif
