/* What a task asks of swap: to store pages, to load them, to free slots.
 *
 * Stores are sent and not waited for. Their answers are handled by the thread that next reads the channel;
 * that is nobody as long as nobody needs a frame: a task that has what it needs is not woken for them. */
#ifndef TASK_EFFECTS_SWAPPING_H
#define TASK_EFFECTS_SWAPPING_H

#include "task/effects/work.h"

/* Do what `work` says of stores, loads and slots to free, over `swap` (faulting threads: task->swap,
 * control thread: task->cleaner). Waits for loads, and tells the pager how they ended: if `map`, for a
 * fault, a write if `write`. Then `work` is what that leaves to do. */
void swapping_perform(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                      bool write);

/* A message that nobody waits for: the answer to stores. */
void swapping_answered(struct sp_task *task, struct channel *channel,
                       const struct wire_message *message);

/* Tell swap of the last loads that the task has done by itself: it is about to go. */
void swapping_tell(struct sp_task *task);

#endif
