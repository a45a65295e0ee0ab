#include "core/contracts/contract.h"

#include <errno.h>
#include <stddef.h>

#include "base/assert.h"

#define MOVE(state) (1u << SP_CONTRACT_##state)

static const struct {
    const char *text;
    int error;      /* of a step that is not possible in this state */
    unsigned moves; /* MOVE() of the states that may follow */
    bool alive;
} states[SP_CONTRACT_STATES] = {
    [SP_CONTRACT_NONE] = {"there is no contract of this number", ENOENT,
                          MOVE(COUNTERED) | MOVE(ACTIVE), false},
    [SP_CONTRACT_COUNTERED] = {"the contract is countered: accept it first", EBUSY,
                               MOVE(ACTIVE) | MOVE(COUNTERED) | MOVE(CLOSED) | MOVE(BREACHED),
                               true},
    [SP_CONTRACT_ACTIVE] = {"the contract is active: there is nothing to accept", EALREADY,
                            MOVE(ACTIVE) | MOVE(EXPIRED) | MOVE(CLOSED) | MOVE(BREACHED), true},
    [SP_CONTRACT_EXPIRED] = {"the contract has expired: renew it first", ETIME,
                             MOVE(ACTIVE) | MOVE(RECALLED) | MOVE(CLOSED) | MOVE(BREACHED), true},
    [SP_CONTRACT_RECALLED] = {"the frames of the contract have been recalled: return "
                              "them and propose another",
                              EINPROGRESS, MOVE(EXPIRED) | MOVE(CLOSED) | MOVE(BREACHED), true},
    [SP_CONTRACT_CLOSED] = {"the contract is closed", ENOENT, 0, false},
    [SP_CONTRACT_BREACHED] = {"the contract has been breached", EPIPE, 0, false},
};

/* States in which a step is possible; CONTRACT_STEPS is one that is possible in none. */
static const unsigned steps[CONTRACT_STEPS + 1] = {
    [CONTRACT_ACCEPT] = MOVE(COUNTERED) | MOVE(ACTIVE) | MOVE(EXPIRED),
    [CONTRACT_RENEW] = MOVE(ACTIVE) | MOVE(EXPIRED),
    [CONTRACT_RESIZE] = MOVE(ACTIVE),
    [CONTRACT_SPLIT] = MOVE(ACTIVE),
    [CONTRACT_CLOSE] = MOVE(COUNTERED) | MOVE(ACTIVE) | MOVE(EXPIRED),
};

void contract_move(struct contract *contract, enum sp_contract_state to)
{
    ensure(to < SP_CONTRACT_STATES);
    ensure((states[contract->state].moves & (1u << to)) != 0);
    contract->state = (uint8_t)to;
}

const char *contract_state_text(unsigned state)
{
    return state < SP_CONTRACT_STATES ? states[state].text : "?";
}

int contract_step_error(enum contract_step step, unsigned state)
{
    check(step <= CONTRACT_STEPS && state < SP_CONTRACT_STATES);
    return (steps[step] & (1u << state)) != 0 ? 0 : states[state].error;
}

