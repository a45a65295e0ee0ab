/* Recalls: frames that a task is asked for, by when, and what has come back. What a missed deadline
 * costs is in core/physmem/breach.h. */
#ifndef CORE_PHYSMEM_RECALL_H
#define CORE_PHYSMEM_RECALL_H

#include "core/physmem/state.h"

/* The grace that a recall has. */
struct grace {
    uint64_t grace;
    uint8_t unit; /* enum sp_grace_unit */
    bool may_clean;
};

/* The grace of a recall on account of a contract, or (NULL) of extra frames. */
struct grace recall_grace(const struct physmem_task *task, const struct contract *contract);

/* Recall `frames` frames of a task, or as many as possible: unused extra frames are taken at once,
 * the others asked for. Returns how many. */
uint32_t recall_task(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* Recall frames that a contract of the task kept. Returns how many. */
uint32_t recall_kept(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* Recall from tasks that are overdue, before anybody else. Returns how many frames of `missing` were
 * asked for.
 *
 * What is overdue is not counted on, so that it is asked for in full once more: a late task that holds
 * enough is asked for the same frames again at each deadline, and owes all of these recalls (three of
 * 30 for one need of 30 in the golden trace breach-penalty). Other tasks give only when the late one
 * has nothing left to ask for. */
uint32_t recall_from_late(struct physmem *physmem, uint32_t missing);

/* The control connection has ended: what was asked over it is due soon. */
void recall_hurry(struct physmem *physmem, struct physmem_task *task);

/* Frames came back: the recall that is due first counts them. */
void recall_pay(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* What is owed may not exceed the excess: after the commitment grew, forgive the rest. */
void recall_forgive(struct physmem *physmem, struct physmem_task *task);

/* `frames` of the frames of a recall were taken from the task, or came back. */
void recall_settle(struct physmem *physmem, struct recall *recall, uint32_t frames);

/* Grace begins again, for a recall whose deadline was missed. It is overdue from now on. */
void recall_restart(struct physmem *physmem, struct recall *recall);

/* The task owes nothing from now on: everything was taken from it. */
void recall_end(struct physmem *physmem, struct physmem_task *task);

#endif
