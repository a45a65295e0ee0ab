/* Physmem's own life, its clock, and its effects. */
#include "core/physmem/physmem.h"

#include "core/physmem/arbiter.h"
#include "core/physmem/availability.h"
#include "core/physmem/breach.h"
#include "core/physmem/bury.h"
#include "core/physmem/frames.h"
#include "core/physmem/input.h"
#include "core/physmem/life.h"
#include "core/physmem/lock.h"
#include "core/physmem/recall.h"
#include "core/physmem/pool.h"
#include "core/physmem/rows.h"
#include "core/physmem/settle.h"
#include "core/physmem/swap_due.h"
#include "core/physmem/swapping.h"
#include "core/physmem/told.h"
#include "core/physmem/upstream.h"

/* ---- Life ---- */

/* The configuration, with every default put in. */
static void configure(struct physmem *physmem, const struct physmem_config *config)
{
    physmem->config = *config;
    physmem->allocator = config->allocator;
    if (config->max_term_ns == 0)
        physmem->config.max_term_ns = SP_FOREVER;
    if (config->unmap_grace_ns == 0)
        physmem->config.unmap_grace_ns = PHYSMEM_UNMAP_GRACE_NS;
    if (config->warnings == 0)
        physmem->config.warnings = PHYSMEM_WARNINGS;
    if (config->silence_ns == 0)
        physmem->config.silence_ns = PHYSMEM_SILENCE_NS;
    if (config->max_grace_ns == 0)
        physmem->config.max_grace_ns = PHYSMEM_MAX_GRACE_NS;
    physmem->patience_ns = physmem->config.max_grace_ns > physmem->config.silence_ns
                               ? physmem->config.max_grace_ns
                               : physmem->config.silence_ns;
    physmem->pending_least = UINT32_MAX;
    pool_start(physmem);
    check(physmem->watermark < config->frames);
}

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
    configure(physmem, config);
    handles_init(&physmem->containers, physmem->allocator);
    handles_init(&physmem->extents, physmem->allocator);
    deadlines_init(&physmem->deadlines, physmem->allocator);
    deadlines_init(&physmem->ends, physmem->allocator);
    part_table_init(&physmem->parts, physmem->allocator);
    stored_init(&physmem->stored, physmem->allocator);
    physmem->swap_work.purpose = PURPOSE_SWAP;
    rc = frame_table_init(&physmem->frames, physmem->allocator, config->frames, config->max_order);
    if (rc != 0) {
        memory_free(physmem->allocator, physmem, sizeof(*physmem));
        return rc;
    }
    rc = arbiter_start(physmem);
    if (rc == 0)
        rc = availability_start(physmem);
    if (rc == 0)
        rc = bury_start(physmem);
    if (rc == 0)
        rc = deadlines_reserve(&physmem->deadlines, 1); /* swap_work */
    if (rc == 0)
        rc = told_start(physmem);
    if (rc == 0)
        rc = upstream_start(physmem);
    if (rc == 0)
        *physmemp = physmem;
    else
        physmem_free(&physmem);
    return rc;
}

/* Free the arrays that grow. */
static void free_arrays(struct physmem *physmem)
{
    const struct allocator *allocator = physmem->allocator;

    check(physmem->tasks_there == 0 && physmem->nobody.container_list == NULL);
    for (uint32_t i = 0; i < physmem->tasks; i++) {
        swapping_free(physmem, physmem->task[i]);
        memory_free(allocator, physmem->task[i], sizeof(*physmem->task[i]));
    }
    memory_free(allocator, physmem->task, physmem->task_capacity * sizeof(*physmem->task));
    memory_free(allocator, physmem->candidate,
                physmem->candidate_capacity * sizeof(*physmem->candidate));
    memory_free(allocator, physmem->candidate_task,
                physmem->candidate_task_capacity * sizeof(*physmem->candidate_task));
    memory_free(allocator, physmem->take, physmem->take_capacity * sizeof(*physmem->take));
    memory_free(allocator, physmem->effect, physmem->effect_capacity * sizeof(*physmem->effect));
    memory_free(allocator, physmem->item, physmem->item_capacity * sizeof(*physmem->item));
}

void physmem_free(struct physmem **physmemp)
{
    struct physmem *physmem = *physmemp;

    if (physmem == NULL)
        return;
    while (physmem->first != NULL)
        physmem_task_gone(physmem, physmem->now, physmem->first);
    bury_end(physmem);
    ensure(physmem->frames.used == 0 && physmem->frames.soft == 0);
    ensure(physmem->guaranteed == 0 && physmem->leased == 0 && physmem->owed == 0);
    ensure(physmem->waiting == 0 && physmem->extent_count == 0);
    deadlines_stop(&physmem->deadlines, &physmem->swap_work);
    stored_fini(&physmem->stored);
    arbiter_end(physmem);
    upstream_end(physmem);
    rows_fini(physmem);
    availability_end(physmem);
    free_arrays(physmem);
    handles_fini(&physmem->containers);
    handles_fini(&physmem->extents);
    deadlines_fini(&physmem->deadlines);
    deadlines_fini(&physmem->ends);
    memory_free(physmem->allocator, physmem->spare, sizeof(*physmem->spare));
    part_table_fini(&physmem->parts);
    frame_table_fini(&physmem->frames);
    memory_free(physmem->allocator, physmem, sizeof(*physmem));
    *physmemp = NULL;
}

