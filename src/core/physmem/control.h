/* Physmem under a policy server: who is entitled to how much.
 *
 * Before a policy server takes control, physmem's own arbiter decides, and only the contracts limit
 * a task. Under control
 *   - limits, which the policy server sends as a whole set, bound what contracts a task can conclude
 *     and how much it gets beyond them, and give it a weight and a priority. Physmem keeps them, and
 *     looks them up by itself: so they hold for a task from its first message on, whether the policy
 *     server has seen it yet or not, and whether it still lives or not;
 *   - the table (shm/control_table.h) says, when there are not enough frames for all, up to how
 *     many each task may have, and who gives how much; unless table->decides is 0, when physmem's
 *     own arbiter does, with the weights and priorities of the limits.
 * When the policy server dies, all of this stands. A task that comes then has the limits of its user
 * and name; while frames are short it is entitled to what its contracts promise, and otherwise, as
 * any other, to what is there and nobody else wants. */
#ifndef CORE_PHYSMEM_CONTROL_H
#define CORE_PHYSMEM_CONTROL_H

#include "shm/control_table.h"
#include "core/physmem/physmem.h"

/* Most limits in a set. */
#define PHYSMEM_LIMITS_MAX 4096u

/* Whom a limit is about: bits. None: every task. */
#define PHYSMEM_LIMIT_USER  1u /* tasks of this user */
#define PHYSMEM_LIMIT_NAME  2u /* tasks of this name */
#define PHYSMEM_LIMIT_WHOMS 4u

/* A field of a limit that says nothing. */
#define PHYSMEM_UNLIMITED UINT32_MAX

/* What applies to a task is, field by field, what the narrowest limit says that covers it: for this
 * name of this user, for this name, for this user, for every task; of several alike the last.
 * Except that for a user (without a name) `guaranteed` and `extra` bound the sum over all tasks of
 * the user, so that nobody gets more by starting more tasks; both bounds then hold. */
struct physmem_limit {
    uint8_t whom;
    uint32_t uid;
    char name[SP_NAME_MAX];
    uint32_t guaranteed; /* frames of its guaranteed and timed contracts */
    uint32_t extra;      /* frames beyond */
    uint32_t weight;     /* instead of what its contracts say */
    uint32_t priority;
};

/* What happened that the policy server may want to know: bits of PHYSMEM_CONTROL_RING. */
#define PHYSMEM_RING_TASK  1u /* a task has come, or has other contracts */
#define PHYSMEM_RING_WANT  2u /* a task wanted extra frames that it did not get */
#define PHYSMEM_RING_SHORT 4u /* frames were recalled for requests within guarantees */
#define PHYSMEM_RINGS      8u

/* Rows that a table should have now. */
uint32_t physmem_control_rows(const struct physmem *physmem);

/* Use this table, made by control_table_init with so many rows, from now on; the one before is not
 * touched again. Answers PHYSMEM_CONTROL_GROW, and precedes the first physmem_control_begin. Returns
 * 0, -ENOMEM, or -EINVAL (too few rows, or NULL: none could be made), and then the old one stays. */
int physmem_control_table(struct physmem *physmem, uint64_t now, struct control_table *table,
                          uint32_t rows);

/* A policy server has control: the first, or a successor. Tasks notice nothing. */
void physmem_control_begin(struct physmem *physmem, uint64_t now);

/* It is gone without a successor: its last table and limits stand. */
void physmem_control_end(struct physmem *physmem, uint64_t now);

/* Use these limits, all at once, instead of those before. Contracts that run stand to the end of
 * their terms; extra frames beyond a task's limit are recalled. Returns 0 or -ENOMEM. */
int physmem_control_limits(struct physmem *physmem, uint64_t now,
                           const struct physmem_limit *limits, uint32_t count);

/* The policy server has looked at the table, and has written what it wants: have frames recalled for
 * those who want what they are entitled to. It may be told again when something happens. */
void physmem_control_entitled(struct physmem *physmem, uint64_t now);

#endif
