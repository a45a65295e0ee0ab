/* What a missed deadline costs: a ladder of punishments. Each contract names a rung of it.
 *
 *   warn       a warning and another grace, as often as the task's misses allow; then as revoke
 *   penalty    missing frames times the price, charged to the task, and another grace; then as
 *              repossess
 *   repossess  physmem takes the frames itself, without vital slots, and says which; as revoke if
 *              those are too few
 *   revoke     everything is lost
 *   kill       everything is lost, and the process is killed
 *
 * A task that got more time does not delay others: physmem does not count overdue frames as coming. It first
 * asks the late task for what else it has, and then other tasks in its place. The late task gets no
 * extra frames while it owes. Each miss counts against the task, whatever the recall, and each
 * recall that it meets in time takes one off the count: a task cannot live on extended deadlines. */
#ifndef CORE_PHYSMEM_BREACH_H
#define CORE_PHYSMEM_BREACH_H

#include "core/physmem/state.h"

/* The deadline of a recall has passed: do what the contract says. The task may be revoked after. */
void breach_recall_missed(struct physmem *physmem, struct recall *recall);

/* The oldest unmap was not answered in time. The task is revoked. */
void breach_unmap_missed(struct physmem *physmem, struct physmem_task *task);

/* The task allocated `frames` frames; 0: it asked and was refused. Grace that is counted this way
 * may have run out, and the task be revoked. */
void breach_count_demand(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

#endif
