/* A world for physmem in tests: memory that is counted and can run out, extents that are arrays of
 * touched pages, and a record of what physmem said. */
#ifndef WORLD_H
#define WORLD_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/registry.h"
#include "core/contracts/contract.h"
#include "core/physmem/physmem.h"

#define WORLD_EXTENTS 4096u
#define WORLD_RECORD  256u
#define WORLD_STACKS  64u
#define MS            UINT64_C(1000000)
#define SECOND        UINT64_C(1000000000)

/* One extent outside physmem. */
struct world_extent {
    bool exists;
    uint32_t handle;
    uint8_t touched[EXTENT_PAGES];
};

struct world {
    struct allocator allocator;
    size_t bytes;        /* allocated now */
    uint64_t calls;      /* of the allocator, growing ones */
    uint64_t fail_after; /* calls that still succeed; UINT64_MAX: all */
    struct physmem *physmem;
    uint64_t now;
    uint32_t seq;
    const struct sp_arbiter *arbiter; /* NULL: excess */
    uint32_t create_error;            /* extents cannot be made: this errno value */
    struct world_extent *extent;
    uint32_t extents;
    struct frame_stack *stack[WORLD_STACKS]; /* NULL: none */
    /* Told of every effect, before it is carried out. May be NULL. */
    void (*watch)(struct world *world, const struct physmem_effect *effect);
    void *user;
    struct physmem_effect record[WORLD_RECORD]; /* the latest, as a ring */
    uint32_t recorded;
    struct physmem_map_item items[PHYSMEM_MAPS_MAX];       /* of the latest reply to map */
    struct physmem_map_item repossessed[EXTENT_PAGES / 2]; /* of the latest such effect */
};

static inline void *world_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    struct world *world = context;

    if (new_size > old_size) {
        world->calls++;
        if (world->fail_after == 0)
            return NULL;
        if (world->fail_after != UINT64_MAX)
            world->fail_after--;
    }
    world->bytes += new_size - old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

/* Without physmem; for what needs only the allocator. */
static inline void world_init(struct world *world)
{
    *world = (struct world){.fail_after = UINT64_MAX};
    world->allocator = (struct allocator){world_resize, world};
    world->extent = calloc(WORLD_EXTENTS, sizeof(*world->extent));
}

static inline int world_start(struct world *world, uint32_t frames, uint32_t reserve,
                              uint64_t max_term_ns)
{
    struct physmem_config config = {
        .allocator = &world->allocator,
        .arbiter = world->arbiter != NULL ? world->arbiter : &arbiter_excess,
        .frames = frames,
        .reserve = reserve,
        .max_order = 6,
        .max_term_ns = max_term_ns,
    };

    struct arbiter_choice choice = {NULL};

    if (arbiter_choose_plugin(&choice, config.arbiter, NULL, NULL) != 0)
        abort();
    memcpy(config.arbiter_params, choice.params, sizeof(config.arbiter_params));
    return physmem_new(&world->physmem, &config);
}

/* Returns the bytes that were not freed. */
static inline size_t world_end(struct world *world)
{
    physmem_free(&world->physmem);
    for (unsigned i = 0; i < WORLD_STACKS; i++)
        free(world->stack[i]);
    free(world->extent);
    return world->bytes;
}

static inline void world_extent_effect(struct world *world, const struct physmem_effect *effect)
{
    struct world_extent *extent = &world->extent[effect->extent.descriptor];
    uint64_t pages = 0;

    switch (effect->kind) {
    case PHYSMEM_EXTENT_CREATE:
        if (world->create_error != 0 || world->extents == WORLD_EXTENTS) {
            physmem_extent_ready(world->physmem, world->now, effect->extent.extent, 0,
                                 world->create_error != 0 ? world->create_error : EMFILE);
            break;
        }
        world->extent[world->extents] = (struct world_extent){true, effect->extent.extent, {0}};
        physmem_extent_ready(world->physmem, world->now, effect->extent.extent, world->extents++,
                             0);
        break;
    case PHYSMEM_EXTENT_PUNCH:
        if (!extent->exists || extent->handle != effect->extent.extent)
            abort();
        memset(extent->touched + effect->extent.offset, 0, effect->extent.count);
        break;
    case PHYSMEM_EXTENT_AUDIT:
        for (unsigned i = 0; i < EXTENT_PAGES; i++)
            pages += extent->touched[i];
        if (extent->exists && extent->handle == effect->extent.extent)
            physmem_audited(world->physmem, world->now, effect->extent.extent, effect->extent.count,
                            pages);
        break;
    case PHYSMEM_EXTENT_DESTROY:
        if (!extent->exists || extent->handle != effect->extent.extent)
            abort();
        extent->exists = false;
        break;
    default:
        break;
    }
}

