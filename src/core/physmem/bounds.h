/* What the policy server's limits mean for the contracts of a task. */
#ifndef CORE_PHYSMEM_BOUNDS_H
#define CORE_PHYSMEM_BOUNDS_H

#include "core/physmem/state.h"

/* Find the limits that apply to a task, and keep them with it. */
void bounds_find(const struct physmem *physmem, struct physmem_task *task);

/* Bound what the task can be promised by the limits for it and its user. */
void bounds_apply(const struct physmem *physmem, const struct physmem_task *task,
                  struct contract_limits *limits);

#endif
