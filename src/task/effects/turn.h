/* One turn of evictions while pages are loaded: the pager chooses, under the lock, and mappings change without it. */
#ifndef TASK_EFFECTS_TURN_H
#define TASK_EFFECTS_TURN_H

#include "task/effects/work.h"
#include "task/state/state.h"

/* Evict at most `most` pages, up to APART_PAGES; between apart_enter and apart_leave, without the lock. Adds what that
 * leaves to do to `work`: stores that may begin now. Returns true if there are more pages to evict. */
bool turn_evict(struct sp_task *task, uint32_t most, struct work *work);

#endif
