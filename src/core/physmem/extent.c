/* An extent was made, or could not be. */
#include "core/physmem/answer.h"
#include "core/physmem/copy.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/map.h"
#include "core/physmem/settle.h"
#include "core/physmem/swap_in.h"

/* The extent is no longer wanted: its task went away in the meantime. */
static void discard(struct physmem *physmem, uint32_t handle, uint32_t descriptor)
{
    struct physmem_effect *effect = emit_effect(physmem, PHYSMEM_EXTENT_DESTROY, NULL);

    check(handle != 0);
    effect->extent.extent = handle;
    effect->extent.descriptor = descriptor;
}

/* The extent stays without backing. */
static void give_up(struct physmem *physmem, struct container *container, struct extent *extent,
                    int error)
{
    struct physmem_task *task = container->owner;
    uint32_t number = extent->number;

    check(extent->handle != 0 && error != 0);
    handles_free(&physmem->extents, extent->handle);
    extent->handle = 0;
    ensure(task->extents > 0 && physmem->extent_count > 0);
    task->extents--;
    physmem->extent_count--;
    container_extent_trim(physmem->allocator, container, number * EXTENT_PAGES);
    map_without(physmem, container, number, error);
}

void physmem_extent_ready(struct physmem *physmem, uint64_t now, uint32_t handle,
                          uint32_t descriptor, uint32_t error)
{
    struct extent *extent = handles_object(&physmem->extents, handle);
    struct physmem_effect *effect;
    struct container *container;

    input_advance(physmem, now);
    if (extent == NULL) {
        if (error == 0)
            discard(physmem, handle, descriptor);
        return;
    }
    if (extent->clean != NULL && swap_in_extent(physmem, extent, descriptor, (int)error)) {
        settle_input(physmem);
        return;
    }
    if (extent->clean != NULL) {
        copy_continue(physmem, extent, descriptor, (int)error);
        return;
    }
    container = handles_object(&physmem->containers, extent->container);
    ensure(container != NULL && extent->pending);
    extent->pending = false;
    if (error != 0) {
        give_up(physmem, container, extent, (int)error);
        return;
    }
    extent->descriptor = descriptor;
    effect = emit_effect(physmem, PHYSMEM_EXTENT_SEND, container->owner);
    effect->extent.extent = handle;
    effect->extent.descriptor = descriptor;
    effect->extent.count = extent->pages;
    map_continue(physmem, container);
}
