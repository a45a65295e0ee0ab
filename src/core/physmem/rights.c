#include "core/physmem/rights.h"

#include "core/physmem/emit.h"

uint32_t rights_take(struct container *container, struct physmem_range range, uint8_t rights,
                     bool only_unmapping)
{
    uint32_t end = range.start + range.count;
    uint32_t slot = range.start;
    uint32_t count = 0;

    check(rights < SLOT_RIGHTS);
    check(range.start < container->slots && range.count <= container->slots - range.start);
    while ((slot = container_skip(container, slot)) < end) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, end);

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

static uint32_t place(const struct physmem_task *task, uint32_t i)
{
    ensure(task->unmaps != NULL && i < PHYSMEM_UNMAPS_MAX);
    return (task->unmap_head + i) % PHYSMEM_UNMAPS_MAX;
}

const struct unmap *rights_oldest(const struct physmem_task *task)
{
    ensure(task->unmap_count > 0);
    return &task->unmaps[place(task, 0)];
}

/* No unmap of the task is due later than this. */
static void hurry(struct physmem *physmem, struct physmem_task *task, uint64_t deadline)
{
    ensure(task->unmap_count > 0);
    for (uint32_t i = 0; i < task->unmap_count; i++) {
        struct unmap *unmap = &task->unmaps[place(task, i)];

        if (unmap->deadline > deadline)
            unmap->deadline = deadline;
    }
    deadlines_start(&physmem->deadlines, &task->unmap_deadline, rights_oldest(task)->deadline);
}

/* Note an unmap that the task has to answer within some time. */
static const struct unmap *add(struct physmem *physmem, struct physmem_task *task,
                               uint32_t container, struct physmem_range range, uint64_t grace_ns,
                               uint32_t above)
{
    struct unmap *unmap = &task->unmaps[place(task, task->unmap_count++)];

    check(range.count > 0);
    *unmap = (struct unmap){
        .id = ++task->unmapped,
        .deadline = physmem->now + grace_ns,
        .container = container,
        .range = range,
        .above = above,
        .rights = SLOT_RIGHTS - 1,
    };
    /* They are answered in order. */
    hurry(physmem, task, unmap->deadline);
    return unmap;
}

bool rights_ask_back_above(struct physmem *physmem, struct physmem_task *task,
                           struct container *container, struct physmem_range range,
                           uint64_t grace_ns, uint32_t above)
{
    const size_t size = PHYSMEM_UNMAPS_MAX * sizeof(*task->unmaps);
    struct extent *extent = container_extent(container, range.start);
    struct physmem_effect *effect;
    const struct unmap *unmap;

    ensure(range.count > 0 &&
           range.start % EXTENT_PAGES + range.count <= extent->pages); /* of one extent */
    if (!task->control || task->unmap_count == PHYSMEM_UNMAPS_MAX)
        return false;
    if (task->unmaps == NULL)
        task->unmaps = memory_new(physmem->allocator, size);
    if (task->unmaps == NULL)
        return false;
    if (grace_ns > physmem->config.unmap_grace_ns)
        grace_ns = physmem->config.unmap_grace_ns;
    unmap = add(physmem, task, container->handle, range, grace_ns, above);
    for (uint32_t i = 0; i < range.count; i++)
        extent_slot(extent, range.start + i)->unmapping = 1;
    physmem->counters.unmaps++;
    effect = emit_effect(physmem, PHYSMEM_SEND_UNMAP, task);
    effect->unmap.id = unmap->id;
    effect->unmap.grace_ns = grace_ns;
    effect->unmap.container = unmap->container;
    effect->unmap.range = range;
    effect->unmap.rights = unmap->rights;
    check(deadline_is_running(&task->unmap_deadline));
    return true;
}

bool rights_ask_back(struct physmem *physmem, struct physmem_task *task,
                     struct container *container, struct physmem_range range)
{
    check(range.count > 0);
    return rights_ask_back_above(physmem, task, container, range, UINT64_MAX, 0);
}

