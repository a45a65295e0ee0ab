/* Which pages were referenced, where the kernel keeps bits of that: the pager's EFFECT_ARM, and its question.
 *
 * One of two ways is chosen when the task attaches, and does not change: signals, where the next reference to a watched
 * page is a fault, and bits. Bits need a kernel that has them and permits them, an eviction policy that minds nothing of
 * what they do not tell (SP_POLICY_SAMPLES), and pages of the smallest size: a larger one would pay for each of its base
 * pages. Under Valgrind, and while a trace of the policy is written, there are signals. */
#ifndef TASK_EFFECTS_BITS_H
#define TASK_EFFECTS_BITS_H

#include "task/state/state.h"

/* Choose. Returns 0, or a negative errno value if the environment demands what cannot be had, or what does not exist. */
int bits_begin(struct sp_task *task, const struct sp_policy *policy, struct sp_error *error);
void bits_end(struct sp_task *task);

/* Have the pager ask for bits, if they were chosen. */
void bits_configure(struct sp_task *task, struct pager_config *config);

/* Carry out an EFFECT_ARM of `count` pages in a row, of which it names the first; at the latest when the effects of the
 * call have ended. The lock is held. */
void bits_arm(struct sp_task *task, const struct pager_effect *effect, uint32_t count);
void bits_arm_last(struct sp_task *task);

/* Take ranges of managed memory out of the page table. */
void bits_take(struct sp_task *task, const struct iovec *range, uint32_t count);

/* The effects of a call of the pager have been carried out, and what was read of the page table is old. The lock is
 * held. */
static inline void bits_end_call(struct sp_task *task)
{
    if (task->arm_count > 0)
        bits_arm_last(task);
    task->bits_known = false;
}

#endif
