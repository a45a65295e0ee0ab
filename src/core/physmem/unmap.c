/* Rights to slots that a task gives up, by itself or because it is asked to. */
#include "core/physmem/internal.h"

/* Take rights away from slots in the books. Returns how many had some. */
static uint32_t rights_take(struct container *container, struct physmem_range range, uint8_t rights,
                            bool only_unmapping)
{
    uint32_t end = range.start + range.count;
    uint32_t slot = range.start;
    uint32_t count = 0;

    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);

        for (; slot < stop; slot++) {
            struct container_slot *entry = extent_slot(extent, slot);

            if (only_unmapping && !entry->unmapping)
                continue;
            count += entry->rights != 0;
            entry->rights &= ~(uint32_t)rights & (SLOT_RIGHTS - 1);
            entry->unmapping = 0;
        }
    }
    return count;
}

void physmem_unmap_own(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       uint32_t handle, const struct physmem_range *ranges, uint32_t count)
{
    struct container *container;
    uint32_t slots = 0;

    container = begin_ranges(physmem, now, request, handle, ranges, count);
    if (container == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        slots += rights_take(container, ranges[i], SLOT_RIGHTS - 1, false);
    physmem_reply_done(physmem, request, 0, slots, NULL);
}

static struct unmap *unmap_at(struct physmem_task *task, unsigned i)
{
    return &task->unmaps[(task->unmap_head + i) % PHYSMEM_UNMAPS_MAX];
}

bool unmap_issue(struct physmem *physmem, struct physmem_task *task, struct container *container,
                 struct physmem_range range)
{
    const size_t size = PHYSMEM_UNMAPS_MAX * sizeof(*task->unmaps);
    struct extent *extent = container_extent(container, range.start);
    struct physmem_effect *effect;
    struct unmap *unmap;

    if (!task->control || task->unmap_count == PHYSMEM_UNMAPS_MAX)
        return false;
    if (task->unmaps == NULL)
        task->unmaps = memory_new(physmem->allocator, size);
    if (task->unmaps == NULL)
        return false;
    unmap = unmap_at(task, task->unmap_count++);
    *unmap = (struct unmap){
        .id = ++task->unmapped,
        .deadline = physmem->now + physmem->config.unmap_grace_ns,
        .container = container->handle,
        .range = range,
        .rights = SLOT_RIGHTS - 1,
    };
    if (task->unmap_count == 1)
        deadline_start(&physmem->deadlines, &task->unmap_deadline, unmap->deadline);
    for (uint32_t i = 0; i < range.count; i++)
        extent_slot(extent, range.start + i)->unmapping = 1;
    container->version++;
    physmem->counters.unmaps++;
    effect = physmem_emit(physmem, PHYSMEM_SEND_UNMAP, task);
    effect->unmap.id = unmap->id;
    effect->unmap.container = unmap->container;
    effect->unmap.range = range;
    effect->unmap.rights = unmap->rights;
    return true;
}

int physmem_unmapped(struct physmem *physmem, uint64_t now, struct physmem_task *task, uint64_t id)
{
    struct unmap *unmap = NULL;
    struct container *container;

    physmem_advance(physmem, now);
    if (task->state != TASK_THERE)
        return 0;
    for (unsigned i = 0; i < task->unmap_count && unmap == NULL; i++)
        if (unmap_at(task, i)->id == id && !unmap_at(task, i)->answered)
            unmap = unmap_at(task, i);
    if (unmap == NULL)
        return -ENOENT;
    unmap->answered = true;
    container = handle_object(&physmem->containers, unmap->container);
    if (container != NULL)
        rights_take(container, unmap->range, unmap->rights, true);
    while (task->unmap_count > 0 && unmap_at(task, 0)->answered) {
        task->unmap_head = (uint8_t)((task->unmap_head + 1) % PHYSMEM_UNMAPS_MAX);
        task->unmap_count--;
    }
    deadline_start(&physmem->deadlines, &task->unmap_deadline,
                   task->unmap_count > 0 ? unmap_at(task, 0)->deadline : DEADLINE_NEVER);
    return 0;
}

void unmap_due(struct physmem *physmem, struct physmem_task *task)
{
    task_revoke(physmem, task, task->control ? SP_REASON_UNMAP_MISSED : SP_REASON_NOT_RECEIVING,
                unmap_at(task, 0)->range.count, unmap_at(task, 0)->range.count);
}

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
    return entry->rights != 0 && !entry->unmapping;
}

/* The first slot from `from`, going round, whose mapping can be taken; container->slots: none. */
static uint32_t find_mapped(const struct container *container, uint32_t from)
{
    for (unsigned round = 0; round < 2; round++) {
        uint32_t slot = round == 0 ? from : 0;

        while ((slot = container_skip(container, slot)) < container->slots) {
            struct extent *extent = container_extent(container, slot);
            uint32_t stop = extent->number * EXTENT_PAGES + extent->pages;

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

    physmem_advance(physmem, now);
    container = random_container(physmem, random);
    if (container == NULL)
        return 0;
    most = 1 + random_below(random, 64);
    range.start = find_mapped(container, random_below(random, container->slots));
    if (range.start == container->slots)
        return 0;
    extent = container_extent(container, range.start);
    most = smaller(most, extent->number * EXTENT_PAGES + extent->pages - range.start);
    range.count = 1;
    while (range.count < most && can_be_unmapped(extent_slot(extent, range.start + range.count)))
        range.count++;
    return unmap_issue(physmem, container->owner, container, range) ? range.count : 0;
}
