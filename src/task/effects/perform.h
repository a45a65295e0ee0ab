/* Doing what a call into the pager left to do. */
#ifndef TASK_EFFECTS_PERFORM_H
#define TASK_EFFECTS_PERFORM_H

#include "task/effects/work.h"

/* Do what `work` says, and what that leaves to do, until nothing is left. Stores and loads go over
 * `swap` (faulting threads: task->swap, control thread: task->cleaner). Waits for loads, refills,
 * allocations and grants, not for stores. `map`: loads and refills are for a fault, and are then
 * mapped; `write`: for writing. The caller does not hold the lock. */
void perform_work(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                  bool write);

#endif
