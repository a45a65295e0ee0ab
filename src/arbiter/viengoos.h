/* How much a task could have, as Viengoos publishes it for tasks that adapt. */
#ifndef ARBITER_VIENGOOS_H
#define ARBITER_VIENGOOS_H

#include <selfpage/arbiter.h>

/* Frames that tasks[index] may plan with: what it has or, if more, its share by weight among the
 * tasks of its priority and parent; and what nobody has. `unused` is the latter. */
uint32_t viengoos_available(const struct sp_arbiter_task *tasks, size_t count, size_t index,
                            uint32_t frames, uint32_t unused);

#endif
