/* The request for frames. */
#include "core/physmem/allocation.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/pending.h"
#include "core/physmem/settle.h"

/* What is wrong with an allocation, whatever the books say; NULL: nothing. */
static const char *wrong(const struct physmem *physmem, const struct container *container,
                         const struct physmem_allocation *allocation)
{
    if (allocation->count == 0 || allocation->count > PHYSMEM_ALLOCATE_MAX ||
        allocation->start >= container->slots ||
        allocation->count > container->slots - allocation->start)
        return "1 to 65536 slots, all within the container, can be allocated at once";
    if (allocation->flags >= PHYSMEM_FLAGS || allocation->order > physmem->config.max_order ||
        allocation->count % (UINT32_C(1) << allocation->order) != 0)
        return "unknown flags, or no whole number of blocks of a legal order";
    return NULL;
}

void physmem_allocate(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_allocation *allocation)
{
    struct container *container;
    const char *text;
    struct plan plan;

    if (!input_begin(physmem, now, request))
        return;
    container = input_container(physmem, request, allocation->container);
    if (container == NULL)
        return;
    check(container->owner == request->task);
    text = wrong(physmem, container, allocation);
    if (text != NULL) {
        emit_done(physmem, request, EINVAL, 0, text);
        return;
    }
    plan = allocation_plan(physmem, request, container, allocation,
                           request->task->pending == 0 && pending_is_patient(physmem));
    ensure(!plan.waits || plan.need > 0);
    if (plan.waits)
        pending_add(physmem, request, allocation, plan.need);
    else
        allocation_finish(physmem, request, container, allocation, &plan);
    settle_input(physmem);
}
