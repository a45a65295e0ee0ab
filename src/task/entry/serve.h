/* Serving a fault, on whichever thread. */
#ifndef TASK_ENTRY_SERVE_H
#define TASK_ENTRY_SERVE_H

#include "task/state/state.h"

/* Bring a page in and map it. Ends the process if that cannot be. Inside a guard or a fault handler,
 * without the lock. */
void serve_fault(struct sp_task *task, sp_page page, bool write);

#endif
