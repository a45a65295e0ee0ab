/* What contracts promise: the sums over contracts, tasks and physmem, and the lists of contracts. Terms
 * that begin and end are in core/physmem/life.h. */
#ifndef CORE_PHYSMEM_PROMISES_H
#define CORE_PHYSMEM_PROMISES_H

#include "core/physmem/state.h"

/* The task's contract of this number, or NULL. */
struct contract *promises_find(struct physmem_task *task, uint32_t number);

/* Memory for a contract in state NONE, and for its deadlines; it is in no list. NULL without memory. */
struct contract *promises_new(struct physmem *physmem);

/* Give a new contract its number, and put it at the end of the task's list. There is room for it. */
void promises_add(struct physmem_task *task, struct contract *contract);

/* Free a contract that has come to one of its ends. */
void promises_remove(struct physmem *physmem, struct contract *contract);

/* Promise frames under contracts of a kind to a task, or no longer. Physmem's own sum stays. */
void promises_task_more(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                        uint32_t frames);
void promises_task_less(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                        uint32_t frames);

/* Promise frames under a contract, or no longer, in the sums of its task and of physmem. */
void promises_more(struct physmem *physmem, const struct contract *contract, uint32_t frames);
void promises_less(struct physmem *physmem, const struct contract *contract, uint32_t frames);

/* Frames kept under a contract that were asked for were returned (they are no longer kept), or are no
 * longer asked for. A contract that was only waiting for them ends, or goes back to EXPIRED. */
void promises_returned(struct physmem *physmem, struct contract *contract, uint32_t frames);
void promises_forgiven(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* Tell the task what became of its contract, or of a part split off from it (0: none). */
void promises_tell(struct physmem *physmem, struct contract *contract, uint32_t part,
                   enum sp_reason why);

#endif
