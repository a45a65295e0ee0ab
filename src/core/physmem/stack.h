/* Frame stacks: frames that are taken from a task without asking it. */
#ifndef CORE_PHYSMEM_STACK_H
#define CORE_PHYSMEM_STACK_H

#include "core/physmem/state.h"

/* Take up to `frames` frames that the task lists as unused, and that physmem may take as things stand.
 * Returns how many. */
uint32_t stack_take(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* Give the task's frame stack up. */
void stack_close(struct physmem *physmem, struct physmem_task *task);

#endif
