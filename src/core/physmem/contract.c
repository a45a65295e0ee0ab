/* Negotiation: what tasks ask for their contracts, and what they are answered. */
#include "core/contracts/contract.h"

#include "core/physmem/emit.h"
#include "core/physmem/extra.h"
#include "core/physmem/input.h"
#include "core/physmem/life.h"
#include "core/physmem/offers.h"
#include "core/physmem/promises.h"
#include "core/physmem/settle.h"

/* ---- Proposals ---- */

/* Count the answer to a proposal: once, so that an accepted counter-offer stays a countered proposal. */
static void count_answer(struct physmem *physmem, enum sp_answer answer)
{
    check(answer < SP_ANSWERS);
    physmem->counters.proposals++;
    switch (answer) {
    case SP_ACCEPTED:
        physmem->counters.accepted++;
        break;
    case SP_COUNTERED:
        physmem->counters.countered++;
        break;
    case SP_REFUSED:
        physmem->counters.refused++;
        break;
    case SP_ANSWERS: /* how many there are: not an answer */
        break;
    }
}

/* A counter-offer stands until the next proposal. */
static void drop_countered(struct physmem *physmem, struct physmem_task *task)
{
    check(task->contracts <= CONTRACTS_PER_TASK);
    for (struct contract *c = task->contract_list; c != NULL; c = c->next) {
        if (c->state == SP_CONTRACT_COUNTERED) {
            life_end(physmem, c, SP_CONTRACT_CLOSED);
            return;
        }
    }
}

/* Put into effect what was answered. */
static void agree(struct physmem *physmem, struct contract *contract, struct sp_offer *offer)
{
    ensure(offer->answer != SP_REFUSED);
    contract->terms = offer->terms;
    offer->contract = contract->number;
    if (offer->answer == SP_ACCEPTED)
        life_activate(physmem, contract);
    else
        contract_move(contract, SP_CONTRACT_COUNTERED);
}

/* A lease is extra frames that cannot be recalled. While others wait for extra frames, a task gets no
 * more of them for a term than it would get without one: bound the task to `has` frames and that. */
static void arbitrate(struct physmem *physmem, struct physmem_task *task,
                      const struct sp_terms *wish, uint32_t has, struct contract_limits *limits)
{
    uint32_t more = wish->frames > has ? wish->frames - has : 0;
    uint32_t lease;

    check(has == 0 || more > 0);
    if (wish->kind != SP_TIMED || more == 0)
        return;
    more = smaller(more, physmem->config.frames); /* a wish can be anything */
    lease = extra_may_lease(physmem, task, more, 0);
    if (lease == more || (limits->bounded && limits->left_committed <= (int64_t)has + lease))
        return;
    if (!limits->bounded)
        limits->left_extra = INT64_MAX;
    limits->bounded = true;
    limits->left_committed = (int64_t)has + lease;
}

/* The answer to a proposal, decided before anything changes. */
struct proposed {
    struct sp_offer offer;
    struct contract *contract; /* in no list yet; NULL: refused */
};

static bool has_countered(const struct physmem_task *task)
{
    const struct contract *c = task->contract_list;

    while (c != NULL && c->state != SP_CONTRACT_COUNTERED)
        c = c->next;
    check(c == NULL || c->kept == 0);
    return c != NULL;
}

/* Answer a proposal, and take the memory for its contract. Changes nothing else. False, and the request is
 * answered, if it cannot be dealt with at all. */
static bool propose_decode(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, const struct sp_terms *terms,
                           struct proposed *proposed)
{
    struct physmem_task *task = request->task;
    struct contract_limits limits;

    if (!input_begin(physmem, now, request))
        return false;
    if (!task->control) {
        emit_done(physmem, request, ENOTCONN, 0,
                  "contracts need a control connection: open it first");
        return false;
    }
    limits = offers_limits(physmem, task);
    arbitrate(physmem, task, terms, 0, &limits);
    contract_answer(&limits, terms, &proposed->offer);
    if (task->contracts == CONTRACTS_PER_TASK && proposed->offer.answer != SP_REFUSED &&
        offers_room(task) + has_countered(task) == 0) {
        proposed->offer.answer = SP_REFUSED;
        proposed->offer.reason = SP_REASON_TOO_MANY;
    }
    proposed->contract = NULL;
    if (proposed->offer.answer == SP_REFUSED)
        return true;
    proposed->contract = promises_new(physmem);
    if (proposed->contract == NULL)
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a contract");
    return proposed->contract != NULL;
}

/* Put into effect what a proposal comes to. Cannot fail. */
static void propose(struct physmem *physmem, struct physmem_task *task, struct proposed *proposed)
{
    check((proposed->contract == NULL) == (proposed->offer.answer == SP_REFUSED));
    drop_countered(physmem, task);
    if (proposed->contract == NULL)
        return;
    if (task->contracts == CONTRACTS_PER_TASK)
        offers_make_room(physmem, task);
    promises_add(task, proposed->contract);
    agree(physmem, proposed->contract, &proposed->offer);
}

