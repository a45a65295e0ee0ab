#include "play/errands.h"

#include "base/assert.h"

struct letter *errands_letter(struct actor *actor, enum letter_kind kind)
{
    struct letter *letter = scene_letter(actor->scene);

    if (letter != NULL) {
        letter->actor = actor->number;
        letter->life = actor->life;
        letter->kind = (uint8_t)kind;
    }
    return letter;
}

void errands_post(struct actor *actor, struct letter *letter, enum scene_lane lane)
{
    letter->lane = (uint8_t)lane;
    scene_send(actor->scene, letter, &actor->lanes.up[lane],
               lane == LANE_SWAP || lane == LANE_CLEANER ? SCENE_TO_SWAP : SCENE_TO_PHYSMEM,
               actor_lag(actor));
}

void errands_return(struct actor *actor, struct pager_work *errands)
{
    struct letter *letter = errands->returns > 0 ? errands_letter(actor, LETTER_DEALLOCATE) : NULL;

    for (uint32_t i = 0; i < errands->returns && letter != NULL; i++) {
        uint32_t slot = errands->returned[i];
        struct physmem_range *last =
            letter->returns.count > 0 ? &letter->returns.range[letter->returns.count - 1] : NULL;

        if (last != NULL && last->start + last->count == slot)
            last->count++;
        else
            letter->returns.range[letter->returns.count++] = (struct physmem_range){slot, 1};
    }
    errands->returns = 0;
    if (letter != NULL)
        errands_post(actor, letter, LANE_CONTROL);
}

/* In the order of pages, as a live task: neighbours of a region then lie side by side in swap. */
static void sort_stores(struct pager_work *errands)
{
    check(errands->stores <= PAGER_BATCH);
    for (uint32_t i = 1; i < errands->stores; i++) {
        struct pager_effect store = errands->store[i];
        uint32_t to = i;

        for (; to > 0 && errands->store[to - 1].page > store.page; to--)
            errands->store[to] = errands->store[to - 1];
        errands->store[to] = store;
    }
}

void errands_swap(struct actor *actor, struct pager_work *errands, enum scene_lane lane)
{
    struct letter *letter;

    if ((errands->stores | errands->frees) == 0)
        return;
    letter = errands_letter(actor, 0);
    if (letter == NULL)
        return;
    sort_stores(errands);
    for (uint32_t i = 0; i < errands->stores; i++) {
        const struct pager_effect *store = &errands->store[i];

        letter->swap.page[i] = store->page;
        letter->swap.slot[i] = store->slot;
        letter->swap.extent[i] = actor->extent[store->slot / EXTENT_PAGES];
        if (store->swap != PAGER_NONE)
            letter->swap.free[letter->swap.frees++] = store->swap;
    }
    ensure(letter->swap.frees + errands->frees <= PAGER_WORK_FREES);
    for (uint32_t i = 0; i < errands->frees; i++)
        letter->swap.free[letter->swap.frees++] = errands->free[i];
    letter->swap.stores = errands->stores;
    if (lane == LANE_SWAP && errands->stores > 0)
        actor->stores_sent++;
    errands->stores = errands->frees = 0;
    errands_post(actor, letter, lane);
}

void errands_load(struct actor *actor, struct pager_work *errands)
{
    struct scene *scene = actor->scene;
    struct letter *letter = errands_letter(actor, 0);
    uint32_t slot[PAGER_BATCH], there = 0;
    uint64_t done;

    if (letter == NULL)
        return;
    check(errands->loads > 0 && !scene->server[SCENE_SWAP].away);
    letter->lane = LANE_SWAP;
    letter->device = scene->server[SCENE_SWAP].life;
    letter->swap.loads = errands->loads;
    for (uint32_t i = 0; i < errands->loads; i++) {
        const struct pager_effect *load = &errands->load[i];
        int error = -device_pin(&scene->device, actor->number, load->swap);

        letter->swap.load[i] = (struct letter_load){
            .page = load->page, .from = load->swap, .to = load->slot, .error = error};
        if (error == 0)
            slot[there++] = load->swap;
    }
    errands->loads = 0;
    done = device_load(&scene->device, slot, there, scene->now);
    scene_at(scene, done, SCENE_DEVICE_LOADED, actor->number, actor->life, (uintptr_t)letter);
}

void errands_finish(struct actor *actor, struct pager_work *errands)
{
    errands_return(actor, errands);
    errands_swap(actor, errands, LANE_CLEANER);
    check(errands->loads == 0 && !errands->allocate && !errands->refill && !errands->grant);
}

void errands_turn(struct actor *actor, uint64_t after)
{
    scene_at(actor->scene, actor->scene->now + after, SCENE_THREAD, actor->number, actor->life,
             ++actor->turn);
}

void errands_signal(struct actor *actor)
{
    actor->events++;
    if (actor->state == THREAD_AWAITS || actor->state == THREAD_AWAITS_FRAME ||
        actor->held_back != NULL)
        errands_turn(actor, 0);
}
