/* What physmem tells about itself and about its tasks: numbers, for observers, tests and the arena. */
#ifndef CORE_PHYSMEM_STATUS_H
#define CORE_PHYSMEM_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/counters.h>

#include "core/physmem/task.h"

/* Whether a policy server has control. */
enum physmem_control {
    PHYSMEM_UNCONTROLLED = 0, /* there was no policy server, or it has given control back */
    PHYSMEM_CONTROLLED = 1,
    PHYSMEM_LEFT = 2, /* it is gone: its last table or limits stand */
};

/* What is known of a task, alive or gone. */
struct physmem_task_status {
    SP_TASK_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/* free + soft + sum of held == frames. What the server around this core counts stays 0: messages,
 * violations, passes, recall_passes. */
struct physmem_status {
    SP_PHYSMEM_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/* Fill *status with what is true now. */
void physmem_get_status(const struct physmem *physmem, struct physmem_status *status);

/* The same of one task, which may be revoked or gone. */
void physmem_task_get_status(const struct physmem_task *task, struct physmem_task_status *status);

#endif
