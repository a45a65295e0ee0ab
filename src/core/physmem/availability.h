/* How much a task could have: asked for, or told when it changes.
 *
 * The figure is what the task would end up with if it asked now for all that its contracts allow, and
 * nobody else asked for anything or gave anything up unasked: within its commitment, all; beyond it,
 * what is free above the watermark, or what the arbiter would grant it, frames recalled in its favour
 * included.
 *
 * Watchers are looked at when frames have changed hands, contracts have changed, or frames run short;
 * a few at each input, and the rest a moment later, so that no input costs more because there are many
 * of them. A watcher that has not yet said that it heard the last message is not told another:
 * physmem neither waits for it nor piles messages up. */
#ifndef CORE_PHYSMEM_AVAILABILITY_H
#define CORE_PHYSMEM_AVAILABILITY_H

#include "core/physmem/state.h"

/* The deadline for looking at watchers. Returns 0 or -ENOMEM. */
int availability_start(struct physmem *physmem);
void availability_end(struct physmem *physmem);

/* At the end of an input: tell watchers what is new, pressure above all. */
void availability_settle(struct physmem *physmem);

/* The same, after the recalls that came of the input: see to it that the rest are looked at soon. */
void availability_later(struct physmem *physmem);

/* The task is about to be asked for frames: if it watches, it hears of the pressure first. */
void availability_before_recall(struct physmem *physmem, struct physmem_task *task,
                                uint32_t frames);

/* Stop telling the task. */
void availability_unwatch(struct physmem *physmem, struct physmem_task *task);

#endif
