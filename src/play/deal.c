#include "play/deal.h"

#include "base/assert.h"
#include "base/least.h"
#include "play/errands.h"

void deal_allow(struct actor *actor)
{
    struct agreements_sums sums = agreements_sum(&actor->agreements);

    /* Less what the container for files has, as in a live task. */
    uint32_t within = least_of(actor->files.frames, sums.guaranteed);
    uint32_t beyond = least_of(actor->files.frames - within, sums.extra);

    if (sums.may_lose)
        pager_growth_spread(&actor->pager);
    pager_growth_allow(&actor->pager, actor_units(actor, sums.guaranteed - within),
                       actor_units(actor, sums.extra - beyond));
    actor->stats.guaranteed = actor_units(actor, sums.guaranteed);
    actor->stats.extra = actor_units(actor, sums.extra);
}

void deal_note(struct actor *actor, const struct physmem_effect *effect)
{
    if (effect->error != 0)
        return;
    agreements_offered(&actor->agreements, &effect->offer.offer, effect->offer.state,
                       effect->offer.change);
    deal_allow(actor);
    errands_signal(actor);
}

uint32_t deal_first(const struct actor *actor, enum sp_contract_kind kind)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct agreement *agreement = &actor->agreements.agreement[i];

        if (agreement->number != 0 && agreement->terms.kind == kind &&
            (first == 0 || agreement->number < first))
            first = agreement->number;
    }
    return first;
}

void deal_split(struct actor *actor, const struct physmem_effect *effect)
{
    const struct sp_part *part = &effect->part.part;

    agreements_split(&actor->agreements, part->contract, part->left, effect->part.change);
    deal_allow(actor);
}

void deal_changed(struct actor *actor, const struct physmem_effect *effect)
{
    if (agreements_changed(&actor->agreements, effect->changed.contract, effect->changed.state,
                           effect->changed.frames, effect->changed.change)) {
        deal_allow(actor);
        pager_growth_possible(&actor->pager);
    }
    errands_signal(actor);
}

static void renew(struct actor *actor, uint32_t number)
{
    const struct agreement *agreement = agreements_find(&actor->agreements, number);
    struct letter *letter;

    if (agreement == NULL || agreement->terms.term_ns == 0)
        return;
    letter = errands_letter(actor, LETTER_RENEW);
    if (letter == NULL)
        return;
    letter->request.contract = number;
    letter->request.number = agreement->terms.term_ns;
    errands_post(actor, letter, LANE_PHYSMEM);
}

void deal_noticed(struct actor *actor, const struct physmem_effect *effect)
{
    if (effect->notice.what == PHYSMEM_EXPIRING) {
        if (actor->config->renews)
            renew(actor, effect->notice.contract);
        return;
    }
    if (effect->notice.what == PHYSMEM_EXPIRED) {
        agreements_expired(&actor->agreements, effect->notice.contract, effect->notice.change);
        deal_allow(actor);
    }
    pager_growth_possible(&actor->pager);
    errands_signal(actor);
}
