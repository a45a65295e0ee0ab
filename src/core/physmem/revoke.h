/* A task loses everything: because of a breach, or because it is gone. */
#ifndef CORE_PHYSMEM_REVOKE_H
#define CORE_PHYSMEM_REVOKE_H

#include "core/physmem/state.h"

/* Deadlines that a task itself can have running; contracts bring their own. */
#define DEADLINES_PER_TASK (PHYSMEM_RECALLS_MAX + 2)

/* A breach: the task loses everything, and is told. Numbers as in the effect `revoked`. */
void revoke_breach(struct physmem *physmem, struct physmem_task *task, enum sp_reason reason,
                   uint32_t asked, uint32_t missing);

/* The task is gone: it loses everything, and nobody is told. Requests that wait get no reply. */
void revoke_gone(struct physmem *physmem, struct physmem_task *task);

#endif
