#include "world/world.h"

#include <string.h>

#include "core/contracts/terms_text.h"

/* The largest block that can be allocated: 2^6 frames. */
#define MAX_ORDER 6u

void world_init(struct world *world, const struct allocator *allocator)
{
    memset(world, 0, sizeof(*world));
    world->allocator = allocator;
    faults_memory_init(&world->memory, allocator);
}

int world_start(struct world *world, uint32_t frames, uint32_t reserve, uint64_t max_term_ns)
{
    struct physmem_config config = {
        .allocator = &world->memory.allocator,
        .arbiter = world->arbiter != NULL ? world->arbiter : &arbiter_excess,
        .frames = frames,
        .reserve = reserve,
        .max_order = MAX_ORDER,
        .max_term_ns = max_term_ns,
        .swap = world->swap,
    };
    struct arbiter_choice choice = {NULL};
    int rc = arbiter_registry_choose_plugin(&choice, config.arbiter, NULL, NULL);

    if (rc != 0)
        return rc;
    memcpy(config.arbiter_params, choice.params, sizeof(config.arbiter_params));
    rc = physmem_new(&world->physmem, &config);
    physmem_shell_init(&world->shell, world->physmem, world->allocator);
    return rc;
}

size_t world_end(struct world *world)
{
    physmem_free(&world->physmem);
    physmem_shell_fini(&world->shell);
    return world->memory.bytes;
}

/* Keep what an effect points to. */
static void keep_items(struct world *world, const struct physmem_effect *effect)
{
    if (effect->kind == PHYSMEM_REPLY_MAPPED)
        memcpy(world->items, physmem_map_items(world->physmem, effect->mapped.first),
               effect->mapped.count * sizeof(*world->items));
    else if (effect->kind == PHYSMEM_SEND_REPOSSESSED)
        memcpy(world->repossessed, physmem_map_items(world->physmem, effect->repossessed.first),
               effect->repossessed.count * sizeof(*world->repossessed));
}

void world_run(struct world *world)
{
    struct physmem_effect effect;

    while (physmem_next_effect(world->physmem, &effect)) {
        keep_items(world, &effect);
        world->record[world->recorded++ % WORLD_RECORD] = effect;
        if (world->golden != NULL)
            golden_effect(world->golden, world->now, &effect);
        if (world->watch != NULL)
            world->watch(world, &effect);
        physmem_shell_carry_out(&world->shell, world->now, &effect);
    }
}

void world_pass(struct world *world, uint64_t ns)
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

/* ---- The record ---- */

const struct physmem_effect *world_find(const struct world *world, uint32_t since,
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

const struct physmem_effect *world_reply(const struct world *world, uint32_t seq)
{
    for (uint32_t i = world->recorded; i > 0 && i + WORLD_RECORD > world->recorded; i--) {
        const struct physmem_effect *effect = &world->record[(i - 1) % WORLD_RECORD];

        if (effect->kind <= PHYSMEM_REPLY_OFFER && effect->seq == seq)
            return effect;
    }
    return NULL;
}

/* ---- Tasks ---- */

struct physmem_request world_request(struct world *world, struct physmem_task *task)
{
    return (struct physmem_request){task, ++world->seq, false};
}

struct physmem_task *world_task(struct world *world, const char *name)
{
    struct physmem_identity identity = {.pid = 100, .uid = 1000, .can_be_killed = true};
    struct physmem_task *task = NULL;

    strncpy(identity.name, name, sizeof(identity.name) - 1);
    if (physmem_task_add(world->physmem, world->now, &identity, &task) != 0)
        return NULL;
    physmem_task_connected(world->physmem, task);
    world_run(world);
    return task;
}

struct physmem_task_status world_status(const struct physmem_task *task)
{
    struct physmem_task_status status;

    physmem_task_get_status(task, &status);
    return status;
}

/* Note in the trace what a task asks for. */
#define NOTE(world, task, ...)                                                                     \
    do {                                                                                           \
        if ((world)->golden != NULL)                                                               \
            golden_say((world)->golden, (world)->now, physmem_task_identity(task)->name,           \
                       "physmem", __VA_ARGS__);                                                    \
    } while (0)

/* ---- Contracts ---- */

struct sp_terms world_terms(enum sp_contract_kind kind, uint32_t frames)
{
    return (struct sp_terms){
        .kind = (uint8_t)kind, .min = frames, .frames = frames, .term_ns = SP_FOREVER};
}

/* What came of a request. */
static const struct physmem_effect *answer(struct world *world,
                                           const struct physmem_request *request)
{
    world_run(world);
    return world_reply(world, request->seq);
}

const struct physmem_effect *world_propose(struct world *world, struct physmem_task *task,
                                           const struct sp_terms *terms)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "propose %s %u, at least %u", terms_text_kind(terms->kind), terms->frames,
         terms->min);
    physmem_contract_propose(world->physmem, world->now, &request, terms);
    return answer(world, &request);
}

