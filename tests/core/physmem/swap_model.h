/* A swap server for stories about physmem in virtual time: its effects are noted when they come, and answered when
 * the story says so. A page is one number, as in world/physmem_shell.h. */
#ifndef SWAP_MODEL_H
#define SWAP_MODEL_H

#include "core/physmem/state.h"
#include "core/physmem/swap.h"
#include "expect.h"

#define MODEL_ACCOUNTS 4096u /* handles, without their generation */
#define MODEL_SLOTS    256u  /* of all accounts */
#define MODEL_WAITING  64u

struct model_operation {
    struct physmem_effect effect;
    struct physmem_map_item item[PHYSMEM_SWAP_MAX];
    uint64_t contents[PHYSMEM_SWAP_MAX]; /* of a store, as they were when the effect came */
};

struct model_swap {
    uint32_t quota; /* of each account */
    uint32_t reserved[MODEL_ACCOUNTS];
    uint32_t used[MODEL_ACCOUNTS];
    uint32_t owner[MODEL_SLOTS]; /* account; 0: free */
    uint64_t page[MODEL_SLOTS];
    uint32_t stores;
    uint32_t loads;
    uint32_t ended; /* accounts */
    bool dead;      /* every operation fails with EPIPE */
    bool ever_dead;
    uint64_t broken; /* pages with these contents cannot be read; 0: all can */
    struct model_operation waiting[MODEL_WAITING];
    uint32_t waits;
};

static struct model_swap model;

static inline uint32_t model_index(uint32_t handle)
{
    assert_true((handle & HANDLES_MAX) < MODEL_ACCOUNTS);
    return handle & HANDLES_MAX;
}

/* What needs no answer is done at once, and the rest is noted. */
static inline void model_watch(struct world *world, const struct physmem_effect *effect)
{
    struct model_operation *operation;
    uint32_t account, first = 0, count = 0;

    switch ((int)effect->kind) {
    case PHYSMEM_SWAP_RETURN:
        account = model_index(effect->unneeded.account);
        if (effect->unneeded.slot != PHYSMEM_NO_SLOT && !model.dead) {
            assert_int_equal(model.owner[effect->unneeded.slot], effect->unneeded.account);
            model.owner[effect->unneeded.slot] = 0;
            assert_true(model.used[account] > 0);
            model.used[account]--;
        }
        if (!model.dead) {
            assert_true(model.reserved[account] >= effect->unneeded.refund);
            model.reserved[account] -= effect->unneeded.refund;
            assert_true(model.used[account] <= model.reserved[account]);
        }
        return;
    case PHYSMEM_SWAP_END:
        account = model_index(effect->unneeded.account);
        assert_int_equal(model.used[account], 0);
        assert_int_equal(model.reserved[account], 0);
        model.ended++;
        return;
    case PHYSMEM_SWAP_STORE:
        first = effect->store.first;
        count = effect->store.count;
        break;
    case PHYSMEM_SWAP_LOAD:
        first = effect->load.first;
        count = effect->load.count;
        break;
    default:
        return;
    }
    assert_true(model.waits < MODEL_WAITING);
    operation = &model.waiting[model.waits++];
    operation->effect = *effect;
    memcpy(operation->item, physmem_map_items(world->physmem, first),
           count * sizeof(operation->item[0]));
    for (uint32_t i = 0; effect->kind == PHYSMEM_SWAP_STORE && i < count; i++) {
        const struct physmem_map_item *item = &operation->item[i];
        const struct physmem_shell_extent *extent = NULL;

        if (item->rights != 0)
            extent = physmem_shell_extent(&world->shell, item->extent);
        assert_true(item->rights == 0 || extent != NULL);
        operation->contents[i] = extent != NULL ? extent->page[item->offset] : 0;
    }
}

static inline void model_store(struct world *world, const struct model_operation *operation)
{
    struct physmem_swapped pages[PHYSMEM_SWAP_MAX];
    uint32_t handle = operation->effect.store.account, account = model_index(handle);
    uint32_t count = operation->effect.store.count, slot = 0, error = 0;

    if (model.dead)
        error = EPIPE;
    else if (model.reserved[account] + operation->effect.store.reserve > model.quota)
        error = EDQUOT;
    else
        model.reserved[account] += operation->effect.store.reserve;
    for (uint32_t i = 0; i < count; i++) {
        pages[i] = (struct physmem_swapped){.page = operation->item[i].slot};
        if (error != 0)
            continue;
        while (model.owner[slot] != 0)
            slot++;
        assert_true(slot < MODEL_SLOTS);
        model.owner[slot] = handle;
        model.page[slot] = operation->contents[i];
        model.used[account]++;
        assert_true(model.used[account] <= model.reserved[account]);
        model.stores++;
        pages[i].slot = slot;
    }
    physmem_swap_stored(world->physmem, world->now, handle, error, pages, count);
}

static inline void model_load(struct world *world, const struct model_operation *operation)
{
    struct physmem_swapped pages[PHYSMEM_SWAP_MAX];
    struct physmem_shell_extent *extent =
        physmem_shell_extent(&world->shell, operation->effect.load.extent);

    for (uint32_t i = 0; i < operation->effect.load.count; i++) {
        const struct physmem_map_item *item = &operation->item[i];

        pages[i] = (struct physmem_swapped){.page = item->slot, .error = model.dead ? EPIPE : 0};
        if (model.dead || model.owner[item->extent] != item->descriptor || extent == NULL) {
            pages[i].error = EIO; /* nobody waits for it any more */
            continue;
        }
        if (model.broken != 0 && model.page[item->extent] == model.broken)
            pages[i].error = EIO;
        else
            extent->page[item->offset] = model.page[item->extent];
        model.loads++;
    }
    physmem_swap_loaded(world->physmem, world->now, operation->effect.load.account,
                        operation->effect.load.extent, pages, operation->effect.load.count);
}

