#include "core/physmem/soft.h"

#include "core/physmem/extra.h"
#include "core/physmem/slots.h"

int soft_recover(struct physmem *physmem, struct container *container, uint32_t slot)
{
    struct physmem_task *task = container->owner;
    struct extent *extent = container_extent(container, slot);
    bool within = task->held + task->waiting < task_commitment(task);
    bool pressure;

    check(slot < container->slots);
    if (extent == NULL || extent_slot(extent, slot)->frame == SLOT_NO_FRAME)
        return ENOENT;
    if (!extent_slot(extent, slot)->soft)
        return 0;
    /* Within the commitment the frame is promised to this task as to any that waits. */
    if (!within && extra_allowed(physmem, task, 0, 1, &pressure) == 0)
        return ENOMEM;
    slots_harden(physmem, container, extent, slot);
    task->allocations++;
    physmem->counters.allocated++;
    return 0;
}
