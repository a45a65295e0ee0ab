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

/* Answer a proposal; *contractp becomes a new contract in state NONE, unless it is refused. False, and
 * the request is answered, if it cannot be dealt with at all. */
static bool propose_decode(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, const struct sp_terms *terms,
                           struct sp_offer *offer, struct contract **contractp)
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
    drop_countered(physmem, task);
    limits = offers_limits(physmem, task);
    contract_answer(&limits, terms, offer);
    if (!offers_have_room(physmem, task) && offer->answer != SP_REFUSED) {
        offer->answer = SP_REFUSED;
        offer->reason = SP_REASON_TOO_MANY;
    }
    *contractp = NULL;
    if (offer->answer == SP_REFUSED)
        return true;
    *contractp = promises_add(physmem, task);
    if (*contractp == NULL)
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a contract");
    return *contractp != NULL;
}

void physmem_contract_propose(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, const struct sp_terms *terms)
{
    struct contract *contract;
    struct sp_offer offer;

    if (!propose_decode(physmem, now, request, terms, &offer, &contract))
        return;
    if (contract != NULL)
        agree(physmem, contract, &offer);
    offers_reply(physmem, request, &offer, contract);
    count_answer(physmem, offer.answer);
    settle_input(physmem);
}

/* Agree to the counter-offer to a proposal, as far as physmem can still grant it. */
static void accept_countered(struct physmem *physmem, const struct physmem_request *request,
                             struct contract *contract)
{
    struct contract_limits limits = offers_limits(physmem, request->task);
    struct sp_offer offer;

    check(contract->state == SP_CONTRACT_COUNTERED);
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

/* ---- Contracts that run ---- */

/* Refuse what a part cannot have, what makes no sense, or what others wait for, and leave the contract
 * as it is. */
static void refuse(struct physmem *physmem, const struct physmem_request *request,
                   const struct contract *contract, const struct sp_terms *wish,
                   enum sp_reason reason)
{
    const struct sp_offer offer = {.answer = SP_REFUSED,
                                   .reason = (uint8_t)reason,
                                   .contract = contract->number,
                                   .terms = *wish};

    ensure(reason != SP_REASON_NONE);
    offers_reply(physmem, request, &offer, contract);
}

/* Answer a request for a new term of `term_ns`. */
static void renew(struct physmem *physmem, const struct physmem_request *request,
                  struct contract *contract, uint64_t term_ns)
{
    struct contract_limits limits = offers_limits(physmem, request->task);
    struct sp_terms wish = contract->terms;
    struct sp_offer offer;

    check(contract->state == SP_CONTRACT_ACTIVE || contract->state == SP_CONTRACT_EXPIRED);
    wish.term_ns = term_ns;
    wish.min = wish.frames; /* a renewal is for the same frames or not at all */
    if (contract->part != NULL) {
        refuse(physmem, request, contract, &wish, SP_REASON_PART);
        return;
    }
    if (wish.kind == SP_TIMED)
        wish.frames = extra_may_keep(physmem, request->task, wish.frames);
    if (wish.frames < wish.min) {
        refuse(physmem, request, contract, &wish, SP_REASON_NOT_ENTITLED);
        return;
    }
    if (contract->state == SP_CONTRACT_ACTIVE)
        contract_limits_return(&limits, &wish);
    contract_answer(&limits, &wish, &offer);
    offer.contract = contract->number;
    offer.terms.min = contract->terms.min;
    contract->renewal_ns = 0;
    if (offer.answer == SP_ACCEPTED) {
        contract->terms = offer.terms;
        life_activate(physmem, contract);
    } else if (offer.answer == SP_COUNTERED) {
        contract->renewal_ns = offer.terms.term_ns;
        contract->resize_frames = 0;
    }
    offers_reply(physmem, request, &offer, contract);
    settle_input(physmem);
}

/* The wish for `frames` frames, more than the contract has. */
static struct sp_terms growth_wish(const struct contract *contract, uint32_t frames)
{
    uint32_t block = UINT32_C(1) << contract->terms.order;
    struct sp_terms wish = contract->terms;

