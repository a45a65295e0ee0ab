/* Pages that the program makes anew. */
#ifndef TASK_EFFECTS_REFILL_H
#define TASK_EFFECTS_REFILL_H

#include "task/effects/work.h"

/* Have the page made that `work` names, and map it for the fault that wants it. Then `work` is what that
 * leaves to do. */
void refill_page(struct sp_task *task, struct work *work, bool write);

#endif
