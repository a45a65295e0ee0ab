#include "core/leases/tenancy.h"

#include "base/assert.h"
#include "base/deadlines.h"
#include "base/least.h"

const char *tenancy_prepare(struct wanted_contract *wanted)
{
    if (wanted->terms.grace_unit == SP_GRACE_ALLOCATIONS)
        return "grace must be a time, as drop=2s, since tasks get a part of it";
    if (wanted->terms.order > 0)
        return "order must be 0: frames are lent one by one";
    if (wanted->token == 0 && !wanted->says_breach)
        wanted->terms.on_breach = SP_BREACH_REPOSSESS;
    return NULL;
}

/* Where a contract stands; TERMS_MAX: it is not known. */
static uint32_t place_of(const struct tenancy *tenancy, uint32_t number)
{
    const struct agreement *found = agreements_find(&tenancy->agreements, number);

    return found != NULL ? (uint32_t)(found - tenancy->agreements.agreement) : TERMS_MAX;
}

/* When a term that was asked for at `since` ends. */
static uint64_t end_of(uint64_t since, uint64_t term_ns)
{
    return term_ns >= DEADLINE_NEVER - since ? DEADLINE_NEVER : since + term_ns;
}

void tenancy_concluded(struct tenancy *tenancy, const struct wanted_contract *wanted,
                       const struct sp_offer *offer, enum sp_contract_state state, uint32_t change,
                       uint64_t since)
{
    uint32_t place;

    ensure(offer->answer == SP_ACCEPTED);
    agreements_offered(&tenancy->agreements, offer, state, change);
    tenancy->frames += offer->terms.frames;
    place = place_of(tenancy, offer->contract);
    if (place < TERMS_MAX) /* it may have ended since */
        tenancy->term[place] =
            (struct tenancy_term){.asked = since,
                                  .ends = end_of(since, offer->terms.term_ns),
                                  .renewed = wanted->token == 0 ? wanted->terms.term_ns : 0};
}

uint64_t tenancy_renew(struct tenancy *tenancy, uint32_t number, uint64_t now)
{
    uint32_t place = place_of(tenancy, number);

    if (place == TERMS_MAX || tenancy->term[place].renewed == 0)
        return 0;
    check(tenancy->term[place].asked <= now);
    tenancy->term[place].asked = now;
    return tenancy->term[place].renewed;
}

void tenancy_renewed(struct tenancy *tenancy, const struct sp_offer *offer,
                     enum sp_contract_state state, uint32_t change)
{
    uint32_t place = place_of(tenancy, offer->contract);

    if (place == TERMS_MAX)
        return;
    agreements_offered(&tenancy->agreements, offer, state, change);
    if (offer->answer == SP_ACCEPTED)
        tenancy->term[place].ends = end_of(tenancy->term[place].asked, offer->terms.term_ns);
}

void tenancy_changed(struct tenancy *tenancy, uint32_t number, enum sp_contract_state state,
                     uint32_t frames, uint32_t change)
{
    (void)agreements_changed(&tenancy->agreements, number, state, frames, change);
}

void tenancy_expired(struct tenancy *tenancy, uint32_t number, uint32_t change)
{
    agreements_expired(&tenancy->agreements, number, change);
}

bool tenancy_promise(struct tenancy *tenancy)
{
    uint64_t until = DEADLINE_NEVER;
    uint32_t frames = 0;

    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct agreement *agreement = &tenancy->agreements.agreement[i];

        if (agreement->number == 0 || agreement->is_early || agreement->terms.kind == SP_EXTRA ||
            agreement->state != SP_CONTRACT_ACTIVE)
            continue;
        frames += agreement->terms.frames;
        if (tenancy->term[i].ends < until)
            until = tenancy->term[i].ends;
    }
    frames = least_of(frames, tenancy->frames);
    if (frames == tenancy->promised && until == tenancy->until)
        return false;
    tenancy->promised = frames;
    tenancy->until = until;
    return true;
}

uint64_t tenancy_grace(const struct tenancy *tenancy, uint64_t most)
{
    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct sp_terms *terms = &tenancy->agreements.agreement[i].terms;
        uint64_t grace = terms->kind == SP_GUARANTEED ? terms->t_clean : terms->t_drop;

        if (tenancy->agreements.agreement[i].number != 0 && grace < most)
            most = grace;
    }
    return most;
}