/* Answer one operation that waits. */
static inline void model_answer(struct world *world, uint32_t which)
{
    const struct model_operation operation = model.waiting[which];

    assert_true(which < model.waits);
    model.waits--;
    memmove(&model.waiting[which], &model.waiting[which + 1],
            (model.waits - which) * sizeof(operation));
    if (operation.effect.kind == PHYSMEM_SWAP_STORE)
        model_store(world, &operation);
    else
        model_load(world, &operation);
    world_run(world);
}

/* Answer everything, and let physmem do what it has put off. */
static inline void model_run(struct world *world)
{
    do {
        while (model.waits > 0)
            model_answer(world, 0);
        world_pass(world, 1000000);
    } while (model.waits > 0);
}

/* All that the server has is gone, and it is there again. */
static inline void model_die(struct world *world)
{
    model.dead = model.ever_dead = true;
    while (model.waits > 0)
        model_answer(world, 0);
    for (const struct stored_account *a = world->physmem->stored.first; a != NULL; a = a->next)
        physmem_swap_lost(world->physmem, world->now, a->handle);
    world_run(world);
    memset(model.owner, 0, sizeof(model.owner));
    memset(model.used, 0, sizeof(model.used));
    memset(model.reserved, 0, sizeof(model.reserved));
}

static inline int swap_setup(void **state)
{
    static struct world world;

    memset(&model, 0, sizeof(model));
    model.quota = UINT32_MAX / 2;
    world_init(&world, &heap_allocator);
    world.swap = true;
    world.watch = model_watch;
    *state = &world;
    return world_start(&world, FRAMES, 4, 0);
}

/* What the server has for an account is what its references and pages cost. */
static inline void model_check(const struct world *world)
{
    for (const struct stored_account *a = world->physmem->stored.first; a != NULL; a = a->next) {
        assert_int_equal(model.reserved[model_index(a->handle)], a->charge - a->asked - a->denied);
        if (!model.ever_dead)
            assert_int_equal(a->charge, a->references + a->left);
        if (!model.ever_dead)
            assert_int_equal(model.used[model_index(a->handle)], a->pages);
    }
}

/* ---- What tasks ask ---- */

/* Reply: valid until the next request. The numbers of the reply are copied to `numbers`. */
static inline const struct physmem_effect *swap_out_begin(struct world *world,
                                                          struct physmem_task *task,
                                                          uint32_t container, uint32_t start,
                                                          uint32_t count, uint32_t *seqp)
{
    const struct physmem_request request = world_request(world, task);

    *seqp = request.seq;
    physmem_swap_out(world->physmem, world->now, &request, container, start, count);
    world_run(world);
    return world_reply(world, request.seq);
}

static inline uint32_t swap_out_end(struct world *world, uint32_t seq, uint32_t *numbers)
{
    const struct physmem_effect *reply = world_reply(world, seq);

    assert_non_null(reply);
    if (reply->error == 0) {
        assert_int_equal(reply->kind, PHYSMEM_REPLY_SWAPPED);
        memcpy(numbers, reply->swapped.numbers, reply->swapped.count * sizeof(*numbers));
    }
    return reply->error;
}

static inline uint32_t swap_out(struct world *world, struct physmem_task *task, uint32_t container,
                                uint32_t start, uint32_t count, uint32_t *numbers)
{
    uint32_t seq;

    if (swap_out_begin(world, task, container, start, count, &seq) == NULL)
        model_run(world);
    return swap_out_end(world, seq, numbers);
}

static inline uint32_t swap_in(struct world *world, struct physmem_task *task, uint32_t container,
                               uint32_t start, uint32_t *numbers, uint32_t count)
{
    const struct physmem_request request = world_request(world, task);
    const struct physmem_effect *reply;

    physmem_swap_in(world->physmem, world->now, &request, container, start, numbers, count);
    world_run(world);
    if (world_reply(world, request.seq) == NULL)
        model_run(world);
    reply = world_reply(world, request.seq);
    assert_non_null(reply);
    if (reply->kind == PHYSMEM_REPLY_SWAPPED)
        memcpy(numbers, reply->swapped.numbers, reply->swapped.count * sizeof(*numbers));
    return reply->error;
}

static inline uint32_t swap_drop(struct world *world, struct physmem_task *task,
                                 const uint32_t *numbers, uint32_t count)
{
    const struct physmem_request request = world_request(world, task);

    physmem_swap_drop(world->physmem, world->now, &request, numbers, count);
    world_run(world);
    return world_reply(world, request.seq)->error;
}

/* Where a slot lies, with rights to it; they are given up again. */
static inline uint64_t *swap_page(struct world *world, struct physmem_task *task,
                                  uint32_t container, uint32_t slot, bool write)
{
    uint8_t rights = write ? SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE : SLOT_READ;
    const struct physmem_effect *reply = world_map_as(world, task, container, slot, 1, rights);
    const struct physmem_map_item *item = &world->items[0];
    struct physmem_shell_extent *extent;

    assert_int_equal(reply->kind, PHYSMEM_REPLY_MAPPED);
    extent = world_extent(world, item->extent);
    assert_non_null(extent);
    uint64_t *page = &extent->page[item->offset];
    world_range(world, physmem_unmap_own, task, container, slot, 1);
    return page;
}

#endif