static inline void world_stack_effect(struct world *world, const struct physmem_effect *effect)
{
    const struct physmem_request request = {effect->task, effect->seq, effect->control};
    struct frame_stack *wanted = effect->kind == PHYSMEM_STACK_DESTROY ? effect->stack.stack : NULL;
    unsigned i = 0;

    while (i < WORLD_STACKS && world->stack[i] != wanted)
        i++;
    if (effect->kind == PHYSMEM_STACK_DESTROY) {
        free(world->stack[i]);
        world->stack[i] = NULL;
    } else if (effect->kind == PHYSMEM_STACK_CREATE) {
        if (world->create_error == 0)
            world->stack[i] = calloc(1, frame_stack_size(effect->stack.places));
        physmem_stack_ready(world->physmem, world->now, &request, world->stack[i],
                            effect->stack.places, 0, world->create_error);
    }
}

/* Carry out what physmem wants done. */
static inline void world_run(struct world *world)
{
    struct physmem_effect effect;

    while (physmem_next_effect(world->physmem, &effect)) {
        if (effect.kind == PHYSMEM_REPLY_MAPPED)
            memcpy(world->items, physmem_map_items(world->physmem, effect.mapped.first),
                   effect.mapped.count * sizeof(world->items[0]));
        if (effect.kind == PHYSMEM_SEND_REPOSSESSED)
            memcpy(world->repossessed, physmem_map_items(world->physmem, effect.repossessed.first),
                   effect.repossessed.count * sizeof(world->items[0]));
        world->record[world->recorded++ % WORLD_RECORD] = effect;
        if (world->watch != NULL)
            world->watch(world, &effect);
        world_extent_effect(world, &effect);
        world_stack_effect(world, &effect);
    }
}

/* Let time pass, up to `now`, ticking whenever a deadline is due. */
static inline void world_pass(struct world *world, uint64_t ns)
{
    uint64_t until = world->now + ns;

    while (physmem_deadline(world->physmem) <= until) {
        if (physmem_deadline(world->physmem) > world->now)
            world->now = physmem_deadline(world->physmem);
        physmem_tick(world->physmem, world->now);
        world_run(world);
    }
    world->now = until;
}

/* The latest recorded effect of this kind about this task (NULL: any), among those recorded since
 * `since`; NULL if there is none. */
static inline const struct physmem_effect *world_find(const struct world *world, uint32_t since,
                                                      enum physmem_effect_kind kind,
                                                      const struct physmem_task *task)
{
    for (uint32_t i = world->recorded; i > since && i + WORLD_RECORD > world->recorded; i--) {
        const struct physmem_effect *effect = &world->record[(i - 1) % WORLD_RECORD];

        if (effect->kind == kind && (task == NULL || effect->task == task))
            return effect;
    }
    return NULL;
}

/* The reply to request `seq`, or NULL. */
static inline const struct physmem_effect *world_reply(const struct world *world, uint32_t seq)
{
    for (uint32_t i = world->recorded; i > 0 && i + WORLD_RECORD > world->recorded; i--) {
        const struct physmem_effect *effect = &world->record[(i - 1) % WORLD_RECORD];

        if (effect->kind <= PHYSMEM_REPLY_OFFER && effect->seq == seq)
            return effect;
    }
    return NULL;
}

static inline struct physmem_request world_request(struct world *world, struct physmem_task *task)
{
    return (struct physmem_request){task, ++world->seq, false};
}

/* A task with a control connection. */
static inline struct physmem_task *world_task(struct world *world, const char *name)
{
    struct physmem_identity identity = {.pid = 100, .uid = 1000};
    struct physmem_task *task = NULL;

    strncpy(identity.name, name, sizeof(identity.name) - 1);
    if (physmem_task_add(world->physmem, world->now, &identity, &task) != 0)
        return NULL;
    physmem_control_opened(world->physmem, task);
    world_run(world);
    return task;
}

static inline struct physmem_task_status world_status(const struct physmem_task *task)
{
    struct physmem_task_status status;

    physmem_task_get_status(task, &status);
    return status;
}

static inline struct sp_terms world_terms(enum sp_contract_kind kind, uint32_t frames)
{
    return (struct sp_terms){
        .kind = (uint8_t)kind, .min = frames, .frames = frames, .term_ns = SP_FOREVER};
}

/* Requests; each returns its reply (valid until many more effects have come), or NULL if it waits.
 */
static inline const struct physmem_effect *
world_propose(struct world *world, struct physmem_task *task, const struct sp_terms *terms)
{
    struct physmem_request request = world_request(world, task);

    physmem_propose(world->physmem, world->now, &request, terms);
    world_run(world);
    return world_reply(world, request.seq);
}

/* A contract that must come about; returns its number. */
static inline uint32_t world_contract(struct world *world, struct physmem_task *task,
                                      enum sp_contract_kind kind, uint32_t frames)
{
    struct sp_terms terms = world_terms(kind, frames);
    const struct physmem_effect *reply = world_propose(world, task, &terms);

