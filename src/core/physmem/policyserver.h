/* Physmem under a policy server: how much each task is entitled to. For shells.
 *
 * Before a policy server takes control, physmem's own arbiter decides, and only the contracts limit
 * a task. Under control
 *   - limits (core/contracts/limit.h) bound what contracts a task can conclude and how much it gets
 *     beyond them, and give it a weight and a priority;
 *   - the table (shm/control_table.h) says, when there are not enough frames for all, up to how many
 *     each task may have, and which tasks give how much; unless table->decides is 0: then physmem's
 *     own arbiter decides, with the weights and priorities of the limits.
 * When the policy server dies, all of this stands. A task that comes after that has the limits of its
 * user and name; while frames are short it is entitled to what its contracts promise, and otherwise,
 * like any other task, to what is free and no other task wants. */
#ifndef CORE_PHYSMEM_POLICYSERVER_H
#define CORE_PHYSMEM_POLICYSERVER_H

#include <stdbool.h>

#include "core/contracts/limit.h"
#include "shm/control_table.h"

struct physmem;

/* Rows that a table should have now. */
uint32_t physmem_policyserver_rows(const struct physmem *physmem);

/* Use this table from now on, made by control_table_init with `rows` rows; the one before is not
 * touched again. Answers PHYSMEM_POLICYSERVER_GROW, and precedes the first
 * physmem_policyserver_begin. Returns 0, -ENOMEM, or -EINVAL (too few rows, or NULL: none could be
 * made); the old table then stays. */
int physmem_policyserver_table(struct physmem *physmem, uint64_t now, struct control_table *table,
                               uint32_t rows);

/* A policy server has control: the first, or a successor. Tasks notice nothing. */
void physmem_policyserver_begin(struct physmem *physmem, uint64_t now);

/* It is gone without a successor. Returns whether something of it stands: its limits, or a table that decides. Otherwise
 * it has given control back, and all is as if no policy server had been there. */
bool physmem_policyserver_end(struct physmem *physmem, uint64_t now);

/* Use these limits, all at once, instead of those before. Contracts that run stand to the end of
 * their terms; extra frames beyond a task's limit are recalled. Returns 0, -EINVAL (more than
 * LIMITS_MAX) or -ENOMEM. */
int physmem_policyserver_limits(struct physmem *physmem, uint64_t now, const struct limit *limits,
                                uint32_t count);

/* The policy server has looked at the table, and has written what it wants: recall frames for the
 * tasks that want what they are entitled to. Physmem may ring it again when something happens. */
void physmem_policyserver_entitled(struct physmem *physmem, uint64_t now);

#endif
