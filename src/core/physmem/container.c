/* Requests that make and free containers. */
#include "core/containers/container.h"

#include "core/physmem/bury.h"
#include "core/physmem/emit.h"
#include "core/physmem/freeing.h"
#include "core/physmem/input.h"
#include "core/physmem/pending.h"
#include "core/physmem/recall.h"
#include "core/physmem/settle.h"

/* A container with a handle, which nobody owns yet; NULL without memory. */
static struct container *make(struct physmem *physmem, uint32_t slots)
{
    struct container *container = container_new(physmem->allocator, slots);

    check(slots > 0 && slots <= CONTAINER_SLOTS_MAX);
    if (container == NULL)
        return NULL;
    container->handle = handles_new(&physmem->containers, container);
    if (container->handle == 0)
        container_free(physmem->allocator, &container);
    return container;
}

/* NULL, and the request is answered, if the task cannot have a container of this size. */
static struct container *create_decode(struct physmem *physmem, uint64_t now,
                                       const struct physmem_request *request, uint32_t slots)
{
    struct container *container;

    if (!input_begin(physmem, now, request))
        return NULL;
    if (slots == 0 || slots > CONTAINER_SLOTS_MAX) {
        emit_done(physmem, request, EINVAL, 0, "a container has 1 to 16777216 slots");
        return NULL;
    }
    if (request->task->containers == PHYSMEM_CONTAINERS_MAX) {
        emit_done(physmem, request, EMFILE, 0, "a task may have 256 containers");
        return NULL;
    }
    container = make(physmem, slots);
    if (container == NULL)
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a container");
    return container;
}

void physmem_container_create(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, uint32_t slots)
{
    struct container *container = create_decode(physmem, now, request, slots);
    struct physmem_task *task = request->task;

    if (container == NULL)
        return;
    container->owner = task;
    container->next = task->container_list;
    if (container->next != NULL)
        container->next->prev = container;
    task->container_list = container;
    task->containers++;
    ensure(task->containers <= PHYSMEM_CONTAINERS_MAX);
    emit_reply(physmem, PHYSMEM_REPLY_CONTAINER, request, 0, NULL)->container.container =
        container->handle;
}

void physmem_container_destroy(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle)
{
    struct physmem_task *task = request->task;
    struct container *container;
    uint32_t held;

    if (!input_begin(physmem, now, request))
        return;
    container = input_container(physmem, request, handle);
    if (container == NULL)
        return;
    pending_cancel(physmem, task, handle, ENOENT, "the container was destroyed");
    freeing_cancel(physmem, task, handle, ENOENT, "the container was destroyed");
    held = bury_container(physmem, container);
    physmem->counters.regained += held;
    recall_pay(physmem, task, held);
    emit_done(physmem, request, 0, held, NULL);
    settle_input(physmem);
}
