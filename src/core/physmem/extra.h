/* Extra frames: how many a task may have now, and which tasks wanted more. */
#ifndef CORE_PHYSMEM_EXTRA_H
#define CORE_PHYSMEM_EXTRA_H

#include "core/physmem/state.h"

/* How many of `frames` more a task may have now beyond its commitment, while it takes `within` frames
 * within it. *pressurep: fewer than its contracts would allow; it is then told when there are more. */
uint32_t extra_allowed(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames, bool *pressurep);

/* Tell the tasks that were refused extra frames, if there are enough now. */
void extra_notify(struct physmem *physmem);

/* Tell one of them that there are some, and that it waits no longer. */
void extra_tell(struct physmem *physmem, struct physmem_task *task);

/* The task is told nothing any more. */
void extra_unwant(struct physmem *physmem, struct physmem_task *task);

#endif
