#include "core/contracts/agreements.h"

#include <stddef.h>

#include "base/assert.h"

static bool is_active(const struct agreement *agreement)
{
    check(agreement->number != 0 || agreement->state == SP_CONTRACT_NONE);
    return agreement->state == SP_CONTRACT_ACTIVE && !agreement->is_early;
}

struct agreements_sums agreements_sum(const struct agreements *agreements)
{
    struct agreements_sums sums = {0, 0, false};

    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct agreement *agreement = &agreements->agreement[i];

        if (!is_active(agreement))
            continue;
        if (agreement->terms.kind == SP_GUARANTEED)
            sums.guaranteed += agreement->terms.frames;
        else
            sums.extra += agreement->terms.frames;
        if (agreement->terms.on_breach == SP_BREACH_PENALTY ||
            agreement->terms.on_breach == SP_BREACH_REPOSSESS)
            sums.may_lose = true;
    }
    return sums;
}

/* Number 0 finds one that is unused. */
static struct agreement *find(struct agreements *agreements, uint32_t number)
{
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (agreements->agreement[i].number == number)
            return &agreements->agreement[i];
    return NULL;
}

const struct agreement *agreements_find(const struct agreements *agreements, uint32_t number)
{
    for (uint32_t i = 0; i < TERMS_MAX && number != 0; i++)
        if (agreements->agreement[i].number == number)
            return &agreements->agreement[i];
    return NULL;
}

static void drop(struct agreement *agreement)
{
    *agreement = (struct agreement){.number = 0};
    check(!is_active(agreement));
}

/* Nothing more can be done with a contract in this state. */
static bool is_over(enum sp_contract_state state)
{
    return state != SP_CONTRACT_ACTIVE && state != SP_CONTRACT_EXPIRED;
}

/* Whether change `change` is at least as new as what is known. */
static bool is_news(const struct agreement *agreement, uint32_t change)
{
    check(agreement->number != 0 || agreement->change == 0);
    return (int32_t)(change - agreement->change) >= 0;
}

/* Where news of a contract is noted: NULL if it is one that is no more. One that no offer has named yet gets
 * a place. */
static struct agreement *find_for_news(struct agreements *agreements, uint32_t number)
{
    struct agreement *agreement = number != 0 ? find(agreements, number) : NULL;

    if (agreement != NULL || number == 0 || number <= agreements->offered)
        return agreement;
    agreement = find(agreements, 0);
    if (agreement != NULL)
        *agreement = (struct agreement){.number = number, .is_early = true};
    return agreement;
}

/* The offer comes that made a contract of which there was news already. */
static void catch_up(struct agreement *agreement, const struct sp_terms *terms)
{
    uint32_t frames = agreement->terms.frames;

    check(agreement->is_early && agreement->number != 0);
    agreement->is_early = false;
    agreement->terms = *terms;
    if (frames > 0)
        agreement->terms.frames = frames;
    if (is_over(agreement->state))
        drop(agreement);
}

void agreements_offered(struct agreements *agreements, const struct sp_offer *offer,
                        enum sp_contract_state state, uint32_t change)
{
    bool agreed = offer->answer == SP_ACCEPTED || state == SP_CONTRACT_COUNTERED;
    struct agreement *agreement;

    if (offer->contract == 0)
        return;
    agreement = find(agreements, offer->contract);
    if (agreement == NULL && agreed)
        agreement = find(agreements, 0);
    if (offer->contract > agreements->offered)
        agreements->offered = offer->contract;
    if (agreement == NULL)
        return;
    if (agreement->is_early && !is_news(agreement, change)) {
        if (agreed)
            catch_up(agreement, &offer->terms);
        return;
    }
    if (!is_news(agreement, change))
        return;
    agreement->number = offer->contract;
    agreement->state = (uint8_t)state;
    agreement->change = change;
    agreement->is_early = false;
    if (agreed)
        agreement->terms = offer->terms;
    check(find(agreements, offer->contract) == agreement);
}

bool agreements_changed(struct agreements *agreements, uint32_t number,
                        enum sp_contract_state state, uint32_t frames, uint32_t change)
{
    struct agreement *agreement = find_for_news(agreements, number);

    if (agreement == NULL || !is_news(agreement, change))
        return false;
    agreement->state = (uint8_t)state;
    agreement->change = change;
    agreement->terms.frames = frames;
    if (is_over(state) && !agreement->is_early)
        drop(agreement);
    check(agreement->number == 0 || agreement->number == number);
    return true;
}

void agreements_expired(struct agreements *agreements, uint32_t number, uint32_t change)
{
    struct agreement *agreement = find_for_news(agreements, number);

    if (agreement == NULL || !is_news(agreement, change))
        return;
    check(agreement->number == number);
    agreement->state = SP_CONTRACT_EXPIRED;
    agreement->change = change;
}

void agreements_split(struct agreements *agreements, uint32_t number, uint32_t left,
                      uint32_t change)
{
    struct agreement *agreement = number != 0 ? find(agreements, number) : NULL;

    if (agreement == NULL || !is_news(agreement, change))
        return;
    check(agreement->number == number);
    agreement->change = change;
    agreement->terms.frames = left;
}

void agreements_closed(struct agreements *agreements, uint32_t number)
{
    struct agreement *agreement = number != 0 ? find(agreements, number) : NULL;

    if (agreement != NULL)
        drop(agreement);
    check(agreements_find(agreements, number) == NULL);
}

void agreements_forget_countered(struct agreements *agreements, uint32_t but)
{
    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        struct agreement *agreement = &agreements->agreement[i];

        if (agreement->state == SP_CONTRACT_COUNTERED && agreement->number != but)
            drop(agreement);
    }
}
