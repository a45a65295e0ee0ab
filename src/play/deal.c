#include "play/deal.h"

#include "base/assert.h"
#include "play/errands.h"

static struct deal *find(struct actor *actor, uint32_t number)
{
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (actor->deal[i].number == number)
            return &actor->deal[i];
    return NULL;
}

/* Tell the pager what the active contracts add up to. */
static void update_allowance(struct actor *actor)
{
    uint32_t guaranteed = 0, extra = 0;

    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct deal *deal = &actor->deal[i];

        if (deal->number == 0 || deal->state != SP_CONTRACT_ACTIVE)
            continue;
        if (deal->terms.kind == SP_GUARANTEED)
            guaranteed += deal->terms.frames;
        else
            extra += deal->terms.frames;
    }
    pager_growth_allow(&actor->pager, guaranteed, extra);
}

static bool is_news(const struct deal *deal, uint32_t change)
{
    return (int32_t)(change - deal->change) >= 0;
}

void deal_note(struct actor *actor, const struct physmem_effect *effect)
{
    const struct sp_offer *offer = &effect->offer.offer;
    bool agreed = offer->answer == SP_ACCEPTED || effect->offer.state == SP_CONTRACT_COUNTERED;
    struct deal *deal;

    if (effect->error != 0 || offer->contract == 0)
        return;
    deal = find(actor, offer->contract);
    if (deal == NULL && agreed)
        deal = find(actor, 0);
    if (deal != NULL && is_news(deal, effect->offer.change)) {
        deal->number = offer->contract;
        deal->state = effect->offer.state;
        deal->change = effect->offer.change;
        if (agreed)
            deal->terms = offer->terms;
        update_allowance(actor);
    }
    errands_signal(actor);
}

void deal_changed(struct actor *actor, const struct physmem_effect *effect)
{
    struct deal *deal = find(actor, effect->changed.contract);

    if (effect->changed.contract != 0 && deal != NULL && is_news(deal, effect->changed.change)) {
        deal->state = effect->changed.state;
        deal->change = effect->changed.change;
        deal->terms.frames = effect->changed.frames;
        if (deal->state != SP_CONTRACT_ACTIVE && deal->state != SP_CONTRACT_EXPIRED)
            *deal = (struct deal){.number = 0};
        update_allowance(actor);
        pager_growth_possible(&actor->pager);
    }
    errands_signal(actor);
}

static void renew(struct actor *actor, uint32_t number)
{
    const struct deal *deal = number != 0 ? find(actor, number) : NULL;
    struct letter *letter;

    if (deal == NULL || deal->terms.term_ns == 0)
        return;
    letter = errands_letter(actor, LETTER_RENEW);
    if (letter == NULL)
        return;
    letter->request.contract = number;
    letter->request.number = deal->terms.term_ns;
    errands_post(actor, letter, LANE_PHYSMEM);
}

void deal_noticed(struct actor *actor, const struct physmem_effect *effect)
{
    struct deal *deal;

    if (effect->notice.what == PHYSMEM_EXPIRING) {
        if (actor->config->renews)
            renew(actor, effect->notice.contract);
        return;
    }
    if (effect->notice.what == PHYSMEM_EXPIRED) {
        deal = effect->notice.contract != 0 ? find(actor, effect->notice.contract) : NULL;
        if (deal != NULL)
            deal->state = SP_CONTRACT_EXPIRED;
        pager_growth_allow(&actor->pager, effect->notice.guaranteed, effect->notice.extra);
    }
    pager_growth_possible(&actor->pager);
    errands_signal(actor);
}
