/* Pages of regions on containers that were written: physmem has them stored by its swap server, and they come back from
 * there. */
#ifndef TASK_ENTRY_STORES_H
#define TASK_ENTRY_STORES_H

#include "task/state/state.h"

/* Written pages of the window that this thread fills (NULL: of any that nobody fills) go to swap, `most` at most. Waits
 * for the swap server. Returns how many. In the fault handler. */
uint32_t stores_put(struct sp_task *task, const struct filling *within, uint32_t most);

/* Have busy pages back that are in swap, in slots that have frames, or that physmem still has as they were. Waits as
 * stores_put. Returns 0: all are back; -ENOENT: some slots need a frame first; -ENOMEM: the contracts do not allow what
 * physmem still has; -EIO: a page is lost. Some may be back then. In the fault handler. */
int stores_get(struct sp_task *task, const struct filling *filling);

#endif
