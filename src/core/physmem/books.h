/* Marks that many files set when they change the books: what has to be looked at, written or told at
 * the end of the input. */
#ifndef CORE_PHYSMEM_BOOKS_H
#define CORE_PHYSMEM_BOOKS_H

#include "core/physmem/state.h"

/* The task's row in the policy server's table is out of date. */
static inline void books_row_changed(struct physmem *physmem, struct physmem_task *task)
{
    if (task->changed || task->row == NO_ROW)
        return;
    check(task->state == STANDING_THERE);
    task->changed = true;
    task->next_changed = physmem->policyserver.changed;
    physmem->policyserver.changed = task;
}

/* Whether the sums that every input must leave in order are, as far as that costs nothing to see; a pair
 * of assertions, as an input begins and as it ends. physmem_check counts everything. */
static inline bool books_balance(const struct physmem *physmem)
{
    const struct frame_table *frames = &physmem->frames;

    return frames->buddy.free + frames->used + frames->soft == physmem->config.frames &&
           physmem->guaranteed + physmem->leased <= frames_promisable(physmem) &&
           physmem->unclaimed[SP_GUARANTEED] <= physmem->guaranteed &&
           physmem->unclaimed[SP_TIMED] <= physmem->leased && physmem->overdue <= physmem->owed &&
           physmem->owed <= frames->used && physmem->nobody.held <= frames->used &&
           physmem->nobody.soft <= frames->soft &&
           (physmem->waiting == 0) == (physmem->pending_first == NULL) &&
           physmem->tasks_there + physmem->tasks_gone <= physmem->tasks;
}

/* Mark that the policy server, if there is one, must be told (PHYSMEM_RING_*). */
void books_ring(struct physmem *physmem, uint8_t what);

/* A contract or a debt has changed: look at the watchers at the end of this input. */
void books_availability_changed(struct physmem *physmem);

/* Faults of the task on pages it evicted lately, as it says on its frame stack. It may lie, but the
 * number never falls. */
uint64_t books_ghost_hits(struct physmem_task *task);

/* What the task says that it has counted: any numbers; zeros if it has no stack, or none any more. */
struct frame_stack_said books_said(const struct physmem_task *task);

/* Frames that the task says it would use now, in all: any number; 0: it does not say. */
uint32_t books_demand(const struct physmem_task *task);

#endif
