#include "play/control.h"

#include "base/assert.h"
#include "base/least.h"
#include "play/deal.h"
#include "play/errands.h"
#include "play/thread.h"

/* As in a live task: frames returned in one go, and how often debts and dirty pages are looked at. */
#define PAY_STEP        32u
#define DEBT_PERIOD_NS  UINT64_C(10000000)
#define CLEAN_PERIOD_NS UINT64_C(100000000)

/* Debts that are paid are recalls that were answered. */
static void count_answered(struct actor *actor)
{
    if (actor->pager.owed > 0)
        return;
    actor->stats.recalls_answered += actor->recalls_open;
    actor->recalls_open = 0;
}

static void pay(struct actor *actor)
{
    bool drop_only = !actor->may_clean;

    while (actor->pager.owed > 0) {
        uint32_t before = actor->pager.owed, owed, stores;
        struct pager_work errands;
        bool stores_pending;

        pager_work_clear(&errands);
        owed = pager_debts_pay(&actor->pager, PAY_STEP, drop_only);
        stores_pending = actor->pager.leaving > 0;
        pager_shell_collect(&actor->shell, &errands);
        stores = errands.stores;
        errands_finish(actor, &errands);
        if (owed == before && stores == 0) {
            if (!drop_only || stores_pending)
                break;
            drop_only = false; /* nothing droppable is left: write, and hope to be in time */
        }
    }
    count_answered(actor);
}

/* Keep as many pages droppable as there are frames that can be recalled without time to write. */
static void write_ahead(struct actor *actor)
{
    const struct pager *pager = &actor->pager;
    uint32_t extra = pager->held > pager->guaranteed ? pager->held - pager->guaranteed : 0;
    struct pager_work errands;

    if (!actor->scene->has_swap || pager->owed > 0 || extra <= pager->free)
        return;
    pager_work_clear(&errands);
    pager_evict_clean(&actor->pager, extra - pager->free);
    pager_shell_collect(&actor->shell, &errands);
    errands_finish(actor, &errands);
}

/* The control thread sleeps until somebody says something, or for so long. */
static void sleep_on(struct actor *actor)
{
    uint64_t period = actor->pager.owed > 0                              ? DEBT_PERIOD_NS
                      : actor->scene->has_swap && actor->pager.extra > 0 ? CLEAN_PERIOD_NS
                                                                         : 0;

    if (period == 0 || actor->control_due <= actor->scene->now + period)
        return;
    actor->control_due = actor->scene->now + period;
    scene_at(actor->scene, actor->control_due, SCENE_CONTROL, actor->number, actor->life,
             actor->control_due);
}

void control_look(struct actor *actor)
{
    if (actor->control_due <= actor->scene->now)
        actor->control_due = UINT64_MAX;
    if (actor->revoked)
        return;
    if (actor->scene->has_swap && actor->pager.owed > 0 && actor->pager.leaving > 0)
        thread_read_answers(actor);
    pay(actor);
    write_ahead(actor);
    sleep_on(actor);
}

static void recalled(struct actor *actor, const struct physmem_effect *effect)
{
    actor->stats.recalls_heard++;
    if (actor->config->tables->workload.ignores)
        return;
    actor->recalls_open++;
    actor->may_clean = effect->recall.may_clean;
    pager_debts_owe(&actor->pager, actor_units_for(actor, effect->recall.frames));
    pager_shell_collect(&actor->shell, &actor->errands);
}

/* Rights are taken, and the answer goes out. */
static void unmap(struct actor *actor, const struct physmem_effect *effect)
{
    const struct physmem_range *range = &effect->unmap.range;
    uint32_t start = least_of(range->start, actor->slots);
    uint32_t count = least_of(range->count, actor->slots - start);
    uint32_t referenced = 0, dirty = 0;
    struct letter *letter = errands_letter(actor, LETTER_UNMAPPED);
    struct pager_work errands;

    pager_work_clear(&errands);
    if (effect->unmap.container == actor->container && count > 0)
        pager_rights_taken(&actor->pager, actor_units(actor, start),
                           actor_units_for(actor, start + count) - actor_units(actor, start),
                           effect->unmap.rights, &referenced, &dirty);
    pager_shell_collect(&actor->shell, &errands);
    check(pager_work_is_none(&errands));
    if (letter == NULL)
        return;
    letter->request.number = effect->unmap.id;
    errands_post(actor, letter, LANE_CONTROL);
}

static void repossessed(struct actor *actor, const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;
    struct pager_work errands;

    pager_work_clear(&errands);
    pager_debts_forgive(&actor->pager, actor_units(actor, effect->repossessed.frames));
    for (uint32_t i = 0; i < effect->repossessed.count; i++) {
        const struct physmem_range *item = &letter->said.item[i];
        uint32_t first = actor_units(actor, item->start);

        pager_lost(&actor->pager, first, actor_units_for(actor, item->start + item->count) - first);
    }
    pager_shell_collect(&actor->shell, &errands);
    errands_finish(actor, &errands);
    count_answered(actor);
    errands_signal(actor);
}

void control_hear(struct actor *actor, const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;

    switch ((int)effect->kind) {
    case PHYSMEM_SEND_RECALL:
        recalled(actor, effect);
        break;
    case PHYSMEM_SEND_UNMAP:
        unmap(actor, effect);
        break;
    case PHYSMEM_SEND_NOTICE:
        deal_noticed(actor, effect);
        break;
    case PHYSMEM_SEND_CHANGED:
        deal_changed(actor, effect);
        break;
    case PHYSMEM_SEND_REPOSSESSED:
        repossessed(actor, letter);
        break;
    case PHYSMEM_SEND_REVOKED:
        thread_revoked(actor);
        return;
    default:
        break;
    }
    control_look(actor);
}

void control_hear_swap(struct actor *actor, struct letter *letter)
{
    thread_stored(actor, letter);
    scene_drop(actor->scene, letter);
    control_look(actor);
}
