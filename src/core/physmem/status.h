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

/* Of that, in frames, what a driver that checks physmem after each event looks at. */
struct physmem_books {
    uint32_t frames, free, soft, guaranteed, leased;
};
struct physmem_task_books {
    uint32_t guaranteed, leased, extra, held, owed;
    bool taken; /* frames were taken by force: it is in breach, or some were repossessed */
};

struct physmem_books physmem_get_books(const struct physmem *physmem);
struct physmem_task_books physmem_task_get_books(const struct physmem_task *task);

/* The rights to a slot (SLOT_READ, SLOT_WRITE) that its owner was given and has not given up; 0 also where there is no
 * such container (a handle, as in requests), slot or frame. */
uint8_t physmem_map_rights(const struct physmem *physmem, uint32_t container, uint32_t slot);

#endif
