/* What a physmem has been promised by the one above it, whose task it is: its contracts there, and until when they last.
 *
 * The shell that has the connection concludes contracts first (tenancy_concluded for each), tells the core what they
 * promise (tenancy_promise, then physmem_upstream_promised), and has news of them noted here; after each it asks
 * tenancy_promise again. Answers and news may overtake each other: see core/contracts/agreements.h. Extra frames are
 * lent on, and never promised. */
#ifndef LEASES_TENANCY_H
#define LEASES_TENANCY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/contracts/agreements.h"

/* One contract, at the same place as in the agreements. */
struct tenancy_term {
    uint64_t asked; /* when its term was asked for last */
    uint64_t ends;  /* DEADLINE_NEVER: never */
    uint64_t
        renewed; /* the term to ask for again; 0: none, as for a part of another task's contract */
};

/* All zeros: there are no contracts.
 *
 *     promised <= frames */
struct tenancy {
    struct agreements agreements;
    struct tenancy_term term[TERMS_MAX];
    uint32_t frames;   /* of all contracts, when they were concluded: the most that there can be */
    uint32_t promised; /* by those that are active now, and not for extra frames, ... */
    uint64_t until;    /* ... until the first of these ends; DEADLINE_NEVER: for ever */
};

/* Make a contract one that a physmem may have: if its text did not say what a breach costs, frames are repossessed, for what a task does with its memory is not to cost all others theirs. Returns NULL, or
 * why it may not have it. */
const char *tenancy_prepare(struct wanted_contract *wanted);

/* A contract that was asked for at `since`, as `wanted` says, was agreed on. */
void tenancy_concluded(struct tenancy *tenancy, const struct wanted_contract *wanted,
                       const struct sp_offer *offer, enum sp_contract_state state, uint32_t change,
                       uint64_t since);

/* The term of a contract is about to end. Returns the term to ask for now, or 0: it cannot be renewed. */
uint64_t tenancy_renew(struct tenancy *tenancy, uint32_t number, uint64_t now);

/* The answer to that. */
void tenancy_renewed(struct tenancy *tenancy, const struct sp_offer *offer,
                     enum sp_contract_state state, uint32_t change);

/* News: a contract has changed; its term is over. */
void tenancy_changed(struct tenancy *tenancy, uint32_t number, enum sp_contract_state state,
                     uint32_t frames, uint32_t change);
void tenancy_expired(struct tenancy *tenancy, uint32_t number, uint32_t change);

/* Add up `promised` and `until` again. Returns whether one of them has changed, and the core is to be told. */
bool tenancy_promise(struct tenancy *tenancy);

/* Grace that every recall from above gives at least, at most `most`. */
uint64_t tenancy_grace(const struct tenancy *tenancy, uint64_t most);

#endif
