/* Requests to give many frames back go on. */
#ifndef CORE_PHYSMEM_FRAMES_H
#define CORE_PHYSMEM_FRAMES_H

#include "core/physmem/state.h"

/* Carry out the next slice of the task's large request to deallocate. It is answered with the last. */
void frames_free_on(struct physmem *physmem, struct physmem_task *task);

#endif
