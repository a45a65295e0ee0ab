/* Rights that a task gives up by itself, answers to unmaps, and random unmaps for tests. */
#include "core/physmem/answer.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/lock.h"
#include "core/physmem/rights.h"

void physmem_unmap_own(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct container *container;
    uint32_t slots = 0;

    if (!input_begin(physmem, now, request))
        return;
    container = input_container_even_locked(physmem, request, handle);
    if (container == NULL || !input_ranges_fit(physmem, request, container, ranges, count))
        return;
    for (uint32_t i = 0; i < count; i++)
        slots += rights_take(container, ranges[i], SLOT_RIGHTS - 1, false);
    emit_done(physmem, request, 0, slots, NULL);
    lock_continue(physmem, container);
}

void physmem_unmap_status(struct physmem_task *task, uint64_t id, uint32_t referenced,
                          uint32_t dirty)
{
    check(task != NULL);
    if (task->state == STANDING_THERE)
        rights_note(task, id, referenced, dirty);
}

int physmem_unmap_answered(struct physmem *physmem, uint64_t now, struct physmem_task *task,
                           uint64_t id)
{
    struct container *container = NULL;
    int error;

    input_advance(physmem, now);
    if (task->state != STANDING_THERE)
        return 0;
    error = rights_answered(physmem, task, id, &container);
    if (container != NULL)
        lock_continue(physmem, container);
    return error;
}

/* ---- Unmaps at random ---- */

/* Some container, each equally likely if few were given up; NULL if there is none. */
static struct container *random_container(struct physmem *physmem, struct random_source *random)
{
    for (unsigned attempt = 0; attempt < 16 && physmem->containers.used > 0; attempt++) {
        uint32_t index = random_below(random, physmem->containers.used);
        struct container *container = physmem->containers.entry[index].object;

        if (container != NULL)
            return container;
    }
    return NULL;
}

static bool can_be_unmapped(const struct container_slot *entry)
{
    check(entry->frame != SLOT_NO_FRAME || (entry->rights == 0 && !entry->unmapping));
    return entry->rights != 0 && !entry->unmapping;
}

/* The first slot from `from`, going round, whose mapping can be taken; container->slots: none. */
static uint32_t find_mapped(const struct container *container, uint32_t from)
{
    check(from < container->slots);
    for (unsigned round = 0; round < 2; round++) {
        uint32_t slot = round == 0 ? from : 0;

        while ((slot = container_skip(container, slot)) < container->slots) {
            struct extent *extent = container_extent(container, slot);
            uint32_t stop = extent_end(slot, container->slots);

            for (; slot < stop; slot++)
                if (can_be_unmapped(extent_slot(extent, slot)))
                    return slot;
        }
    }
    return container->slots;
}

uint32_t physmem_unmap_random(struct physmem *physmem, uint64_t now, struct random_source *random)
{
    struct container *container;
    struct physmem_range range;
    struct extent *extent;
    uint32_t most;

    input_advance(physmem, now);
    container = random_container(physmem, random);
    if (container == NULL)
        return 0;
    most = 1 + random_below(random, 64);
    range.start = find_mapped(container, random_below(random, container->slots));
    if (range.start == container->slots)
        return 0;
    extent = container_extent(container, range.start);
    most = smaller(most, extent_end(range.start, container->slots) - range.start);
    range.count = 1;
    while (range.count < most && can_be_unmapped(extent_slot(extent, range.start + range.count)))
        range.count++;
    ensure(range.start + range.count <= container->slots);
    return rights_ask_back(physmem, container->owner, container, range) ? range.count : 0;
}
