/* Doing what a call into the pager left to do. */
#ifndef TASK_EFFECTS_PERFORM_H
#define TASK_EFFECTS_PERFORM_H

#include "task/effects/work.h"

/* Do what `work` says, and what that leaves to do, until nothing is left. Over `swap` (faulting threads:
 * task->swap, control thread: task->cleaner) for stores and loads. Waits for loads, refills, allocations
 * and grants, not for stores. `map` and `write`: loads and refills are for a fault, and are to be mapped.
 * The lock is not held. */
void perform_work(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                  bool write);

#endif
