#include "core/physmem/idle.h"

/* An average goes this part of the way towards a new value. */
#define FAST_SHARE 2
#define SLOW_SHARE 8

/* The share of used pages among the samples of this period that say something; negative: none does.
 */
static double active_part(const struct sampling *sampling)
{
    uint32_t touched = 0;
    uint32_t counted = 0;

    ensure(sampling->count <= SAMPLE_SLOTS);
    for (uint32_t i = 0; i < sampling->count; i++) {
        touched += sampling->sample[i].state == SAMPLE_TOUCHED;
        counted += sampling->sample[i].state != SAMPLE_VOID;
    }
    return counted > 0 ? (double)touched / counted : -1;
}

static double larger(double a, double b)
{
    check(a <= 1 && b <= 1);
    return a > b ? a : b;
}

uint32_t idle_part(const struct physmem_task *task)
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
    check(active >= 0 && active <= 1);
    return SP_ARBITER_WHOLE - (uint32_t)(active * SP_ARBITER_WHOLE + 0.5);
}

struct sample *idle_sample(const struct physmem_task *task, uint32_t container, uint32_t slot)
{
    ensure(task->sampling != NULL);
    for (uint32_t i = 0; i < task->sampling->count; i++)
        if (task->sampling->sample[i].container == container &&
            task->sampling->sample[i].slot == slot)
            return &task->sampling->sample[i];
    return NULL;
}

uint32_t idle_mapped(struct physmem_task *task, uint32_t container, uint32_t start, uint32_t count)
{
    check(count > 0);
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

void idle_lost(struct physmem_task *task, uint32_t container, uint32_t slot)
{
    struct sample *sample = task->sampling != NULL ? idle_sample(task, container, slot) : NULL;

    check(sample == NULL || (sample->container == container && sample->slot == slot));
    if (sample != NULL)
        sample->state = SAMPLE_VOID;
}

void idle_period_end(struct physmem_task *task)
{
    struct sampling *sampling = task->sampling;
    double active = active_part(sampling);

    check(sampling->known || (sampling->fast == 0 && sampling->slow == 0));
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
    check(sampling->fast >= 0 && sampling->fast <= 1);
    check(sampling->slow >= 0 && sampling->slow <= 1);
}

void idle_end(struct physmem *physmem, struct physmem_task *task)
{
    check(task->sampling == NULL || task->sampling->count <= SAMPLE_SLOTS);
    memory_free(physmem->allocator, task->sampling, sizeof(*task->sampling));
    task->sampling = NULL;
}
