/* Allocations that wait for frames: a queue, first come first served. */
#ifndef CORE_PHYSMEM_QUEUE_H
#define CORE_PHYSMEM_QUEUE_H

#include "core/physmem/state.h"

/* A request waits for `need` frames. If it cannot (too many of the task wait, no memory), it is
 * answered. */
void queue_add(struct physmem *physmem, const struct physmem_request *request,
               const struct physmem_allocation *allocation, uint32_t need);

/* The first request waits for so many frames now, or, with 0, no longer counts. */
void queue_first_needs(struct physmem *physmem, uint32_t need);

/* Take the first request, which counts no frames any more, out of the queue. */
void queue_drop_first(struct physmem *physmem);

/* Drop what waits for a task, or (container not 0) for one container of it; answered with `error` and
 * `text` unless error is 0. */
void queue_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container, int error,
                  const char *text);

#endif