    if (reply->kind != PHYSMEM_REPLY_OFFER || reply->offer.offer.answer != SP_ACCEPTED)
        abort();
    return reply->offer.offer.contract;
}

static inline const struct physmem_effect *world_accept(struct world *world,
                                                        struct physmem_task *task, uint32_t number)
{
    struct physmem_request request = world_request(world, task);

    physmem_accept(world->physmem, world->now, &request, number);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *
world_renew(struct world *world, struct physmem_task *task, uint32_t number, uint64_t term_ns)
{
    struct physmem_request request = world_request(world, task);

    physmem_renew(world->physmem, world->now, &request, number, term_ns);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_close(struct world *world,
                                                       struct physmem_task *task, uint32_t number)
{
    struct physmem_request request = world_request(world, task);

    physmem_close_contract(world->physmem, world->now, &request, number);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *
world_size(struct world *world, struct physmem_task *task, uint32_t number, uint32_t frames)
{
    struct physmem_request request = world_request(world, task);

    physmem_resize(world->physmem, world->now, &request, number, frames);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_split(struct world *world,
                                                       struct physmem_task *task, uint32_t number,
                                                       uint32_t frames, uint64_t token)
{
    struct physmem_request request = world_request(world, task);

    physmem_split(world->physmem, world->now, &request, number, frames, token);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_claim(struct world *world,
                                                       struct physmem_task *task, uint64_t token)
{
    struct physmem_request request = world_request(world, task);

    physmem_claim(world->physmem, world->now, &request, token);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_reabsorb(struct world *world,
                                                          struct physmem_task *task, uint32_t part)
{
    struct physmem_request request = world_request(world, task);

    physmem_reabsorb(world->physmem, world->now, &request, part);
    world_run(world);
    return world_reply(world, request.seq);
}

/* A container; returns its handle. */
static inline uint32_t world_container(struct world *world, struct physmem_task *task,
                                       uint32_t slots)
{
    struct physmem_request request = world_request(world, task);
    const struct physmem_effect *reply;

    physmem_container_create(world->physmem, world->now, &request, slots);
    world_run(world);
    reply = world_reply(world, request.seq);
    return reply->kind == PHYSMEM_REPLY_CONTAINER ? reply->container.container : 0;
}

static inline const struct physmem_effect *
world_allocate_blocks(struct world *world, struct physmem_task *task, uint32_t container,
                      uint32_t start, uint32_t count, unsigned order, unsigned flags)
{
    struct physmem_request request = world_request(world, task);
    struct physmem_allocation allocation = {container, start, count, (uint8_t)flags,
                                            (uint8_t)order};

    physmem_allocate(world->physmem, world->now, &request, &allocation);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_allocate(struct world *world,
                                                          struct physmem_task *task,
                                                          uint32_t container, uint32_t start,
                                                          uint32_t count, unsigned flags)
{
    return world_allocate_blocks(world, task, container, start, count, 0, flags);
}

typedef void world_range_function(struct physmem *physmem, uint64_t now,
                                  const struct physmem_request *request, uint32_t container,
                                  const struct physmem_range *ranges, uint32_t count);

/* One of physmem_deallocate, _release, _recover, _unmap_own for one range. */
static inline const struct physmem_effect *
world_range(struct world *world, world_range_function *function, struct physmem_task *task,
            uint32_t container, uint32_t start, uint32_t count)
{
    struct physmem_request request = world_request(world, task);
    struct physmem_range range = {start, count};

    function(world->physmem, world->now, &request, container, &range, 1);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline const struct physmem_effect *world_map(struct world *world, struct physmem_task *task,
                                                     uint32_t container, uint32_t start,
                                                     uint32_t count)
{
    struct physmem_request request = world_request(world, task);

    physmem_map(world->physmem, world->now, &request, container, start, count,
                SLOT_READ | SLOT_WRITE);
    world_run(world);
    return world_reply(world, request.seq);
}

/* Open a frame stack. Returns the reply; the stack is in reply->stack.stack. */
static inline const struct physmem_effect *world_open_stack(struct world *world,
                                                            struct physmem_task *task,
                                                            uint32_t container, uint32_t places)
{
    struct physmem_request request = world_request(world, task);

    physmem_stack_open(world->physmem, world->now, &request, container, places);
    world_run(world);
    return world_reply(world, request.seq);
}

/* The outside of an extent; NULL if it is gone. */
static inline struct world_extent *world_extent(struct world *world, uint32_t handle)
{
    for (uint32_t i = 0; i < world->extents; i++)
        if (world->extent[i].exists && world->extent[i].handle == handle)
            return &world->extent[i];
    return NULL;
}

#endif
