#include "core/physmem/input.h"

#include "core/physmem/emit.h"
#include "core/physmem/shares.h"

bool input_refuse_revoked(struct physmem *physmem, const struct physmem_request *request)
{
    ensure(request->task->state == STANDING_REVOKED);
    emit_done(physmem, request, EPIPE, 0, "this task has been revoked");
    return false;
}

struct container *input_refuse_container(struct physmem *physmem,
                                         const struct physmem_request *request,
                                         const struct container *container)
{
    check(request->task->state == STANDING_THERE);
    if (container != NULL && container->owner == request->task)
        emit_done(physmem, request, EBUSY, 0, "another task has locked the container");
    else if (container != NULL && shares_of(container, request->task) != NULL)
        emit_done(physmem, request, EPERM, 0, "only the owner of a container may do this");
    else
        emit_done(physmem, request, ENOENT, 0, "the task has no container of this number");
    return NULL;
}

/* What is wrong with the ranges of a request; NULL: nothing. Overlapping ranges that name more
 * slots than exist would be work without bound. */
static const char *wrong_ranges(const struct container *container,
                                const struct physmem_range *ranges, uint32_t count)
{
    uint32_t left = container->slots;

    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].count == 0 || ranges[i].start >= container->slots ||
            ranges[i].count > container->slots - ranges[i].start)
            return "a range is empty or ends beyond the container";
        if (ranges[i].count > left)
            return "the ranges name more slots than the container has: some overlap";
        check(left <= container->slots);
        left -= ranges[i].count;
    }
    return NULL;
}

bool input_ranges_fit(struct physmem *physmem, const struct physmem_request *request,
                      const struct container *container, const struct physmem_range *ranges,
                      uint32_t count)
{
    const char *wrong = wrong_ranges(container, ranges, count);

    check(request->task->state == STANDING_THERE);
    if (wrong != NULL)
        emit_done(physmem, request, EINVAL, 0, wrong);
    return wrong == NULL;
}

struct container *input_ranges(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count)
{
    struct container *container;

    if (!input_begin(physmem, now, request))
        return NULL;
    container = input_container(physmem, request, handle);
    if (container == NULL)
        return NULL;
    check(container->owner == request->task);
    return input_ranges_fit(physmem, request, container, ranges, count) ? container : NULL;
}

struct container *input_few_ranges(struct physmem *physmem, uint64_t now,
                                   const struct physmem_request *request, uint32_t handle,
                                   const struct physmem_range *ranges, uint32_t count)
{
    struct container *container = input_ranges(physmem, now, request, handle, ranges, count);
    uint64_t slots = 0;

    if (container == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        slots += ranges[i].count;
    check(slots <= container->slots);
    if (slots <= PHYSMEM_ALLOCATE_MAX)
        return container;
    emit_done(physmem, request, E2BIG, 0, "65536 slots can be named at once: ask in pieces");
    return NULL;
}
