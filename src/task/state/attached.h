/* Which task this process is. */
#ifndef TASK_STATE_ATTACHED_H
#define TASK_STATE_ATTACHED_H

#include "task/state/state.h"

/* The attached task; NULL if none. Read by handlers. */
struct sp_task *attached_task(void);
void attached_set(struct sp_task *task);

#endif