/* An unmap is over: tell the physmem above if it has asked for it. */
static void tell_above(struct physmem *physmem, const struct unmap *unmap)
{
    struct physmem_effect *effect;

    if (unmap->above == 0)
        return;
    check(physmem->config.stacked);
    effect = emit_effect(physmem, PHYSMEM_UPSTREAM_UNMAPPED, NULL);
    effect->unmapped.token = unmap->above;
    effect->unmapped.referenced = unmap->referenced;
    effect->unmapped.dirty = unmap->dirty;
}

/* An unmap of this number that was not answered, or NULL. */
static struct unmap *find(struct physmem_task *task, uint64_t id)
{
    check(task->unmap_count <= PHYSMEM_UNMAPS_MAX);
    for (uint32_t i = 0; i < task->unmap_count; i++) {
        struct unmap *unmap = &task->unmaps[place(task, i)];

        if (unmap->id == id && !unmap->answered)
            return unmap;
    }
    return NULL;
}

void rights_note(struct physmem_task *task, uint64_t id, uint32_t referenced, uint32_t dirty)
{
    struct unmap *unmap = find(task, id);

    if (unmap == NULL)
        return;
    check(unmap->range.count > 0);
    unmap->referenced = smaller(referenced, unmap->range.count);
    unmap->dirty = smaller(dirty, unmap->range.count);
}

/* The first slots of a range that the task was asked for again, later than by unmap `id`, and has not answered for; none,
 * with a count of 0. */
static struct physmem_range asked_again(const struct physmem_task *task,
                                        const struct unmap *answered, struct physmem_range range)
{
    struct physmem_range first = {range.start + range.count, 0};

    for (uint32_t i = 0; i < task->unmap_count; i++) {
        const struct unmap *unmap = &task->unmaps[place(task, i)];
        uint32_t start = unmap->range.start > range.start ? unmap->range.start : range.start;
        uint32_t end = smaller(unmap->range.start + unmap->range.count, range.start + range.count);

        if (!unmap->answered && unmap->id > answered->id &&
            unmap->container == answered->container && start < end && start < first.start)
            first = (struct physmem_range){start, end - start};
    }
    return first;
}

/* The rights to the slots of an unmap are gone, but for those slots that the task has mapped again since, and was asked
 * for again then: it gives these up when it hears of that. */
static void take_answered(const struct physmem_task *task, struct container *container,
                          const struct unmap *unmap)
{
    struct physmem_range left = unmap->range;

    while (left.count > 0) {
        struct physmem_range again = asked_again(task, unmap, left);
        uint32_t end = left.start + left.count;

        check(again.start >= left.start && again.start + again.count <= end);
        rights_take(container, (struct physmem_range){left.start, again.start - left.start},
                    unmap->rights, true);
        left.start = again.start + again.count;
        left.count = end - left.start;
    }
}

int rights_answered(struct physmem *physmem, struct physmem_task *task, uint64_t id,
                    struct container **containerp)
{
    struct unmap *unmap = find(task, id);
    struct container *container;

    if (unmap == NULL)
        return -ENOENT;
    unmap->answered = true;
    container = handles_object(&physmem->containers, unmap->container);
    if (container != NULL)
        take_answered(task, container, unmap);
    tell_above(physmem, unmap);
    *containerp = container;
    while (task->unmap_count > 0 && rights_oldest(task)->answered) {
        task->unmap_head = (uint8_t)((task->unmap_head + 1) % PHYSMEM_UNMAPS_MAX);
        task->unmap_count--;
    }
    deadlines_start(&physmem->deadlines, &task->unmap_deadline,
                    task->unmap_count > 0 ? rights_oldest(task)->deadline : DEADLINE_NEVER);
    check(deadline_is_running(&task->unmap_deadline) == (task->unmap_count > 0));
    return 0;
}

void rights_end(struct physmem *physmem, struct physmem_task *task)
{
    check(task->unmaps != NULL || task->unmap_count == 0);
    deadlines_stop(&physmem->deadlines, &task->unmap_deadline);
    for (uint32_t i = 0; i < task->unmap_count; i++)
        if (!task->unmaps[place(task, i)].answered)
            tell_above(physmem, &task->unmaps[place(task, i)]);
    memory_free(physmem->allocator, task->unmaps, PHYSMEM_UNMAPS_MAX * sizeof(*task->unmaps));
    task->unmaps = NULL;
    task->unmap_count = 0;
}
