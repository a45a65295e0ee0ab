#include "play/errands.h"

#include "base/assert.h"
#include "play/pages.h"

static void note(struct errands *errands, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_STORE:
        ensure(errands->stores < PAGER_BATCH);
        errands->store[errands->stores++] = *effect;
        break;
    case EFFECT_LOAD:
        ensure(errands->loads < PAGER_BATCH);
        errands->load[errands->loads++] = *effect;
        break;
    case EFFECT_REFILL:
        ensure(!errands->refill);
        errands->refill = true;
        errands->refilled = *effect;
        break;
    case EFFECT_ALLOCATE:
        ensure(!errands->allocate);
        errands->allocate = true;
        errands->extra = effect->extra;
        errands->slot = effect->slot;
        errands->count = effect->count;
        break;
    case EFFECT_GRANT:
        ensure(!errands->grant);
        errands->grant = true;
        errands->slot = effect->slot;
        errands->count = effect->count;
        break;
    case EFFECT_FREE_SWAP:
        ensure(errands->frees < LETTER_FREES);
        errands->free[errands->frees++] = effect->swap;
        break;
    case EFFECT_RETURN:
        ensure(errands->returns < LETTER_RETURNS);
        errands->returned[errands->returns++] = effect->slot;
        break;
    case EFFECT_MAP:
    case EFFECT_PROTECT:
    case EFFECT_ARM:
    case EFFECT_UNMAP:
    case EFFECT_CLEAR:
        break;
    }
}

void errands_collect(struct actor *actor, struct errands *errands)
{
    struct pager_effect effect;

    while (pager_next_effect(&actor->pager, &effect)) {
        if (effect.kind == EFFECT_CLEAR)
            pages_load(actor, effect.slot, 0);
        else if (effect.kind == EFFECT_MAP)
            pages_map(actor, effect.page, effect.slot);
        else
            note(errands, &effect);
    }
}

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

void errands_return(struct actor *actor, struct errands *errands)
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

void errands_swap(struct actor *actor, struct errands *errands, enum scene_lane lane)
{
    struct letter *letter;

    if ((errands->stores | errands->loads | errands->frees) == 0)
        return;
    letter = errands_letter(actor, 0);
    if (letter == NULL)
        return;
    for (uint32_t i = 0; i < errands->stores; i++) {
        const struct pager_effect *store = &errands->store[i];

        letter->swap.page[i] = store->page;
        letter->swap.slot[i] = store->slot;
        letter->swap.extent[i] = actor->extent[store->slot / EXTENT_PAGES];
        if (store->swap != PAGER_NONE)
            letter->swap.free[letter->swap.frees++] = store->swap;
    }
    ensure(letter->swap.frees + errands->frees <= LETTER_FREES);
    for (uint32_t i = 0; i < errands->frees; i++)
        letter->swap.free[letter->swap.frees++] = errands->free[i];
    letter->swap.stores = errands->stores;
    letter->swap.loads = errands->loads;
    for (uint32_t i = 0; i < errands->loads; i++)
        letter->swap.load[i] = (struct letter_load){.page = errands->load[i].page,
                                                    .from = errands->load[i].swap,
                                                    .to = errands->load[i].slot};
    if (lane == LANE_SWAP && errands->stores > 0)
        actor->stores_sent++;
    errands->stores = errands->frees = 0;
    errands_post(actor, letter, lane);
}

void errands_finish(struct actor *actor, struct errands *errands)
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
