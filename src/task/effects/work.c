#include "task/effects/work.h"

#include "base/assert.h"
#include "task/effects/apart.h"
#include "task/effects/bits.h"
#include "task/effects/memory.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static void note_page(struct work_page *entry, const struct pager_effect *effect)
{
    check(effect->page != SP_NO_PAGE);
    *entry = (struct work_page){.page = effect->page, .slot = effect->slot, .swap = effect->swap};
}

/* The swap slots are looked up now: the page may soon have others. */
static void note_free(const struct sp_task *task, struct work *work,
                      const struct pager_effect *effect)
{
    ensure(work->frees + unit_pages(task) <= WIRE_BATCH);
    for (uint32_t i = 0; i < unit_pages(task); i++)
        work->free_swap[work->frees++] = units_swap_slot(task, effect->page, effect->swap, i);
}

static void unmap(struct sp_task *task, const struct pager_effect *effect, uint32_t count)
{
    check(count > 0);
    if (effect->apart)
        apart_unmap(task, effect->page, count);
    else
        memory_unmap(task, effect->page, count);
}

/* Carry out an effect that concerns this process alone. False: it is none. */
static bool carry_out(struct sp_task *task, const struct pager_effect *effect)
{
    check(hold_is_ours());
    switch (effect->kind) {
    case EFFECT_MAP:
        memory_map(task, effect, pager_next_neighbours(&task->pager, effect));
        return true;
    case EFFECT_PROTECT:
        memory_protect(task, effect, pager_next_neighbours(&task->pager, effect));
        return true;
    case EFFECT_ARM:
        bits_arm(task, effect, pager_next_neighbours(&task->pager, effect));
        return true;
    case EFFECT_UNMAP:
        unmap(task, effect, pager_next_neighbours(&task->pager, effect));
        return true;
    case EFFECT_CLEAR:
        memory_clear(task, effect->slot);
        return true;
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_REFILL:
    case EFFECT_ALLOCATE:
    case EFFECT_GRANT:
    case EFFECT_FREE_SWAP:
    case EFFECT_RETURN:
        break;
    }
    return false;
}

/* Note an effect that needs a message. A function of its own: most calls into the pager need none. */
static __attribute__((noinline)) void note(struct sp_task *task, struct work *work,
                                           const struct pager_effect *effect)
{
    check(hold_is_ours());
    switch (effect->kind) {
    case EFFECT_STORE:
        ensure(work->stores < PAGER_BATCH);
        note_page(&work->store[work->stores++], effect);
        break;
    case EFFECT_LOAD:
        ensure(work->loads < PAGER_BATCH);
        note_page(&work->load[work->loads++], effect);
        break;
    case EFFECT_REFILL:
        ensure(!work->refill);
        note_page(&work->refilled, effect);
        work->refill = true;
        break;
    case EFFECT_ALLOCATE:
        ensure(!work->allocate);
        work->allocate = true;
        work->extra = effect->extra;
        work->allocate_slot = effect->slot;
        work->allocate_count = effect->count;
        break;
    case EFFECT_GRANT:
        ensure(!work->grant);
        work->grant = true;
        work->grant_slot = effect->slot;
        work->grant_count = effect->count;
        break;
    case EFFECT_FREE_SWAP:
        note_free(task, work, effect);
        break;
    case EFFECT_RETURN:
        ensure(work->returns < WORK_RETURNS);
        work->return_slot[work->returns++] = effect->slot;
        break;
    case EFFECT_MAP:
    case EFFECT_PROTECT:
    case EFFECT_ARM:
    case EFFECT_UNMAP:
    case EFFECT_CLEAR:
        break; /* carried out */
    }
}

void work_collect(struct sp_task *task, struct work *work)
{
    struct pager_effect effect;

    ensure(hold_is_ours());
    while (pager_next_effect(&task->pager, &effect))
        if (!carry_out(task, &effect))
            note(task, work, &effect);
    bits_end_call(task);
    work->late = task->pager.late_wanted > 0;
    check(task->pager.effects_end == 0);
}

void work_carry_out(struct sp_task *task)
{
    struct pager_effect effect;

    ensure(hold_is_ours());
    while (pager_next_effect(&task->pager, &effect))
        if (!carry_out(task, &effect))
            ensure(!"an effect that needs a message, where none can be sent");
    bits_end_call(task);
    check(task->pager.effects_end == 0);
}
