/* Frames and rights: what is asked of physmem, and given back to it. */
#ifndef TASK_EFFECTS_FRAMES_H
#define TASK_EFFECTS_FRAMES_H

#include "task/effects/work.h"

/* Give the frames that `work` names back to physmem. Does not wait. */
void frames_return(struct sp_task *task, const struct work *work);

/* Have the frames allocated, or the rights granted, that `work` names, and tell the pager. Then `work`
 * is what that leaves to do. */
void frames_allocate(struct sp_task *task, struct work *work);
void frames_grant(struct sp_task *task, struct work *work);

#endif
