/* Allocations that wait for frames: a queue in the order in which they came. Which of them is served is
 * decided in core/physmem/settle.h. */
#ifndef CORE_PHYSMEM_PENDING_H
#define CORE_PHYSMEM_PENDING_H

#include "core/physmem/state.h"

/* A request waits for `need` frames. If it cannot (too many of the task wait, no memory), it is
 * answered. */
void pending_add(struct physmem *physmem, const struct physmem_request *request,
                 const struct physmem_allocation *allocation, uint32_t need);

/* The least frames with which a request can be served, as it was planned last. */
uint32_t pending_least(const struct pending *pending);

/* Whether a later request may overtake those that wait: none does, or the first, which came before all
 * others, has not lost its patience. */
bool pending_is_patient(const struct physmem *physmem);

/* A request counts as waiting for `need` frames from now on. 0: for none, while it is planned. */
void pending_set_need(struct physmem *physmem, struct pending *pending, uint32_t need);

/* Take *linkp, behind `before` (NULL: it is the first), out of the queue, and free it. */
void pending_drop(struct physmem *physmem, struct pending **linkp, struct pending *before);

/* Drop what waits for a task, or (container not 0) for one container of it; answered with `error` and
 * `text` unless error is 0. */
void pending_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text);

#endif
