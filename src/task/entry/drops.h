/* Recalled frames that the pager does not have: regions on containers give pages back that can be filled
 * again, or (written ones) have them stored. On the control thread, which waits for no answer: pages are busy until it comes. */
#ifndef TASK_ENTRY_DROPS_H
#define TASK_ENTRY_DROPS_H

#include "task/state/state.h"

/* So many more frames are to be given back, as far as there are any. The lock is held. */
void drops_owe(struct sp_task *task, uint32_t frames);

/* Give back what is possible now. */
void drops_pay(struct sp_task *task);

/* Whether drops_pay should be called again soon. The lock is held. */
bool drops_are_owed(const struct sp_task *task);

/* An answer that came over the control connection. */
void drops_answered(struct sp_task *task, const struct wire_message *message);

#endif
