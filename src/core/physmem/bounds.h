/* What the policy server's limits mean for the contracts of a task. */
#ifndef CORE_PHYSMEM_BOUNDS_H
#define CORE_PHYSMEM_BOUNDS_H

#include "core/physmem/state.h"

/* Find the limits that apply to a task, and keep them with it. */
void bounds_find(const struct physmem *physmem, struct physmem_task *task);

/* Whether any limit can apply to a task: those of the policy server, or one for each user. */
static inline bool bounds_there(const struct physmem *physmem, const struct physmem_task *task)
{
    check(physmem->policyserver.limits == 0 || physmem->policyserver.limit != NULL);
    return physmem->policyserver.limits > 0 || task->limit.user_guaranteed != LIMIT_NONE ||
           task->limit.user_extra != LIMIT_NONE;
}

/* Bound what the task can be promised by the limits for it and its user, of which there are some. */
void bounds_apply(const struct physmem *physmem, const struct physmem_task *task,
                  struct contract_limits *limits);

/* Whether the limits for the task leave room for a part that it wants to claim. Those for all tasks of its user do not
 * count: for them the part is of the user whose contract it comes from. */
bool bounds_allow_part(const struct physmem_task *task, const struct part *part);

#endif
