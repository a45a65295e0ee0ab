/* Recalls, and the debts that they make. On the control thread. */
#ifndef TASK_ENTRY_RECALLS_H
#define TASK_ENTRY_RECALLS_H

#include "task/state/state.h"

/* Physmem wants frames back. */
void recalls_arrived(struct sp_task *task, const struct wire_message *message);

/* Return what is owed as far as that is possible now. Stores that are under way return their
 * frames when they are answered. */
void recalls_pay(struct sp_task *task);

/* Read answers to stores that the program's threads sent, if frames that are owed wait for them. 0, or
 * -EPIPE if swap is gone. */
int recalls_read_answers(struct sp_task *task);

#endif
