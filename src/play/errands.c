#include "play/errands.h"

#include "base/assert.h"
#include "play/waiting.h"

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
               actor_lag(actor, lane, false));
}

void errands_return(struct actor *actor, struct pager_work *errands)
{
    struct letter *letter = errands->returns > 0 ? errands_letter(actor, LETTER_DEALLOCATE) : NULL;

    for (uint32_t i = 0; i < errands->returns && letter != NULL; i++) {
        uint32_t slot = actor_base(actor, errands->returned[i]), pages = actor_base(actor, 1);
        struct physmem_range *last =
            letter->returns.count > 0 ? &letter->returns.range[letter->returns.count - 1] : NULL;

        if (last != NULL && last->start + last->count == slot)
            last->count += pages;
        else
            letter->returns.range[letter->returns.count++] = (struct physmem_range){slot, pages};
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

/* Note the slots of swap that a page has had. */
static void add_frees(const struct actor *actor, struct letter *letter, sp_page page, uint32_t swap)
{
    for (uint32_t i = 0; i < actor_base(actor, 1); i++) {
        ensure(letter->swap.frees < LETTER_FREES);
        letter->swap.free[letter->swap.frees++] = actor_swap_slot(actor, page, swap, i);
    }
}

static void add_store(const struct actor *actor, struct letter *letter,
                      const struct pager_effect *store)
{
    for (uint32_t i = 0; i < actor_base(actor, 1); i++) {
        uint32_t n = letter->swap.stores++, slot = actor_base(actor, store->slot) + i;

        ensure(n < PAGER_BATCH);
        letter->swap.page[n] = store->page;
        letter->swap.slot[n] = slot;
        letter->swap.extent[n] = actor->extent[slot / EXTENT_PAGES];
    }
    if (store->swap != PAGER_NONE)
        add_frees(actor, letter, store->page, store->swap);
}

void errands_free(struct actor *actor, const struct letter *answer, uint32_t first, uint32_t count)
{
    struct letter *letter = actor->order > 0 ? errands_letter(actor, 0) : NULL;

    if (letter == NULL)
        return;
    for (uint32_t i = first; i < first + count; i++)
        if (answer->swap.error[i] == 0)
            letter->swap.free[letter->swap.frees++] = answer->swap.slot[i];
    errands_post(actor, letter, (enum scene_lane)answer->lane);
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
    for (uint32_t i = 0; i < errands->stores; i++)
        add_store(actor, letter, &errands->store[i]);
    /* Of a page that is larger than a base page the pager knows the number of the page. */
    for (uint32_t i = 0; i < errands->frees; i++)
        add_frees(actor, letter, errands->free[i], errands->free[i]);
    if (lane == LANE_SWAP && errands->stores > 0) {
        actor->stores_sent++;
        actor->sent++;
    }
    errands->stores = errands->frees = 0;
    errands_post(actor, letter, lane);
}

void errands_read(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;
    uint32_t slot[PAGER_BATCH], there = 0;

    check(letter->swap.loads > 0 && letter->swap.loads <= PAGER_BATCH);
    letter->device = scene->server[SCENE_SWAP].life;
    for (uint32_t i = 0; i < letter->swap.loads; i++) {
        struct letter_load *load = &letter->swap.load[i];

        load->error = -device_pin(&scene->device, actor->number, load->from);
        if (load->error == 0)
            slot[there++] = load->from;
    }
    scene_at(scene, device_load(&scene->device, slot, there, scene->now), SCENE_DEVICE_LOADED,
             actor->number, actor->life, (uintptr_t)letter);
}

void errands_load(struct actor *actor, struct pager_work *errands)
{
    struct letter *letter = errands_letter(actor, 0);

    if (letter == NULL)
        return;
    check(errands->loads > 0 && !actor->scene->server[SCENE_SWAP].away);
    letter->lane = LANE_SWAP;
    letter->swap.loads = actor_base(actor, errands->loads);
    for (uint32_t i = 0; i < letter->swap.loads; i++) {
        const struct pager_effect *load = &errands->load[actor_units(actor, i)];
        uint32_t within = i & (actor_base(actor, 1) - 1);

        letter->swap.load[i] =
            (struct letter_load){.page = load->page,
                                 .from = actor_swap_slot(actor, load->page, load->swap, within),
                                 .to = actor_base(actor, load->slot) + within};
    }
    errands->loads = 0;
    letter->swap.served = waiting_is_metered(actor->scene);
    if (letter->swap.served)
        errands_post(actor, letter, LANE_SWAP);
    else
        errands_read(actor, letter);
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
