/* Extra frames: how many a task may have now, and which tasks wanted more. */
#ifndef CORE_PHYSMEM_EXTRA_H
#define CORE_PHYSMEM_EXTRA_H

#include "core/physmem/state.h"

/* How many of `frames` more a task may have now beyond its commitment, while it takes `within` frames
 * within it. *pressurep: fewer than its contracts would allow; it is then told when there are more. */
uint32_t extra_allowed(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames, bool *pressurep);

/* Extra frames that other tasks than this one were refused, and still wait for. */
uint64_t extra_wanted_by_others(const struct physmem *physmem, const struct physmem_task *task);

/* How many of `frames` frames a task may be promised for a term, `committed` of which are part of its
 * commitment already. All, unless others wait for extra frames: then as many as the arbiter or the table
 * would let it have if it had to ask for them as extra frames now. Where neither grants, the waiting
 * tasks come first. */
uint32_t extra_may_lease(struct physmem *physmem, struct physmem_task *task, uint32_t frames,
                         uint32_t committed);

/* Tell the tasks that were refused extra frames, if there are enough now. */
void extra_notify(struct physmem *physmem);

/* Tell a waiting task that there are extra frames; it no longer waits. */
void extra_tell(struct physmem *physmem, struct physmem_task *task);

/* Stop telling the task. */
void extra_unwant(struct physmem *physmem, struct physmem_task *task);

#endif