uint32_t world_contract(struct world *world, struct physmem_task *task, enum sp_contract_kind kind,
                        uint32_t frames)
{
    const struct sp_terms terms = world_terms(kind, frames);
    const struct physmem_effect *reply = world_propose(world, task, &terms);

    if (reply->kind != PHYSMEM_REPLY_OFFER || reply->offer.offer.answer != SP_ACCEPTED)
        return 0;
    return reply->offer.offer.contract;
}

const struct physmem_effect *world_accept(struct world *world, struct physmem_task *task,
                                          uint32_t contract)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "accept contract %u", contract);
    physmem_contract_accept(world->physmem, world->now, &request, contract);
    return answer(world, &request);
}

const struct physmem_effect *world_renew(struct world *world, struct physmem_task *task,
                                         uint32_t contract, uint64_t term_ns)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "renew contract %u for %.3f s", contract, (double)term_ns / 1e9);
    physmem_contract_renew(world->physmem, world->now, &request, contract, term_ns);
    return answer(world, &request);
}

const struct physmem_effect *world_close(struct world *world, struct physmem_task *task,
                                         uint32_t contract)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "close contract %u", contract);
    physmem_contract_close(world->physmem, world->now, &request, contract);
    return answer(world, &request);
}

const struct physmem_effect *world_size(struct world *world, struct physmem_task *task,
                                        uint32_t contract, uint32_t frames)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "resize contract %u to %u", contract, frames);
    physmem_contract_resize(world->physmem, world->now, &request, contract, frames);
    return answer(world, &request);
}

const struct physmem_effect *world_split(struct world *world, struct physmem_task *task,
                                         uint32_t contract, uint32_t frames, uint64_t token)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "split %u off contract %u", frames, contract);
    physmem_part_split(world->physmem, world->now, &request, contract, frames, token);
    return answer(world, &request);
}

const struct physmem_effect *world_claim(struct world *world, struct physmem_task *task,
                                         uint64_t token)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "claim a part");
    physmem_part_claim(world->physmem, world->now, &request, token);
    return answer(world, &request);
}

const struct physmem_effect *world_reabsorb(struct world *world, struct physmem_task *task,
                                            uint32_t part)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "reabsorb part %u", part);
    physmem_part_reabsorb(world->physmem, world->now, &request, part);
    return answer(world, &request);
}

/* ---- Frames ---- */

uint32_t world_container(struct world *world, struct physmem_task *task, uint32_t slots)
{
    const struct physmem_request request = world_request(world, task);
    const struct physmem_effect *reply;

    NOTE(world, task, "create a container of %u", slots);
    physmem_container_create(world->physmem, world->now, &request, slots);
    reply = answer(world, &request);
    return reply->kind == PHYSMEM_REPLY_CONTAINER ? reply->container.container : 0;
}