/* ---- Time ---- */

uint64_t physmem_deadline(const struct physmem *physmem)
{
    const struct deadline *first = deadlines_first(&physmem->deadlines);

    check(first == NULL || first->when != DEADLINE_NEVER);
    return first == NULL ? DEADLINE_NEVER : first->when;
}

#define OWNER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* A deadline has passed and is no longer set. */
static void due(struct physmem *physmem, struct deadline *deadline)
{
    check(!deadline_is_running(deadline));
    switch ((enum purpose)deadline->purpose) {
    case PURPOSE_CONTRACT:
        life_due(physmem, OWNER_OF(deadline, struct contract, event));
        break;
    case PURPOSE_RECALL:
        breach_recall_missed(physmem, OWNER_OF(deadline, struct recall, deadline));
        break;
    case PURPOSE_UNMAP:
        breach_unmap_missed(physmem, OWNER_OF(deadline, struct physmem_task, unmap_deadline));
        break;
    case PURPOSE_TICK:
        arbiter_tick(physmem);
        break;
    case PURPOSE_LOOK: /* settling looks */
        break;
    case PURPOSE_LOCK:
        lock_due(physmem, OWNER_OF(deadline, struct sharing, deadline));
        break;
    case PURPOSE_TELL:
        told_due(physmem);
        break;
    case PURPOSE_FREE:
        frames_free_on(physmem, OWNER_OF(deadline, struct freeing, deadline)->request.task);
        break;
    case PURPOSE_UPSTREAM:
        upstream_due(physmem);
        break;
    case PURPOSE_SWAP:
        swap_due(physmem);
        break;
    case PURPOSE_WORK:
        bury_slice(physmem, BURY_SLICE);
        break;
    }
}

void physmem_tick(struct physmem *physmem, uint64_t now)
{
    struct deadline *first;

    input_advance(physmem, now);
    while ((first = deadlines_first(&physmem->deadlines)) != NULL && first->when <= physmem->now) {
        deadlines_stop(&physmem->deadlines, first);
        due(physmem, first);
    }
    check(physmem_deadline(physmem) > physmem->now);
    settle_input(physmem);
}

void physmem_bury(struct physmem *physmem)
{
    bury_slice(physmem, UINT32_MAX);
    check(physmem->nobody.container_list == NULL);
}

/* ---- Effects ---- */

bool physmem_next_effect(struct physmem *physmem, struct physmem_effect *effect)
{
    check(physmem->effect_next <= physmem->effects);
    if (physmem->effect_next == physmem->effects)
        return false;
    *effect = physmem->effect[physmem->effect_next++];
    return true;
}

const struct physmem_map_item *physmem_map_items(const struct physmem *physmem, uint32_t first)
{
    ensure(first <= physmem->items);
    return physmem->item + first;
}

bool physmem_has_failed(const struct physmem *physmem)
{
    return physmem->failed;
}

/* ---- For administrators ---- */

int64_t physmem_recall_from(struct physmem *physmem, uint64_t now, const char *name,
                            uint32_t frames)
{
    struct physmem_task *task = physmem->first;
    uint32_t asked;

    input_advance(physmem, now);
    while (task != NULL && strcmp(task->identity.name, name) != 0)
        task = task->next;
    if (task == NULL)
        return -ENOENT;
    if (!task_can_recall(task))
        return -EBUSY;
    asked = recall_task(physmem, task, frames);
    check(asked <= frames);
    settle_input(physmem);
    return asked;
}

struct physmem_books physmem_get_books(const struct physmem *physmem)
{
    check(physmem->frames.soft >= physmem->nobody.soft);
    return (struct physmem_books){
        .frames = frames_there(physmem),
        .free = physmem->frames.buddy.free - physmem->upstream.away + physmem->nobody.held +
                physmem->nobody.soft,
        .soft = physmem->frames.soft - physmem->nobody.soft,
        .guaranteed = physmem->guaranteed,
        .leased = physmem->leased,
    };
}

void physmem_get_status(const struct physmem *physmem, struct physmem_status *status)
{
    const struct physmem_books books = physmem_get_books(physmem);

    *status = physmem->counters;
    status->frames = books.frames;
    status->free = books.free;
    status->soft = books.soft;
    status->guaranteed = books.guaranteed;
    status->leased = books.leased;
    status->tasks = physmem->tasks_there;
    status->extents = physmem->extent_count + physmem->cleans;
    status->shared = physmem->pages_shared;
    status->swap_pages = physmem->stored.count;
    status->fragmentation = buddy_fragmentation(&physmem->frames.buddy);
    status->control = physmem->policyserver.state;
    status->controllers = physmem->policyserver.controllers;
    status->entitlements = physmem->policyserver.entitlements;
    check(status->free + status->soft + physmem->frames.used - physmem->nobody.held ==
          status->frames);
}