void physmem_contract_propose(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, const struct sp_terms *terms)
{
    struct proposed proposed;

    if (!propose_decode(physmem, now, request, terms, &proposed))
        return;
    propose(physmem, request->task, &proposed);
    offers_reply(physmem, request, &proposed.offer, proposed.contract);
    count_answer(physmem, proposed.offer.answer);
    settle_input(physmem);
}

/* Agree to the counter-offer to a proposal, as far as physmem can still grant it. */
static void accept_countered(struct physmem *physmem, const struct physmem_request *request,
                             struct contract *contract)
{
    struct contract_limits limits = offers_limits(physmem, request->task);
    struct sp_offer offer;

    check(contract->state == SP_CONTRACT_COUNTERED);
    arbitrate(physmem, request->task, &contract->terms, 0, &limits);
    contract_answer(&limits, &contract->terms, &offer);
    if (offer.answer != SP_REFUSED) {
        agree(physmem, contract, &offer);
        offers_reply(physmem, request, &offer, contract);
    } else {
        life_end(physmem, contract, SP_CONTRACT_CLOSED);
        offers_reply(physmem, request, &offer, NULL)->offer.state = SP_CONTRACT_CLOSED;
    }
    settle_input(physmem);
}

/* ---- Contracts that run ----
 *
 * A request is answered first (..._answer), which changes nothing; then the answer is put into effect, which
 * cannot fail. An answer takes the place of the counter-offer that an earlier request was answered with. */

/* The refusal of what a part cannot have, what makes no sense, or what other tasks wait for. */
static struct sp_offer refusal(const struct contract *contract, const struct sp_terms *wish,
                               enum sp_reason reason)
{
    ensure(reason != SP_REASON_NONE);
    return (struct sp_offer){.answer = SP_REFUSED,
                             .reason = (uint8_t)reason,
                             .contract = contract->number,
                             .terms = *wish};
}

/* What physmem can grant of a wish about a contract, within `limits`. */
static struct sp_offer weigh(const struct contract *contract, const struct contract_limits *limits,
                             const struct sp_terms *wish)
{
    struct sp_offer offer;

    check(contract->part == NULL);
    contract_answer(limits, wish, &offer);
    offer.contract = contract->number;
    offer.terms.min = contract->terms.min;
    return offer;
}

/* The answer to a request for a new term of `term_ns`. */
static struct sp_offer renew_answer(struct physmem *physmem, const struct contract *contract,
                                    uint64_t term_ns)
{
    struct contract_limits limits = offers_limits(physmem, contract->task);
    struct sp_terms wish = contract->terms;

    check(contract->state == SP_CONTRACT_ACTIVE || contract->state == SP_CONTRACT_EXPIRED);
    wish.term_ns = term_ns;
    wish.min = wish.frames; /* a renewal is for the same frames or not at all */
    if (contract->part != NULL)
        return refusal(contract, &wish, SP_REASON_PART);
    if (wish.kind == SP_TIMED)
        wish.frames = extra_may_lease(physmem, contract->task, wish.frames, wish.frames);
    if (wish.frames < wish.min)
        return refusal(contract, &wish, SP_REASON_NOT_ENTITLED);
    if (contract->state == SP_CONTRACT_ACTIVE)
        contract_limits_return(&limits, &wish);
    return weigh(contract, &limits, &wish);
}

static void renew(struct physmem *physmem, struct contract *contract, const struct sp_offer *offer)
{
    check(offer->contract == contract->number);
    contract->renewal_ns = 0;
    if (offer->answer == SP_ACCEPTED) {
        contract->terms = offer->terms;
        life_activate(physmem, contract);
    } else if (offer->answer == SP_COUNTERED) {
        contract->renewal_ns = offer->terms.term_ns;
        contract->resize_frames = 0;
    }
}

/* The answer to a request for `frames` frames, more than the contract has. */
static struct sp_offer growth_answer(struct physmem *physmem, const struct contract *contract,
                                     uint32_t frames)
{
    struct contract_limits limits = offers_limits(physmem, contract->task);
    uint32_t block = UINT32_C(1) << contract->terms.order;
    struct sp_terms wish = contract->terms;

    ensure(frames > contract->terms.frames);
    wish.frames = frames;
    wish.min = frames;
    if (contract->part != NULL)
        return refusal(contract, &wish, SP_REASON_PART);
    /* One block more is worth having. */
    if (frames - contract->terms.frames > block)
        wish.min = contract->terms.frames + block;
    contract_limits_return(&limits, &contract->terms);
    arbitrate(physmem, contract->task, &wish, contract->terms.frames, &limits);
    return weigh(contract, &limits, &wish);
}

