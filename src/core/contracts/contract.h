/* One contract: its states and the moves between them, and the rules by which a proposal is
 * answered. Pure. What a contract entitles its task to is kept by physmem (core/physmem/state.h).
 *
 *              renew, grow, shrink, split       renew
 *                      .---.     .---------------------.
 *   (proposal) ----> ACTIVE <----'                     |
 *    (claim)  '------> | | '-- term over --> EXPIRED --' --- close, nothing held ---> CLOSED
 *        |      accept | |                    |   ^                                     ^
 *        '-> COUNTERED-' '- close, held -.    |   | returned in part                    |
 *                |          reabsorbed   v    v   |                                     |
 *                |                      RECALLED -'---- all returned -------------------'
 *                '----- next proposal, close ------------------------------------------>'
 *
 * From every state of a living contract a breach leads to BREACHED. CLOSED and BREACHED are ends.
 *
 * A contract that shrinks, or that loses a split part, stays ACTIVE while its surplus frames are
 * recalled: `kept` and `recalling` then count frames on top of terms.frames.
 */
#ifndef CORE_CONTRACTS_CONTRACT_H
#define CORE_CONTRACTS_CONTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "base/deadlines.h"

#define CONTRACTS_PER_TASK 8u
#define PARTS_PER_TASK     32u /* split off and not come back */
#define PART_DEPTH_MAX     8u  /* parts of parts of ... of a contract */

/* Grace in the task's own allocations when none is given (Viengoos: 1,000). */
#define CONTRACT_CLEAN_ALLOCATIONS UINT64_C(1000)
#define CONTRACT_DROP_ALLOCATIONS  UINT64_C(250)

/* When a refused proposal may be repeated if no running term has an end. */
#define CONTRACT_RETRY_NS UINT64_C(1000000000)

struct part;

struct contract {
    struct sp_terms terms;
    uint32_t number;        /* within the task */
    uint8_t state;          /* enum sp_contract_state */
    uint8_t depth;          /* contracts above it; 0 unless it is a part */
    bool closing;           /* not by its term: ends once RECALLED is over */
    uint32_t changes;       /* of state and terms so far */
    uint64_t begins;        /* of the term */
    uint64_t ends;          /* or DEADLINE_NEVER: also a part, which ends with what is above it */
    uint64_t renewal_ns;    /* term of a countered renewal, which ACCEPT agrees to; 0: none */
    uint32_t resize_frames; /* of a countered growth, which ACCEPT agrees to; 0: none */
    uint32_t kept;          /* no longer promised; the task may keep them until asked */
    uint32_t recalling;     /* of these, asked for */
    struct deadline event;  /* notice, then the end of the term */
    struct deadline end;    /* for retry hints: committed contracts only */
    struct contract *next;  /* of the same task */
    struct part *part;      /* that was claimed as this contract; NULL: none */
    struct part *parts;     /* that were split off from it */
    void *task;
};

/* Move to another state. The picture above must have this move: anything else is a bug. */
void contract_move(struct contract *contract, enum sp_contract_state to);

/* Why a step is impossible: "the contract has expired: renew it first". Static. */
const char *contract_state_text(unsigned state);

/* Steps that name a contract. */
enum contract_step {
    CONTRACT_ACCEPT = 0,
    CONTRACT_RENEW,
    CONTRACT_RESIZE,
    CONTRACT_SPLIT,
    CONTRACT_CLOSE,
    CONTRACT_STEPS,
};

/* 0 if a contract in this state can take the step, else the errno value that tells the state:
 * ENOENT (none, closed), EBUSY (countered), EALREADY (active), ETIME (expired), EINPROGRESS
 * (recalled), EPIPE (breached). The caller checks that ACCEPT has an offer to agree to;
 * CONTRACT_STEPS stands for a step that no state allows. */
int contract_step_error(enum contract_step step, unsigned state);

/* Whether frames under such a contract are committed: promised while the term runs. */
static inline bool contract_is_committed(const struct sp_terms *terms)
{
    return terms->kind == SP_GUARANTEED || terms->kind == SP_TIMED;
}

/* The frames that physmem can give. */
struct contract_limits {
    uint32_t frames;    /* that may be promised in all: those there are, less the reserve */
    uint32_t committed; /* promised by running guaranteed and timed contracts */
    unsigned max_order;
    uint64_t max_term_ns; /* or SP_FOREVER */
    uint64_t max_grace_ns;
    bool can_kill; /* the process of the task, and no other */
    uint64_t now;
    uint64_t next_end; /* when the next committed contract ends; DEADLINE_NEVER */
    /* Frames that the task may be promised beyond what it has been, if `bounded`. Negative: it has
     * been promised this many more than it may. */
    bool bounded;
    int64_t left_committed; /* by guaranteed and timed contracts */
    int64_t left_extra;
};

/* Frames of a contract with these terms, which counts no longer, are there to be promised again. */
void contract_limits_return(struct contract_limits *limits, const struct sp_terms *terms);

/* What is wrong with terms that no counter-offer can mend; SP_REASON_NONE: nothing. */
enum sp_reason contract_refusal(const struct contract_limits *limits, const struct sp_terms *terms);

/* Answer a proposal: fills answer, reason, retry_ns and terms of *offer, the latter with every
 * default put in and, if countered, with what physmem would agree to. */
void contract_answer(const struct contract_limits *limits, const struct sp_terms *wish,
                     struct sp_offer *offer);

/* NULL if the contract's books are in order, else what is wrong. Static. */
const char *contract_check(const struct contract *contract);

#endif