    ensure(frames > contract->terms.frames);
    wish.frames = frames;
    wish.min = frames;
    /* One block more is worth having. */
    if (frames - contract->terms.frames > block)
        wish.min = contract->terms.frames + block;
    return wish;
}

/* Answer a request for `frames` frames, more than the contract has. */
static void grow(struct physmem *physmem, const struct physmem_request *request,
                 struct contract *contract, uint32_t frames)
{
    struct contract_limits limits = offers_limits(physmem, request->task);
    struct sp_terms wish = growth_wish(contract, frames);
    struct sp_offer offer;

    check(contract->state == SP_CONTRACT_ACTIVE);
    if (contract->part != NULL) {
        wish.min = frames;
        refuse(physmem, request, contract, &wish, SP_REASON_PART);
        return;
    }
    contract_limits_return(&limits, &contract->terms);
    contract_answer(&limits, &wish, &offer);
    offer.contract = contract->number;
    offer.terms.min = contract->terms.min;
    contract->resize_frames = 0;
    if (offer.answer == SP_ACCEPTED) {
        promises_more(physmem, contract, offer.terms.frames - contract->terms.frames);
        life_grow(physmem, contract, offer.terms.frames - contract->terms.frames);
    } else if (offer.answer == SP_COUNTERED) {
        contract->resize_frames = offer.terms.frames;
        contract->renewal_ns = 0;
    }
    offers_reply(physmem, request, &offer, contract);
    settle_input(physmem);
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

/* Answer a request for `frames` frames, at most those that the contract has. */
static void shrink(struct physmem *physmem, const struct physmem_request *request,
                   struct contract *contract, uint32_t frames)
{
    check(frames <= contract->terms.frames);
    /* A contract can always shrink: check only that the terms make sense. */
    const struct contract_limits limits = {.max_order = physmem->config.max_order,
                                           .can_kill = request->task->identity.can_be_killed};
    struct sp_offer offer = {.answer = SP_ACCEPTED, .contract = contract->number};
    struct sp_terms wish = contract->terms;
    enum sp_reason reason;

    wish.frames = frames;
    wish.min = smaller(wish.min, frames);
    contract->resize_frames = 0;
    reason = contract_refusal(&limits, &wish);
    if (reason != SP_REASON_NONE) {
        refuse(physmem, request, contract, &wish, reason);
        return;
    }
    give_up(physmem, contract, contract->terms.frames - frames);
    offer.terms = contract->terms;
    offers_reply(physmem, request, &offer, contract);
    settle_input(physmem);
}

/* ---- Requests ---- */

void physmem_contract_renew(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number,
                            uint64_t term_ns)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_RENEW);

    if (contract != NULL)
        renew(physmem, request, contract, term_ns);
}

void physmem_contract_resize(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t number,
                             uint32_t frames)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_RESIZE);

    if (contract == NULL)
        return;
    if (frames > contract->terms.frames)
        grow(physmem, request, contract, frames);
    else
        shrink(physmem, request, contract, frames);
}

void physmem_contract_accept(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t number)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_ACCEPT);

    if (contract == NULL)
        return;
    if (contract->state == SP_CONTRACT_COUNTERED)
        accept_countered(physmem, request, contract);
    else if (contract->renewal_ns != 0)
        renew(physmem, request, contract, contract->renewal_ns);
    else
        grow(physmem, request, contract, contract->resize_frames);
}

void physmem_contract_close(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_CLOSE);

    if (contract == NULL)
        return;
    emit_done(physmem, request, 0, 0, NULL);
    if (contract->state == SP_CONTRACT_COUNTERED) {
        life_end(physmem, contract, SP_CONTRACT_CLOSED);
    } else {
        if (contract->state == SP_CONTRACT_ACTIVE)
            life_retire(physmem, contract, false);
        life_dissolve(physmem, contract);
    }
    settle_input(physmem);
}