enum sp_reason contract_refusal(const struct contract_limits *limits, const struct sp_terms *terms)
{
    if (terms->kind >= SP_CONTRACT_KINDS || terms->on_breach >= SP_BREACH_ACTIONS ||
        terms->grace_unit >= SP_GRACE_UNITS)
        return SP_REASON_UNKNOWN_KIND;
    if (terms->frames == 0)
        return SP_REASON_ZERO_FRAMES;
    if (terms->min > terms->frames)
        return SP_REASON_MIN_ABOVE_FRAMES;
    if (terms->term_ns == 0)
        return SP_REASON_ZERO_TERM;
    if (terms->on_breach == SP_BREACH_KILL && !limits->can_kill)
        return SP_REASON_UNKNOWN_KIND;
    if (terms->order > limits->max_order || terms->frames % (UINT32_C(1) << terms->order) != 0)
        return SP_REASON_ORDER;
    check(terms->frames > 0 && terms->min <= terms->frames);
    return SP_REASON_NONE;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

static void put_in_defaults(const struct contract_limits *limits, struct sp_terms *terms)
{
    bool timed = terms->grace_unit == SP_GRACE_TIME;

    if (terms->weight == 0)
        terms->weight = 1;
    if (terms->t_clean == 0)
        terms->t_clean = timed ? at_most(SP_DEFAULT_T_CLEAN_NS, limits->max_grace_ns)
                               : CONTRACT_CLEAN_ALLOCATIONS;
    if (terms->t_drop == 0)
        terms->t_drop =
            timed ? at_most(SP_DEFAULT_T_DROP_NS, limits->max_grace_ns) : CONTRACT_DROP_ALLOCATIONS;
    check(terms->weight > 0 && terms->t_clean > 0 && terms->t_drop > 0);
}

/* Counter a grace that is longer than physmem gives. One in allocations ends by another clock. */
static void bound_grace(const struct contract_limits *limits, struct sp_offer *offer)
{
    struct sp_terms *terms = &offer->terms;
    uint64_t most = limits->max_grace_ns;

    check(most > 0);
    if (terms->grace_unit != SP_GRACE_TIME || (terms->t_clean <= most && terms->t_drop <= most))
        return;
    terms->t_clean = at_most(terms->t_clean, most);
    terms->t_drop = at_most(terms->t_drop, most);
    offer->answer = SP_COUNTERED;
    offer->reason = SP_REASON_LONG_TERM;
    check(terms->t_clean <= most && terms->t_drop <= most);
}

static uint64_t retry_hint(const struct contract_limits *limits, const struct sp_terms *terms)
{
    uint32_t least = terms->min > 0 ? terms->min : 1;

    check(limits->now < DEADLINE_NEVER);
    if (least > limits->frames)
        return 0;
    if (limits->next_end == DEADLINE_NEVER)
        return CONTRACT_RETRY_NS;
    return limits->next_end > limits->now ? limits->next_end - limits->now : 1;
}

void contract_limits_return(struct contract_limits *limits, const struct sp_terms *terms)
{
    int64_t *left = &limits->left_extra;

    if (contract_is_committed(terms)) {
        check(limits->committed >= terms->frames);
        limits->committed -= terms->frames;
        left = &limits->left_committed;
    }
    *left += terms->frames;
}

/* Cut an offer down to whole blocks among `room` frames, for this reason. */
static void offer_cut(struct sp_offer *offer, int64_t frames, enum sp_reason reason)
{
    struct sp_terms *terms = &offer->terms;
    uint32_t room = frames < 0 ? 0 : frames > UINT32_MAX ? UINT32_MAX : (uint32_t)frames;

    check(terms->frames > 0 && terms->min <= terms->frames);
    room -= room % (UINT32_C(1) << terms->order);
    if (terms->frames <= room)
        return;
    offer->reason = (uint8_t)reason;
    offer->answer = room > 0 && room >= terms->min ? SP_COUNTERED : SP_REFUSED;
    terms->frames = room;
}

void contract_answer(const struct contract_limits *limits, const struct sp_terms *wish,
                     struct sp_offer *offer)
{
    uint32_t room = limits->frames;
    struct sp_terms *terms = &offer->terms;

    *offer = (struct sp_offer){.answer = SP_ACCEPTED, .terms = *wish};
    offer->reason = (uint8_t)contract_refusal(limits, wish);
    if (offer->reason != SP_REASON_NONE) {
        offer->answer = SP_REFUSED;
        return;
    }
    put_in_defaults(limits, terms);
    if (contract_is_committed(terms))
        room -= limits->committed < room ? limits->committed : room;
    if (terms->term_ns > limits->max_term_ns) {
        terms->term_ns = limits->max_term_ns;
        offer->answer = SP_COUNTERED;
        offer->reason = SP_REASON_LONG_TERM;
    }
    bound_grace(limits, offer);
    /* Check first what the task may never have, then what is not there now. */
    if (limits->bounded)
        offer_cut(offer, contract_is_committed(terms) ? limits->left_committed : limits->left_extra,
                  SP_REASON_NOT_ENTITLED);
    if (offer->answer == SP_REFUSED)
        return;
    offer_cut(offer, room, SP_REASON_OVERCOMMITTED);
    if (offer->answer == SP_REFUSED)
        offer->retry_ns = retry_hint(limits, terms);
    check(offer->answer != SP_ACCEPTED || terms->frames == wish->frames);
}

const char *contract_check(const struct contract *contract)
{
    if (contract->state >= SP_CONTRACT_STATES || !states[contract->state].alive)
        return "a contract that is not alive is in the list";
    if (contract->recalling > contract->kept)
        return "more frames of a contract are recalled than were kept";
    if (contract->recalling > 0 && contract->state != SP_CONTRACT_RECALLED &&
        contract->state != SP_CONTRACT_ACTIVE)
        return "a contract has frames recalled but is not in that state";
    if (contract->state == SP_CONTRACT_RECALLED && contract->recalling == 0)
        return "a recalled contract has nothing recalled";
    if (deadline_is_running(&contract->event) !=
        (contract->state == SP_CONTRACT_ACTIVE && contract->ends != DEADLINE_NEVER))
        return "the end of a term is watched for a contract that is not active, or not watched";
    if (contract->state == SP_CONTRACT_COUNTERED && contract->kept != 0)
        return "a contract that was not agreed to is in holdover";
    if (contract->terms.frames == 0 || contract->terms.min > contract->terms.frames)
        return "a contract has no frames, or fewer than it may";
    if (contract->state != SP_CONTRACT_ACTIVE &&
        (contract->part != NULL || contract->parts != NULL))
        return "a contract that is not active is in a tree of parts";
    if ((contract->part == NULL) != (contract->depth == 0) || contract->depth > PART_DEPTH_MAX)
        return "a contract is not as deep in a tree of parts as it says";
    if (contract->part != NULL && contract->ends != DEADLINE_NEVER)
        return "a part has a term of its own";
    return NULL;
}
