/* A large request to deallocate that is being carried out in slices: what physmem must forget when
 * it ends. */
#ifndef CORE_PHYSMEM_FREEING_H
#define CORE_PHYSMEM_FREEING_H

#include "core/physmem/state.h"

/* The request is over: it was answered, or is not to be. */
void freeing_end(struct physmem *physmem, struct physmem_task *task);

/* The request is over if it concerns this container, or (0) any; answered with `error` and `text` unless
 * error is 0. */
void freeing_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text);

#endif
