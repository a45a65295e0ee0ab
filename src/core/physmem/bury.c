#include "core/physmem/bury.h"

#include "core/physmem/slots.h"

int bury_start(struct physmem *physmem)
{
    check(physmem->nobody.container_list == NULL);
    physmem->work.purpose = PURPOSE_WORK;
    physmem->nobody.state = STANDING_GONE;
    physmem->nobody.row = NO_ROW;
    return deadlines_reserve(&physmem->deadlines, 1);
}

void bury_end(struct physmem *physmem)
{
    while (physmem->nobody.container_list != NULL)
        bury_slice(physmem, UINT32_MAX);
    deadlines_stop(&physmem->deadlines, &physmem->work);
    ensure(physmem->nobody.held == 0 && physmem->nobody.soft == 0 && physmem->nobody.extents == 0);
}

/* Free one extent of a dead container. Its backing goes first, so that no frame is given to another
 * task before its memory is on its way back. */
static void free_extent(struct physmem *physmem, struct container *container, struct extent *extent)
{
    uint32_t first = extent->number * EXTENT_PAGES;
    struct punch punch = {NULL};

    slots_extent_destroy(physmem, container->owner, extent);
    for (uint32_t i = 0; i < extent->pages; i++)
        if (extent->slot[i].frame != SLOT_NO_FRAME)
            slots_drop(physmem, container, extent, first + i, &punch);
    ensure(punch.extent == NULL); /* there is no backing */
    container_extent_trim(physmem->allocator, container, first);
}

/* Free one extent of the first dead container, or the container if it has none. Returns what that
 * costs. There is a dead container. */
static uint32_t step(struct physmem *physmem)
{
    struct container *container = physmem->nobody.container_list;
    uint32_t slot = container_skip(container, 0);
    struct extent *extent;
    uint32_t cost;

    check(container->owner == &physmem->nobody);
    if (slot == container->slots) {
        slots_container_free(physmem, container);
        return BURY_EXTENT;
    }
    extent = container_extent(container, slot);
    cost = (uint32_t)extent->allocated + extent->soft + BURY_EXTENT;
    free_extent(physmem, container, extent);
    return cost;
}

void bury_slice(struct physmem *physmem, uint32_t budget)
{
    uint32_t cost = 0;

    while (physmem->nobody.container_list != NULL && cost < budget)
        cost += step(physmem);
    if (physmem->nobody.container_list == NULL)
        deadlines_stop(&physmem->deadlines, &physmem->work);
    else if (!deadline_is_running(&physmem->work))
        deadlines_start(&physmem->deadlines, &physmem->work, physmem->now + BURY_NS);
    check(deadline_is_running(&physmem->work) == (physmem->nobody.container_list != NULL));
}

void bury_until_free(struct physmem *physmem, uint32_t free)
{
    while (physmem->frames.buddy.free < free && physmem->nobody.container_list != NULL)
        step(physmem);
    check(physmem->nobody.container_list != NULL || physmem->nobody.held == 0);
}

uint32_t bury_container(struct physmem *physmem, struct container *container)
{
    uint32_t held;

    check(container->owner != &physmem->nobody);
    held = slots_container_take(physmem, container);
    bury_slice(physmem, BURY_SLICE);
    return held;
}
