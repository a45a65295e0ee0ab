#include "core/physmem/slots.h"

#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/idle.h"
#include "core/physmem/shares.h"
#include "core/physmem/vital.h"

void slots_drop(struct physmem *physmem, struct container *container, struct extent *extent,
                uint32_t slot, struct punch *punch)
{
    struct physmem_task *task = container->owner;
    struct container_slot *entry = extent_slot(extent, slot);

    check(entry->frame != SLOT_NO_FRAME);
    if (entry->soft)
        task->soft--;
    else
        task->held--;
    frame_table_give(&physmem->frames, entry->frame);
    if (entry->copy)
        copies_leave(physmem, extent, slot);
    container_slot_clear(container, extent, slot);
    idle_lost(task, container->handle, slot);
    punch_add(physmem, punch, extent, slot);
}

void slots_reuse_softest(struct physmem *physmem, struct punch *punch)
{
    const struct frame *frame;
    struct container *container;
    uint32_t slot;

    ensure(physmem->frames.soft > 0);
    frame = &physmem->frames.frame[physmem->frames.soft_oldest];
    container = handles_object(&physmem->containers, frame->container);
    slot = frame->slot;
    container->version++;
    slots_drop(physmem, container, container_extent(container, slot), slot, punch);
    container_extent_trim(physmem->allocator, container, slot);
}

void slots_soften(struct physmem *physmem, struct container *container, struct extent *extent,
                  uint32_t slot)
{
    struct physmem_task *task = container->owner;

    frame_table_soften(&physmem->frames, extent_slot(extent, slot)->frame);
    container_slot_soften(container, extent, slot);
    ensure(task->held > 0);
    task->held--;
    task->soft++;
}

void slots_harden(struct physmem *physmem, struct container *container, struct extent *extent,
                  uint32_t slot)
{
    struct physmem_task *task = container->owner;

    frame_table_harden(&physmem->frames, extent_slot(extent, slot)->frame);
    container_slot_harden(container, extent, slot);
    check(task->soft > 0);
    task->soft--;
    task->held++;
}

void slots_extent_destroy(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    struct physmem_effect *effect;

    if (extent->handle == 0)
        return;
    if (!extent->pending) {
        effect = emit_effect(physmem, PHYSMEM_EXTENT_DESTROY, NULL);
        effect->extent.extent = extent->handle;
        effect->extent.descriptor = extent->descriptor;
        effect->extent.count = extent->pages;
    }
    handles_free(&physmem->extents, extent->handle);
    extent->handle = 0;
    extent->cut = 0;
    ensure(task->extents > 0 && physmem->extent_count > 0);
    task->extents--;
    physmem->extent_count--;
}

void slots_extent_cut(struct physmem *physmem, struct extent *extent, uint32_t slot)
{
    struct physmem_effect *effect;
    uint32_t page = slot % EXTENT_PAGES;

    ensure(extent->handle != 0 && !extent->pending && page > 0);
    check(extent->cut == 0 || page < extent->cut);
    extent->cut = (uint16_t)page;
    effect = emit_effect(physmem, PHYSMEM_EXTENT_CUT, NULL);
    effect->extent.extent = extent->handle;
    effect->extent.descriptor = extent->descriptor;
    effect->extent.count = page;
}

void slots_extent_renew(struct physmem *physmem, struct container *container, struct extent *extent)
{
    check(extent->clean == NULL && extent->container == container->handle);
    if (extent->cut > 0 && !extent_is_cut(extent))
        slots_extent_destroy(physmem, container->owner, extent);
}

void slots_extent_audit(struct physmem *physmem, struct extent *extent)
{
    struct physmem_effect *effect;

    if (extent->handle == 0 || extent->pending)
        return;
    /* The allowance is read now: slots that are given up later are cleared after the pages are counted. */
    effect = emit_effect(physmem, PHYSMEM_EXTENT_AUDIT, NULL);
    effect->extent.extent = extent->handle;
    effect->extent.descriptor = extent->descriptor;
    effect->extent.count = (uint32_t)extent->allocated + extent->soft - extent->copies;
    check(effect->extent.count <= extent->pages);
}

/* Take a container out of its task's list. */
static void container_unlink(struct container *container)
{
    struct physmem_task *task = container->owner;

    if (container->next != NULL)
        container->next->prev = container->prev;
    if (container->prev != NULL)
        container->prev->next = container->next;
    else
        task->container_list = container->next;
    ensure(task->containers > 0);
    task->containers--;
}

/* Extents of a container that have, or are about to have, backing. */
static uint32_t backed_extents(const struct container *container)
{
    uint32_t count = 0;

    check(container->owner != NULL);
    for (uint32_t slot = 0; (slot = container_skip(container, slot)) < container->slots;
         slot = extent_end(slot, UINT32_MAX))
        count += container_extent(container, slot)->handle != 0;
    return count;
}

/* What a container holds counts for another owner. */
static void move_counts(const struct container *container, struct physmem_task *from,
                        struct physmem_task *to)
{
    uint32_t extents = backed_extents(container);

    ensure(from->held >= container->allocated && from->soft >= container->soft &&
           from->extents >= extents);
    from->held -= container->allocated;
    from->soft -= container->soft;
    from->extents -= extents;
    to->held += container->allocated;
    to->soft += container->soft;
    to->extents += extents;
}

uint32_t slots_container_take(struct physmem *physmem, struct container *container)
{
    struct physmem_task *task = container->owner;
    struct physmem_task *nobody = &physmem->nobody;

    ensure(task != nobody);
    shares_end(physmem, container);
    if (task->mapping.container == container)
        task->mapping.container = NULL;
    vital_forget(physmem, task, container->handle);
    move_counts(container, task, nobody);
    container_unlink(container);
    container->owner = nobody;
    container->prev = NULL;
    container->next = nobody->container_list;
    if (container->next != NULL)
        container->next->prev = container;
    nobody->container_list = container;
    nobody->containers++;
    return container->allocated;
}

void slots_container_free(struct physmem *physmem, struct container *container)
{
    ensure(container->allocated == 0 && container->soft == 0);
    container_unlink(container);
    handles_free(&physmem->containers, container->handle);
    container_free(physmem->allocator, &container);
}
