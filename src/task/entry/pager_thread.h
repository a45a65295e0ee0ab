/* Faults in a thread of their own. */
#ifndef TASK_ENTRY_PAGER_THREAD_H
#define TASK_ENTRY_PAGER_THREAD_H

#include "task/entry/serve.h"

int pager_thread_start(struct sp_task *task, struct sp_error *error);
void pager_thread_stop(struct sp_task *task);

/* Called by a fault handler: have the pager thread serve a fault, and wait. As serve_fault. */
bool pager_thread_fault(struct sp_task *task, const struct fault *fault);

#endif
