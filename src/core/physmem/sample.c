/* Frames are chosen, and their use watched: see core/physmem/idle.h. */
#include "core/physmem/books.h"
#include "core/physmem/idle.h"
#include "core/physmem/input.h"
#include "core/physmem/rights.h"

/* The slot that a sample is about; NULL if it has no frame any more. */
static struct container_slot *sampled_slot(struct physmem *physmem, const struct physmem_task *task,
                                           const struct sample *sample)
{
    struct container *container = handles_object(&physmem->containers, sample->container);
    struct extent *extent;

    if (container == NULL || container->owner != task)
        return NULL;
    ensure(sample->slot < container->slots);
    extent = container_extent(container, sample->slot);
    if (extent == NULL || !slot_is_allocated(extent_slot(extent, sample->slot)))
        return NULL;
    return extent_slot(extent, sample->slot);
}

/* A period ends. Samples whose frame is lost, or whose unmap was not answered, tell nothing. */
static void period_end(struct physmem *physmem, struct physmem_task *task)
{
    struct sampling *sampling = task->sampling;

    check(task->sampling != NULL);
    for (uint32_t i = 0; i < sampling->count; i++) {
        const struct container_slot *slot = sampled_slot(physmem, task, &sampling->sample[i]);

        if (slot == NULL || slot->unmapping)
            sampling->sample[i].state = SAMPLE_VOID;
    }
    idle_period_end(task);
    books_row_changed(physmem, task);
}

/* The allocated slot of this index, counted through the task's containers; it must exist. */
static struct container *slot_at(const struct physmem_task *task, uint32_t index, uint32_t *slotp)
{
    struct container *container = task->container_list;
    uint32_t slot = 0;

    ensure(index < task->held);
    while (index >= container->allocated) {
        index -= container->allocated;
        container = container->next;
    }
    for (;;) {
        struct extent *extent;

        slot = container_skip(container, slot);
        extent = container_extent(container, slot);
        if (index < extent->allocated)
            break;
        index -= extent->allocated;
        slot = extent_end(slot, UINT32_MAX);
    }
    while (!slot_is_allocated(extent_slot(container_extent(container, slot), slot)) || index-- > 0)
        slot++;
    *slotp = slot;
    return container;
}

/* Slots of the blocks that the task uses its frames in: it will ask for the first slot of one. */
static uint32_t block_of(const struct physmem_task *task)
{
    unsigned order = 0;

    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        if (c->terms.order > order)
            order = c->terms.order;
    return UINT32_C(1) << order;
}

static void draw_one(struct physmem *physmem, struct physmem_task *task,
                     struct random_source *random)
{
    struct sampling *sampling = task->sampling;
    struct sample *sample = &sampling->sample[sampling->count];
    struct container *container;
    const struct container_slot *entry;
    uint32_t slot;

    ensure(sampling->count < SAMPLE_SLOTS);
    container = slot_at(task, random_below(random, task->held), &slot);
    slot -= slot % block_of(task);
    if (idle_sample(task, container->handle, slot) != NULL)
        return;
    *sample = (struct sample){container->handle, slot, SAMPLE_WATCHED};
    entry = sampled_slot(physmem, task, sample);
    if (entry == NULL || entry->unmapping ||
        (entry->rights != 0 &&
         !rights_ask_back(physmem, task, container, (struct physmem_range){slot, 1})))
        return;
    sampling->count++;
}

static void period_begin(struct physmem *physmem, struct physmem_task *task,
                         struct random_source *random)
{
    check(task->held > 0 && task->control);
    if (task->sampling == NULL)
        task->sampling = memory_new(physmem->allocator, sizeof(*task->sampling));
    for (uint32_t i = 0; task->sampling != NULL && i < SAMPLE_SLOTS; i++)
        draw_one(physmem, task, random);
}

void physmem_sample(struct physmem *physmem, uint64_t now, struct random_source *random)
{
    input_advance(physmem, now);
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        if (task->sampling != NULL)
            period_end(physmem, task);
        if (task->held > 0 && task->control)
            period_begin(physmem, task, random);
    }
}
