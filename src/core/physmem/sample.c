/* How much of what a task holds it does not use, found out without asking it.
 *
 * In each period a few frames of each task are chosen at random, with equal chances, and its rights
 * to them are taken by the ordinary unmap. A page whose frame is used is faulted for, and its task
 * asks for the rights again; those not asked for until the end of the period were idle. C.
 * Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002: a slow and a fast moving
 * average of the active part, and the fast one with what is known of the present period, of which the
 * largest counts. So a task that wakes up is seen at once, and one that falls asleep little by little.
 *
 * A task asks for rights in runs of neighbouring slots, of which only the first was faulted for: a
 * run ends where another begins that was drawn, or its use would not be seen. One that lost its frame,
 * or whose unmap was not answered, tells nothing. A frame without rights that is drawn again needs no
 * message. */
#include "core/physmem/internal.h"

/* Frames drawn a period. Each that has rights is an unmap of its own, of which a task may have
 * PHYSMEM_UNMAPS_MAX that it has not answered. */
#define SAMPLE_SLOTS 12u

/* Parts of the way that an average goes towards a new value. */
#define FAST_SHARE 2
#define SLOW_SHARE 8

enum sample_state {
    SAMPLE_WATCHED,
    SAMPLE_TOUCHED,
    SAMPLE_VOID,
};

struct sample {
    uint32_t container; /* handle */
    uint32_t slot;
    enum sample_state state;
};

struct sampling {
    struct sample sample[SAMPLE_SLOTS];
    uint32_t count;
    bool known; /* a period has ended */
    double fast, slow;
};

/* The active part of those drawn that tell something, as far as the period goes; negative: none. */
static double active_part(const struct sampling *sampling)
{
    uint32_t touched = 0;
    uint32_t counted = 0;

    for (uint32_t i = 0; i < sampling->count; i++) {
        touched += sampling->sample[i].state == SAMPLE_TOUCHED;
        counted += sampling->sample[i].state != SAMPLE_VOID;
    }
    return counted > 0 ? (double)touched / counted : -1;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

uint32_t sample_idle(const struct physmem_task *task)
{
    const struct sampling *sampling = task->sampling;
    double active;
    double now;

    if (sampling == NULL || !sampling->known)
        return 0;
    active = larger(sampling->fast, sampling->slow);
    now = active_part(sampling);
    if (now >= 0)
        active = larger(active, sampling->fast + (now - sampling->fast) / FAST_SHARE);
    return SP_ARBITER_WHOLE - (uint32_t)(active * SP_ARBITER_WHOLE + 0.5);
}

static struct sample *sample_of(const struct physmem_task *task, uint32_t container, uint32_t slot)
{
    for (uint32_t i = 0; i < task->sampling->count; i++)
        if (task->sampling->sample[i].container == container &&
            task->sampling->sample[i].slot == slot)
            return &task->sampling->sample[i];
    return NULL;
}

uint32_t sample_mapped(struct physmem_task *task, uint32_t container, uint32_t start,
                       uint32_t count)
{
    for (uint32_t i = 0; task->sampling != NULL && i < task->sampling->count; i++) {
        struct sample *sample = &task->sampling->sample[i];

        if (sample->container != container || sample->state != SAMPLE_WATCHED)
            continue;
        if (sample->slot == start)
            sample->state = SAMPLE_TOUCHED;
        else if (sample->slot > start && sample->slot - start < count)
            count = sample->slot - start;
    }
    return count;
}

void sample_lost(struct physmem_task *task, uint32_t container, uint32_t slot)
{
    struct sample *sample = task->sampling != NULL ? sample_of(task, container, slot) : NULL;

    if (sample != NULL)
        sample->state = SAMPLE_VOID;
}

void sample_end(struct physmem *physmem, struct physmem_task *task)
{
    memory_free(physmem->allocator, task->sampling, sizeof(*task->sampling));
    task->sampling = NULL;
}

/* The slot that a sample is about; NULL if it has no frame any more. */
static struct container_slot *sampled_slot(struct physmem *physmem, const struct physmem_task *task,
                                           const struct sample *sample)
{
    struct container *container = handle_object(&physmem->containers, sample->container);
    struct extent *extent;

    if (container == NULL || container->owner != task)
        return NULL;
    extent = container_extent(container, sample->slot);
    if (extent == NULL || !slot_is_allocated(extent_slot(extent, sample->slot)))
        return NULL;
    return extent_slot(extent, sample->slot);
}

static void period_end(struct physmem *physmem, struct physmem_task *task)
{
    struct sampling *sampling = task->sampling;
    double active;

    for (uint32_t i = 0; i < sampling->count; i++) {
        const struct container_slot *slot = sampled_slot(physmem, task, &sampling->sample[i]);

        if (slot == NULL || slot->unmapping)
            sampling->sample[i].state = SAMPLE_VOID;
    }
    active = active_part(sampling);
    sampling->count = 0;
    if (active < 0)
        return;
    if (sampling->known) {
        sampling->fast += (active - sampling->fast) / FAST_SHARE;
        sampling->slow += (active - sampling->slow) / SLOW_SHARE;
    } else { /* what nobody has looked at may all be in use */
        sampling->fast = 1 + (active - 1) / FAST_SHARE;
        sampling->slow = 1 + (active - 1) / SLOW_SHARE;
    }
    sampling->known = true;
    control_changed(physmem, task);
}

/* The allocated slot of this index, counted through the task's containers; there are so many. */
static struct container *slot_at(const struct physmem_task *task, uint32_t index, uint32_t *slotp)
{
    struct container *container = task->container_list;
    uint32_t slot = 0;

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
        slot = (slot / EXTENT_PAGES + 1) * EXTENT_PAGES;
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

    container = slot_at(task, random_below(random, task->held), &slot);
    slot -= slot % block_of(task);
    if (sample_of(task, container->handle, slot) != NULL)
        return;
    *sample = (struct sample){container->handle, slot, SAMPLE_WATCHED};
    entry = sampled_slot(physmem, task, sample);
    if (entry == NULL || entry->unmapping ||
        (entry->rights != 0 &&
         !unmap_issue(physmem, task, container, (struct physmem_range){slot, 1})))
        return;
    sampling->count++;
}

void physmem_sample(struct physmem *physmem, uint64_t now, struct random_source *random)
{
    physmem_advance(physmem, now);
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        if (task->sampling != NULL)
            period_end(physmem, task);
        if (task->held == 0 || !task->control)
            continue;
        if (task->sampling == NULL)
            task->sampling = memory_new(physmem->allocator, sizeof(*task->sampling));
        for (uint32_t i = 0; task->sampling != NULL && i < SAMPLE_SLOTS; i++)
            draw_one(physmem, task, random);
    }
}
