/* How every input begins, and how a request finds what it is about. Nothing here changes frames or
 * contracts. What each message passes through is inline: it was measured. */
#ifndef CORE_PHYSMEM_INPUT_H
#define CORE_PHYSMEM_INPUT_H

#include "core/physmem/books.h"

/* Refuse what a revoked task asks. Returns false. */
bool input_refuse_revoked(struct physmem *physmem, const struct physmem_request *request);

/* Refuse a request about a container that the task has not. Returns NULL. */
struct container *input_refuse_container(struct physmem *physmem,
                                         const struct physmem_request *request);

/* Take note of the time. */
static inline void input_advance(struct physmem *physmem, uint64_t now)
{
    check(physmem->effect_next <= physmem->effects);
    check(books_balance(physmem));
    if (now > physmem->now)
        physmem->now = now;
    if (physmem->effect_next == physmem->effects) {
        physmem->effect_next = 0;
        physmem->effects = 0;
        physmem->items = 0;
    }
}

/* Start on a request. False, and the request is answered, if the task has been revoked. */
static inline bool input_begin(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request)
{
    input_advance(physmem, now);
    books_row_changed(physmem, request->task);
    return request->task->state == STANDING_THERE || input_refuse_revoked(physmem, request);
}

/* The container that a request of a task names, and whose version it therefore counts up. NULL, and
 * the request is answered, if the task has none of this number. */
static inline struct container *
input_container(struct physmem *physmem, const struct physmem_request *request, uint32_t handle)
{
    struct container *container = handles_object(&physmem->containers, handle);

    if (container == NULL || container->owner != request->task)
        return input_refuse_container(physmem, request);
    check(container->handle == handle);
    container->version++;
    task_plans_stale(physmem, request->task);
    return container;
}

/* Start on a request about ranges of a container: input_begin, input_container, and all ranges lie in
 * the container. NULL if not, and the request is answered. */
struct container *input_ranges(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count);

#endif
