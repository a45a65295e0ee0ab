/* A request to copy that waits for a clean extent: what physmem must forget when it ends. */
#ifndef CORE_PHYSMEM_COPYING_H
#define CORE_PHYSMEM_COPYING_H

#include "core/physmem/state.h"

static inline bool copying_waits(const struct physmem_task *task)
{
    return task->copying != NULL && task->copying->extent != 0;
}

/* The request of the task, if one waits, is over: answered with `error` and `text` unless
 * `error` is 0. The extent that was asked for is given up when it comes. */
void copying_end(struct physmem *physmem, struct physmem_task *task, int error, const char *text);

/* The same, of a task that ends. */
void copying_free(struct physmem *physmem, struct physmem_task *task, int error, const char *text);

#endif
