/* What a task knows of its contracts: the books of a task, live or in virtual time.
 *
 * Physmem numbers the contracts of a task from 1 on, and counts what becomes of each. Answers (offers) and news
 * come over two connections, and may overtake each other, so each says which change it is about: what is older
 * than what is known is passed over. News may even come before the offer that made the contract; it is kept
 * until the offer comes, whose terms are taken then, and whose state is not. */
#ifndef CORE_CONTRACTS_AGREEMENTS_H
#define CORE_CONTRACTS_AGREEMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "core/contracts/terms_text.h"

struct agreement {
    uint32_t number; /* 0: unused */
    uint32_t change; /* physmem's count of what became of it, as far as it was heard of */
    uint8_t state;   /* enum sp_contract_state */
    bool is_early; /* its offer has not come: of its terms nothing is known but, perhaps, frames */
    struct sp_terms terms;
};

/* All zeros: there are none. */
struct agreements {
    struct agreement agreement[TERMS_MAX];
    uint32_t offered; /* the highest number that an offer had */
};

/* Base frames that active contracts add up to. */
struct agreements_sums {
    uint32_t guaranteed;
    uint32_t extra; /* extra or leased */
    bool may_lose;  /* a breach of one of them costs frames, and not everything */
};

struct agreements_sums agreements_sum(const struct agreements *agreements);

/* The contract of this number, or NULL; also one that is early. */
const struct agreement *agreements_find(const struct agreements *agreements, uint32_t number);

/* Physmem made an offer, after which a contract is in this state. */
void agreements_offered(struct agreements *agreements, const struct sp_offer *offer,
                        enum sp_contract_state state, uint32_t change);

/* A contract has changed, not by a request about it, and has so many frames now. False: that was no news. */
bool agreements_changed(struct agreements *agreements, uint32_t number,
                        enum sp_contract_state state, uint32_t frames, uint32_t change);

/* The term of a contract is over. */
void agreements_expired(struct agreements *agreements, uint32_t number, uint32_t change);

/* A part was split off from a contract, which has so many frames left. */
void agreements_split(struct agreements *agreements, uint32_t number, uint32_t left,
                      uint32_t change);

/* The task has closed a contract. */
void agreements_closed(struct agreements *agreements, uint32_t number);

/* Counter-offers were refused, or another proposal took their place; that of contract `but` stays (0: none). */
void agreements_forget_countered(struct agreements *agreements, uint32_t but);

#endif
