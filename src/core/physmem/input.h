/* How every input begins, and how a request finds what it is about. Nothing here changes frames or
 * contracts. What each message passes through is inline: it was measured. */
#ifndef CORE_PHYSMEM_INPUT_H
#define CORE_PHYSMEM_INPUT_H

#include "core/physmem/books.h"

/* Refuse what a revoked task asks. Returns false. */
bool input_refuse_revoked(struct physmem *physmem, const struct physmem_request *request);

/* Refuse a request about a container (NULL: there is none of the number that was named) that the task
 * does not own, or that another has locked. Returns NULL. */
struct container *input_refuse_container(struct physmem *physmem,
                                         const struct physmem_request *request,
                                         const struct container *container);

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

/* The container that a request of its owner names, and that no other task has locked. NULL, and the
 * request is answered, if there is none. */
static inline struct container *
input_container(struct physmem *physmem, const struct physmem_request *request, uint32_t handle)
{
    struct container *container = handles_object(&physmem->containers, handle);

    if (container == NULL || container->owner != request->task || container_is_locked(container))
        return input_refuse_container(physmem, request, container);
    check(container->handle == handle);
    task_plans_stale(physmem, request->task);
    return container;
}

/* The same, of a container that may be locked. */
static inline struct container *input_container_even_locked(struct physmem *physmem,
                                                            const struct physmem_request *request,
                                                            uint32_t handle)
{
    struct container *container = handles_object(&physmem->containers, handle);

    if (container == NULL || container->owner != request->task)
        return input_refuse_container(physmem, request, container);
    check(container->handle == handle);
    return container;
}

/* Start on a request about ranges of a container: input_begin, input_container, and all ranges lie in
 * the container. NULL if not, and the request is answered. */
struct container *input_ranges(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count);

/* The same, for a request that may name PHYSMEM_ALLOCATE_MAX slots at once. */
struct container *input_few_ranges(struct physmem *physmem, uint64_t now,
                                   const struct physmem_request *request, uint32_t handle,
                                   const struct physmem_range *ranges, uint32_t count);

/* Whether all ranges lie in a container. If not, the request is answered. */
bool input_ranges_fit(struct physmem *physmem, const struct physmem_request *request,
                      const struct container *container, const struct physmem_range *ranges,
                      uint32_t count);

#endif
