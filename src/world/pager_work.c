#include "world/pager_work.h"

#include <string.h>

#include "base/assert.h"

void pager_work_clear(struct pager_work *work)
{
    memset(work, 0, offsetof(struct pager_work, store));
    check(pager_work_is_none(work));
}

static void note_range(struct pager_work *work, const struct pager_effect *effect)
{
    ensure(!work->allocate && !work->grant);
    work->allocate = effect->kind == EFFECT_ALLOCATE;
    work->grant = effect->kind == EFFECT_GRANT;
    work->extra = effect->extra;
    work->slot = effect->slot;
    work->count = effect->count;
}

void pager_work_note(struct pager_work *work, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_STORE:
        ensure(work->stores < PAGER_BATCH);
        work->store[work->stores++] = *effect;
        break;
    case EFFECT_LOAD:
        ensure(work->loads < PAGER_BATCH);
        work->load[work->loads++] = *effect;
        break;
    case EFFECT_REFILL:
        ensure(!work->refill);
        work->refill = true;
        work->refilled = *effect;
        break;
    case EFFECT_ALLOCATE:
    case EFFECT_GRANT:
        note_range(work, effect);
        break;
    case EFFECT_FREE_SWAP:
        ensure(work->frees < PAGER_WORK_FREES);
        work->free[work->frees++] = effect->swap;
        break;
    case EFFECT_RETURN:
        ensure(work->returns < PAGER_WORK_RETURNS);
        work->returned[work->returns++] = effect->slot;
        break;
    case EFFECT_MAP:
    case EFFECT_PROTECT:
    case EFFECT_ARM:
    case EFFECT_UNMAP:
    case EFFECT_CLEAR:
        break;
    }
}
