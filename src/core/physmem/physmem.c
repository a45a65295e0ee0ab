#include "core/physmem/internal.h"

int physmem_new(struct physmem **physmemp, const struct physmem_config *config)
{
    struct physmem *physmem;
    int rc;

    if (config->frames == 0 || config->reserve >= config->frames ||
        config->max_order > BUDDY_MAX_ORDER)
        return -EINVAL;
    physmem = memory_new(config->allocator, sizeof(*physmem));
    if (physmem == NULL)
        return -ENOMEM;
    physmem->config = *config;
    physmem->allocator = config->allocator;
    if (physmem->config.max_term_ns == 0)
        physmem->config.max_term_ns = SP_FOREVER;
    if (physmem->config.unmap_grace_ns == 0)
        physmem->config.unmap_grace_ns = PHYSMEM_UNMAP_GRACE_NS;
    if (physmem->config.warnings == 0)
        physmem->config.warnings = PHYSMEM_WARNINGS;
    if (physmem->config.silence_ns == 0)
        physmem->config.silence_ns = PHYSMEM_SILENCE_NS;
    physmem->watermark = config->frames - physmem_extra_frames(config->frames);
    handles_init(&physmem->containers, physmem->allocator);
    handles_init(&physmem->extents, physmem->allocator);
    deadlines_init(&physmem->deadlines, physmem->allocator);
    deadlines_init(&physmem->ends, physmem->allocator);
    part_table_init(&physmem->parts, physmem->allocator);
    rc = frame_table_init(&physmem->frames, physmem->allocator, config->frames, config->max_order);
    if (rc != 0) {
        memory_free(physmem->allocator, physmem, sizeof(*physmem));
        return rc;
    }
    rc = arbiter_start(physmem);
    if (rc == 0)
        rc = availability_start(physmem);
    if (rc == 0)
        *physmemp = physmem;
    else
        physmem_free(&physmem);
    return rc;
}

void physmem_free(struct physmem **physmemp)
{
    struct physmem *physmem = *physmemp;
    const struct allocator *allocator;

    if (physmem == NULL)
        return;
    allocator = physmem->allocator;
    while (physmem->first != NULL)
        physmem_task_gone(physmem, physmem->now, physmem->first);
    arbiter_end(physmem);
    control_finish(physmem);
    availability_end(physmem);
    for (uint32_t i = 0; i < physmem->tasks; i++)
        memory_free(allocator, physmem->task[i], sizeof(*physmem->task[i]));
    memory_free(allocator, physmem->task, physmem->task_capacity * sizeof(*physmem->task));
    memory_free(allocator, physmem->candidate,
                physmem->candidate_capacity * sizeof(*physmem->candidate));
    memory_free(allocator, physmem->candidate_task,
                physmem->candidate_task_capacity * sizeof(*physmem->candidate_task));
    memory_free(allocator, physmem->take, physmem->take_capacity * sizeof(*physmem->take));
    memory_free(allocator, physmem->effect, physmem->effect_capacity * sizeof(*physmem->effect));
    memory_free(allocator, physmem->item, physmem->item_capacity * sizeof(*physmem->item));
    handles_fini(&physmem->containers);
    handles_fini(&physmem->extents);
    deadlines_fini(&physmem->deadlines);
    deadlines_fini(&physmem->ends);
    part_table_fini(&physmem->parts);
    frame_table_fini(&physmem->frames);
    memory_free(allocator, physmem, sizeof(*physmem));
    *physmemp = NULL;
}

void physmem_advance(struct physmem *physmem, uint64_t now)
{
    if (now > physmem->now)
        physmem->now = now;
    if (physmem->effect_next == physmem->effects) {
        physmem->effect_next = 0;
        physmem->effects = 0;
        physmem->items = 0;
    }
}

uint64_t physmem_deadline(const struct physmem *physmem)
{
    const struct deadline *first = deadlines_first(&physmem->deadlines);

    return first == NULL ? DEADLINE_NEVER : first->when;
}

#define OWNER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

void physmem_tick(struct physmem *physmem, uint64_t now)
{
    struct deadline *first;

    physmem_advance(physmem, now);
    while ((first = deadlines_first(&physmem->deadlines)) != NULL && first->when <= physmem->now) {
        deadline_stop(&physmem->deadlines, first);
        if (first->purpose == PURPOSE_CONTRACT)
            contract_due(physmem, OWNER_OF(first, struct contract, event));
        else if (first->purpose == PURPOSE_RECALL)
            recall_missed(physmem, OWNER_OF(first, struct recall, deadline));
        else if (first->purpose == PURPOSE_TICK)
            arbiter_tick(physmem);
        else if (first->purpose == PURPOSE_UNMAP)
            unmap_due(physmem, OWNER_OF(first, struct physmem_task, unmap_deadline));
    }
    physmem_settle(physmem);
}

bool physmem_next_effect(struct physmem *physmem, struct physmem_effect *effect)
{
    if (physmem->effect_next == physmem->effects)
        return false;
    *effect = physmem->effect[physmem->effect_next++];
    return true;
}

const struct physmem_map_item *physmem_map_items(const struct physmem *physmem, uint32_t first)
{
    return physmem->item + first;
}

bool physmem_has_failed(const struct physmem *physmem)
{
    return physmem->failed;
}

struct physmem_effect *physmem_emit(struct physmem *physmem, enum physmem_effect_kind kind,
                                    struct physmem_task *task)
{
    struct physmem_effect *effect = &physmem->lost;

    if (memory_reserve(physmem->allocator, &physmem->effect, &physmem->effect_capacity,
                       sizeof(*effect), physmem->effects + 1) == 0)
        effect = &physmem->effect[physmem->effects++];
    else
        physmem->failed = true;
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    effect->task = task;
    return effect;
}

struct physmem_effect *physmem_reply(struct physmem *physmem, enum physmem_effect_kind kind,
                                     const struct physmem_request *request, int error,
                                     const char *text)
{
    struct physmem_effect *effect = physmem_emit(physmem, kind, request->task);

    effect->seq = request->seq;
    effect->control = request->control;
    effect->error = (uint32_t)error;
    effect->text = text;
    return effect;
}

void physmem_reply_done(struct physmem *physmem, const struct physmem_request *request, int error,
                        uint32_t count, const char *text)
{
    physmem_reply(physmem, PHYSMEM_REPLY_DONE, request, error, text)->count = count;
}

bool physmem_begin(struct physmem *physmem, uint64_t now, const struct physmem_request *request)
{
    physmem_advance(physmem, now);
    control_changed(physmem, request->task);
    if (request->task->state == TASK_THERE)
        return true;
    physmem_reply_done(physmem, request, EPIPE, 0, "this task has been revoked");
    return false;
}

void physmem_settle(struct physmem *physmem)
{
    uint32_t available;

    pending_serve(physmem);
    availability_settle(physmem);
    while (physmem->pending_first != NULL && recall_for_pending(physmem))
        pending_serve(physmem); /* frames came at once, from a frame stack */
    available = frame_table_available(&physmem->frames);
    if (physmem->wanting_first != NULL && available > physmem->available)
        extra_notify(physmem);
    physmem->available = available;
    control_publish(physmem);
    availability_later(physmem);
}
