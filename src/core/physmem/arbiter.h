/* The arbiter is consulted here, or the policy server's table, and what it says is kept within the
 * rules and acted on. */
#ifndef CORE_PHYSMEM_ARBITER_H
#define CORE_PHYSMEM_ARBITER_H

#include "core/physmem/state.h"

/* The arbiter's state, made and freed. Returns 0 or -ENOMEM. */
int arbiter_start(struct physmem *physmem);
void arbiter_end(struct physmem *physmem);
int arbiter_task_start(struct physmem *physmem, struct physmem_task *task);
void arbiter_task_end(struct physmem *physmem, struct physmem_task *task);

/* Recall `missing` frames, or as many as can be, and up to `ahead` if that is more. */
void arbiter_short(struct physmem *physmem, uint32_t missing, uint32_t ahead);

/* A task asks for extra frames while there are not enough for all. Returns how many it gets. */
uint32_t arbiter_extra(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames);

/* What the arbiter or the table would grant a task that asked for `frames` extra frames, if it had given
 * `has` frames back, and the promise of `committed` of them. Nothing is recalled. */
uint32_t arbiter_would_grant(struct physmem *physmem, struct physmem_task *task, uint32_t frames,
                             uint32_t committed, uint32_t has);

/* The task wants `frames` extra frames, which it has not got. */
void arbiter_wants(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* The arbiter's clock has run out, or the policy server has written the table. */
void arbiter_tick(struct physmem *physmem);

#endif
