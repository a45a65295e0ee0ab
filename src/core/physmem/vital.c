#include "core/physmem/vital.h"

#include "core/physmem/emit.h"
#include "core/physmem/input.h"

bool vital_in_extent(const struct physmem_task *task, const struct container *container,
                     const struct extent *extent)
{
    check(task->vitals <= PHYSMEM_VITAL_MAX);
    for (uint32_t i = 0; i < task->vitals; i++)
        if (task->vital[i].container == container->handle &&
            task->vital[i].slot / EXTENT_PAGES == extent->number &&
            slot_is_allocated(&extent->slot[task->vital[i].slot % EXTENT_PAGES]))
            return true;
    return false;
}

void vital_forget(struct physmem *physmem, struct physmem_task *task, uint32_t container)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < task->vitals && container != 0; i++)
        if (task->vital[i].container != container)
            task->vital[left++] = task->vital[i];
    ensure(left <= task->vitals);
    task->vitals = left;
    if (container == 0) {
        memory_free(physmem->allocator, task->vital, PHYSMEM_VITAL_MAX * sizeof(*task->vital));
        task->vital = NULL;
    }
}

/* Whether this many slots of a container can be named; if not, the request is answered. */
static bool decode(struct physmem *physmem, const struct physmem_request *request, uint32_t handle,
                   uint64_t slots)
{
    struct physmem_task *task = request->task;
    uint32_t room = PHYSMEM_VITAL_MAX;

    for (uint32_t i = 0; i < task->vitals; i++)
        room -= task->vital[i].container != handle;
    check(room <= PHYSMEM_VITAL_MAX);
    if (slots > room) {
        emit_done(physmem, request, E2BIG, 0, "a task may name 16 slots as vital");
        return false;
    }
    if (task->vital == NULL)
        task->vital = memory_new(physmem->allocator, PHYSMEM_VITAL_MAX * sizeof(*task->vital));
    if (task->vital == NULL)
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for vital slots");
    return task->vital != NULL;
}

void physmem_vital(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct physmem_task *task = request->task;
    uint64_t slots = 0;

    if (input_ranges(physmem, now, request, handle, ranges, count) == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        slots += ranges[i].count;
    if (!decode(physmem, request, handle, slots))
        return;
    vital_forget(physmem, task, handle);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < ranges[i].count; j++)
            task->vital[task->vitals++] = (struct vital){handle, ranges[i].start + j};
    ensure(task->vitals <= PHYSMEM_VITAL_MAX);
    emit_done(physmem, request, 0, (uint32_t)slots, NULL);
}