const struct physmem_effect *world_allocate_blocks(struct world *world, struct physmem_task *task,
                                                   uint32_t container, uint32_t start,
                                                   uint32_t count, unsigned order, unsigned flags)
{
    const struct physmem_request request = world_request(world, task);
    const struct physmem_allocation allocation = {container, start, count, (uint8_t)flags,
                                                  (uint8_t)order};

    NOTE(world, task, "allocate %u%s%s", count, (flags & PHYSMEM_EXTRA) != 0 ? " extra" : "",
         (flags & PHYSMEM_PARTIAL) != 0 ? " or fewer" : "");
    physmem_allocate(world->physmem, world->now, &request, &allocation);
    return answer(world, &request);
}

const struct physmem_effect *world_allocate(struct world *world, struct physmem_task *task,
                                            uint32_t container, uint32_t start, uint32_t count,
                                            unsigned flags)
{
    return world_allocate_blocks(world, task, container, start, count, 0, flags);
}

/* The request that a function makes. */
static const char *range_name(world_range_function *function)
{
    if (function == physmem_frames_deallocate)
        return "deallocate";
    if (function == physmem_frames_release)
        return "release";
    if (function == physmem_frames_recover)
        return "recover";
    if (function == physmem_orphan)
        return "orphan";
    return function == physmem_unmap_own ? "unmap" : "name as vital";
}

const struct physmem_effect *world_range(struct world *world, world_range_function *function,
                                         struct physmem_task *task, uint32_t container,
                                         uint32_t start, uint32_t count)
{
    const struct physmem_request request = world_request(world, task);
    const struct physmem_range range = {start, count};

    NOTE(world, task, "%s %u from %u", range_name(function), count, start);
    function(world->physmem, world->now, &request, container, &range, 1);
    return answer(world, &request);
}

const struct physmem_effect *world_map_as(struct world *world, struct physmem_task *task,
                                          uint32_t container, uint32_t start, uint32_t count,
                                          uint8_t rights)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "map %u from %u", count, start);
    physmem_map(world->physmem, world->now, &request, container, start, count, rights);
    return answer(world, &request);
}

const struct physmem_effect *world_map(struct world *world, struct physmem_task *task,
                                       uint32_t container, uint32_t start, uint32_t count)
{
    return world_map_as(world, task, container, start, count, SLOT_READ | SLOT_WRITE);
}

const struct physmem_effect *world_share(struct world *world, struct physmem_task *task,
                                         uint32_t container,
                                         const struct physmem_permission *permission)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "share a container");
    physmem_share(world->physmem, world->now, &request, container, permission);
    return answer(world, &request);
}

const struct physmem_effect *world_adopt(struct world *world, struct physmem_task *task,
                                         uint32_t container, uint64_t token)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "take a weak reference");
    physmem_share_adopt(world->physmem, world->now, &request, container, token);
    return answer(world, &request);
}

const struct physmem_effect *world_lock(struct world *world, struct physmem_task *task,
                                        uint32_t container, uint64_t lock_ns, bool unmap)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "lock a container");
    physmem_lock(world->physmem, world->now, &request, container, lock_ns, unmap);
    return answer(world, &request);
}

const struct physmem_effect *world_copy(struct world *world, struct physmem_task *task,
                                        uint32_t from, uint32_t to,
                                        const struct physmem_piece *pieces, uint32_t count)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "copy %u pieces", count);
    physmem_copy(world->physmem, world->now, &request, from, to, pieces, count);
    return answer(world, &request);
}

const struct physmem_effect *world_open_stack(struct world *world, struct physmem_task *task,
                                              uint32_t container, uint32_t places)
{
    const struct physmem_request request = world_request(world, task);

    NOTE(world, task, "open a frame stack");
    physmem_stack_open(world->physmem, world->now, &request, container, places);
    return answer(world, &request);
}

struct physmem_shell_extent *world_extent(struct world *world, uint32_t extent)
{
    return physmem_shell_extent(&world->shell, extent);
}