/* The answer to a request for `frames` frames, at most those that the contract has. A contract can always
 * shrink: only whether the terms make sense is checked. */
static struct sp_offer shrinking_answer(const struct physmem *physmem,
                                        const struct contract *contract, uint32_t frames)
{
    const struct physmem_task *task = contract->task;
    const struct contract_limits limits = {.max_order = physmem->config.max_order,
                                           .can_kill = task->identity.can_be_killed};
    struct sp_terms wish = contract->terms;
    enum sp_reason reason;

    check(frames <= contract->terms.frames);
    wish.frames = frames;
    wish.min = smaller(wish.min, frames);
    reason = contract_refusal(&limits, &wish);
    if (reason != SP_REASON_NONE)
        return refusal(contract, &wish, reason);
    return (struct sp_offer){.answer = SP_ACCEPTED, .contract = contract->number, .terms = wish};
}

static struct sp_offer resize_answer(struct physmem *physmem, const struct contract *contract,
                                     uint32_t frames)
{
    check(contract->state == SP_CONTRACT_ACTIVE);
    return frames > contract->terms.frames ? growth_answer(physmem, contract, frames)
                                           : shrinking_answer(physmem, contract, frames);
}

/* Give up `less` frames of the contract, which keeps at least one. */
static void give_up(struct physmem *physmem, struct contract *contract, uint32_t less)
{
    ensure(less < contract->terms.frames);
    if (less == 0)
        return;
    if (contract->part != NULL)
        life_part_less(physmem, contract->part, less);
    else
        promises_less(physmem, contract, less);
    life_shrink(physmem, contract, less);
}

static void resize(struct physmem *physmem, struct contract *contract, const struct sp_offer *offer)
{
    uint32_t has = contract->terms.frames;

    check(offer->contract == contract->number);
    contract->resize_frames = 0;
    if (offer->answer == SP_COUNTERED) {
        contract->resize_frames = offer->terms.frames;
        contract->renewal_ns = 0;
    } else if (offer->answer == SP_ACCEPTED && offer->terms.frames > has) {
        promises_more(physmem, contract, offer->terms.frames - has);
        life_grow(physmem, contract, offer->terms.frames - has);
    } else if (offer->answer == SP_ACCEPTED) {
        give_up(physmem, contract, has - offer->terms.frames);
    }
    check(offer->answer != SP_ACCEPTED || contract->terms.frames == offer->terms.frames);
}

/* Close a contract in whatever state it is. */
static void close(struct physmem *physmem, struct contract *contract)
{
    check(contract->state != SP_CONTRACT_CLOSED && contract->state != SP_CONTRACT_BREACHED);
    if (contract->state == SP_CONTRACT_COUNTERED) {
        life_end(physmem, contract, SP_CONTRACT_CLOSED);
        return;
    }
    if (contract->state == SP_CONTRACT_ACTIVE)
        life_retire(physmem, contract, false);
    life_dissolve(physmem, contract);
}

/* ---- Requests ---- */

static void reply(struct physmem *physmem, const struct physmem_request *request,
                  const struct contract *contract, const struct sp_offer *offer)
{
    check(offer->answer < SP_ANSWERS);
    offers_reply(physmem, request, offer, contract);
    settle_input(physmem);
}

void physmem_contract_renew(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number,
                            uint64_t term_ns)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_RENEW);
    struct sp_offer offer;

    if (contract == NULL)
        return;
    offer = renew_answer(physmem, contract, term_ns);
    renew(physmem, contract, &offer);
    reply(physmem, request, contract, &offer);
}

void physmem_contract_resize(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t number,
                             uint32_t frames)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_RESIZE);
    struct sp_offer offer;

    if (contract == NULL)
        return;
    offer = resize_answer(physmem, contract, frames);
    resize(physmem, contract, &offer);
    reply(physmem, request, contract, &offer);
}

void physmem_contract_accept(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t number)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_ACCEPT);
    struct sp_offer offer;

    if (contract == NULL)
        return;
    if (contract->state == SP_CONTRACT_COUNTERED) {
        accept_countered(physmem, request, contract);
        return;
    }
    if (contract->renewal_ns != 0) {
        offer = renew_answer(physmem, contract, contract->renewal_ns);
        renew(physmem, contract, &offer);
    } else {
        offer = resize_answer(physmem, contract, contract->resize_frames);
        resize(physmem, contract, &offer);
    }
    reply(physmem, request, contract, &offer);
}

void physmem_contract_close(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_CLOSE);

    if (contract == NULL)
        return;
    emit_done(physmem, request, 0, 0, NULL);
    close(physmem, contract);
    settle_input(physmem);
}
