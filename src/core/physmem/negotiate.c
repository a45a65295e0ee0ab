/* Negotiation: what tasks ask for their contracts, and what they are answered. */
#include "core/physmem/internal.h"

static struct contract_limits limits_now(const struct physmem *physmem,
                                         const struct physmem_task *task)
{
    const struct deadline *end = deadlines_first(&physmem->ends);
    struct contract_limits limits = {
        .frames = physmem->config.frames - physmem->config.reserve,
        .committed = physmem->guaranteed + physmem->leased,
        .max_order = physmem->config.max_order,
        .max_term_ns = physmem->config.max_term_ns,
        .now = physmem->now,
        .next_end = end == NULL ? DEADLINE_NEVER : end->when,
    };

    control_bound(physmem, task, &limits);
    return limits;
}

struct physmem_effect *contract_reply(struct physmem *physmem,
                                      const struct physmem_request *request,
                                      const struct sp_offer *offer, const struct contract *contract)
{
    struct physmem_effect *effect = physmem_reply(physmem, PHYSMEM_REPLY_OFFER, request, 0, NULL);

    effect->offer.offer = *offer;
    effect->offer.state = contract != NULL ? contract->state : SP_CONTRACT_NONE;
    effect->offer.change = contract != NULL ? contract->changes : 0;
    return effect;
}

/* Count an answer to a proposal. */
static void count_answer(struct physmem *physmem, enum sp_answer answer)
{
    physmem->counters.proposals++;
    if (answer == SP_ACCEPTED)
        physmem->counters.accepted++;
    else if (answer == SP_COUNTERED)
        physmem->counters.countered++;
    else
        physmem->counters.refused++;
}

/* A counter-offer stands until the next proposal. */
static void drop_countered(struct physmem *physmem, struct physmem_task *task)
{
    for (struct contract *c = task->contract_list; c != NULL; c = c->next) {
        if (c->state == SP_CONTRACT_COUNTERED) {
            contract_end(physmem, c, SP_CONTRACT_CLOSED);
            return;
        }
    }
}

/* Close expired contracts under which nothing is kept, oldest first, until there is room for
 * another contract. */
static void drop_empty_holdovers(struct physmem *physmem, struct physmem_task *task)
{
    struct contract *next;

    if (task_excess(task) > task->extra)
        return;
    for (struct contract *c = task->contract_list; c != NULL; c = next) {
        next = c->next;
        if (task->contracts < CONTRACTS_PER_TASK)
            return;
        if (c->state == SP_CONTRACT_EXPIRED)
            contract_end(physmem, c, SP_CONTRACT_CLOSED);
    }
}

bool contract_has_room(struct physmem *physmem, struct physmem_task *task)
{
    drop_empty_holdovers(physmem, task);
    return task->contracts < CONTRACTS_PER_TASK;
}

/* Put into effect what was answered. */
static void contract_agree(struct physmem *physmem, struct contract *contract,
                           struct sp_offer *offer)
{
    contract->terms = offer->terms;
    offer->contract = contract->number;
    if (offer->answer == SP_ACCEPTED)
        contract_activate(physmem, contract);
    else
        contract_move(contract, SP_CONTRACT_COUNTERED);
}

void physmem_propose(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     const struct sp_terms *terms)
{
    struct physmem_task *task = request->task;
    struct contract_limits limits;
    struct contract *contract;
    struct sp_offer offer;

    if (!physmem_begin(physmem, now, request))
        return;
    if (!task->control) {
        physmem_reply_done(physmem, request, ENOTCONN, 0,
                           "contracts need a control connection: open it first");
        return;
    }
    drop_countered(physmem, task);
    limits = limits_now(physmem, request->task);
    contract_answer(&limits, terms, &offer);
    if (!contract_has_room(physmem, task) && offer.answer != SP_REFUSED) {
        offer.answer = SP_REFUSED;
        offer.reason = SP_REASON_TOO_MANY;
    }
    if (offer.answer != SP_REFUSED) {
        contract = contract_add(physmem, task);
        if (contract == NULL) {
            physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for a contract");
            return;
        }
        contract_agree(physmem, contract, &offer);
        contract_reply(physmem, request, &offer, contract);
    } else {
        contract_reply(physmem, request, &offer, NULL);
    }
    count_answer(physmem, offer.answer);
    physmem_settle(physmem);
}

/* Refuse what a part cannot have, and leave the contract as it is. */
static void refuse(struct physmem *physmem, const struct physmem_request *request,
                   const struct contract *contract, const struct sp_terms *wish,
                   enum sp_reason reason)
{
    const struct sp_offer offer = {.answer = SP_REFUSED,
                                   .reason = (uint8_t)reason,
                                   .contract = contract->number,
                                   .terms = *wish};

    contract_reply(physmem, request, &offer, contract);
}

/* Answer a request for a new term of `term_ns`. */
static void renew(struct physmem *physmem, const struct physmem_request *request,
                  struct contract *contract, uint64_t term_ns)
{
    struct contract_limits limits = limits_now(physmem, request->task);
    struct sp_terms wish = contract->terms;
    struct sp_offer offer;

    wish.term_ns = term_ns;
    wish.min = wish.frames; /* a renewal is for the same frames or not at all */
    if (contract->part != NULL) {
        refuse(physmem, request, contract, &wish, SP_REASON_PART);
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
        contract_activate(physmem, contract);
    } else if (offer.answer == SP_COUNTERED) {
        contract->renewal_ns = offer.terms.term_ns;
        contract->resize_frames = 0;
    }
    contract_reply(physmem, request, &offer, contract);
    physmem_settle(physmem);
}

/* Answer a request for `frames` frames, more than the contract has. */
static void grow(struct physmem *physmem, const struct physmem_request *request,
                 struct contract *contract, uint32_t frames)
{
    struct contract_limits limits = limits_now(physmem, request->task);
    struct sp_terms wish = contract->terms;
    uint32_t more;
    struct sp_offer offer;

    wish.frames = frames;
    wish.min = wish.frames;
    if (contract->part != NULL) {
        refuse(physmem, request, contract, &wish, SP_REASON_PART);
        return;
    }
    /* One block more is worth having. */
    if (frames - contract->terms.frames > UINT32_C(1) << wish.order)
        wish.min = contract->terms.frames + (UINT32_C(1) << wish.order);
    contract_limits_return(&limits, &contract->terms);
    contract_answer(&limits, &wish, &offer);
    offer.contract = contract->number;
    offer.terms.min = contract->terms.min;
    contract->resize_frames = 0;
    if (offer.answer == SP_ACCEPTED) {
        more = offer.terms.frames - contract->terms.frames;
        sums_add(physmem, contract, more);
        contract_grow(physmem, contract, more);
    } else if (offer.answer == SP_COUNTERED) {
        contract->resize_frames = offer.terms.frames;
        contract->renewal_ns = 0;
    }
    contract_reply(physmem, request, &offer, contract);
    physmem_settle(physmem);
}

/* Give up what the contract has beyond `frames` frames. */
static void shrink(struct physmem *physmem, const struct physmem_request *request,
                   struct contract *contract, uint32_t frames)
{
    const struct contract_limits limits = limits_now(physmem, request->task);
    struct sp_offer offer = {.answer = SP_ACCEPTED, .contract = contract->number};
    struct sp_terms wish = contract->terms;
    enum sp_reason reason;
    uint32_t less = contract->terms.frames - frames;

    wish.frames = frames;
    wish.min = smaller(wish.min, frames);
    contract->resize_frames = 0;
    reason = contract_refusal(&limits, &wish);
    if (reason != SP_REASON_NONE) {
        refuse(physmem, request, contract, &wish, reason);
        return;
    }
    if (less > 0) {
        if (contract->part != NULL)
            part_shrink(physmem, contract->part, less);
        else
            sums_subtract(physmem, contract, less);
        contract_shrink(physmem, contract, less);
    }
    offer.terms = contract->terms;
    contract_reply(physmem, request, &offer, contract);
    physmem_settle(physmem);
}

struct contract *contract_of_request(struct physmem *physmem, const struct physmem_request *request,
                                     uint32_t number, enum contract_step step)
{
    struct contract *contract = contract_find(request->task, number);
    unsigned state = SP_CONTRACT_NONE;
    int error;

    if (contract != NULL)
        state = contract->state;
    else if (number > 0 && number <= request->task->contract_number)
        state = SP_CONTRACT_CLOSED;
    error = contract_step_error(step, state);
    if (error == 0 && step == CONTRACT_ACCEPT && state != SP_CONTRACT_COUNTERED &&
        contract->renewal_ns == 0 && contract->resize_frames == 0)
        error = contract_step_error(CONTRACT_STEPS, state);
    if (error == 0)
        return contract;
    physmem_reply_done(physmem, request, error, 0, contract_state_text(state));
    return NULL;
}

void physmem_renew(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t number, uint64_t term_ns)
{
    struct contract *contract;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number, CONTRACT_RENEW);
    if (contract != NULL)
        renew(physmem, request, contract, term_ns);
}

void physmem_resize(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t number, uint32_t frames)
{
    struct contract *contract;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number, CONTRACT_RESIZE);
    if (contract == NULL)
        return;
    if (frames > contract->terms.frames)
        grow(physmem, request, contract, frames);
    else
        shrink(physmem, request, contract, frames);
}

/* Agree to what a proposal was countered with. */
static void accept_countered(struct physmem *physmem, const struct physmem_request *request,
                             struct contract *contract)
{
    struct contract_limits limits = limits_now(physmem, request->task);
    struct sp_offer offer;

    contract_answer(&limits, &contract->terms, &offer);
    if (offer.answer == SP_REFUSED) {
        contract_reply(physmem, request, &offer, NULL)->offer.state = SP_CONTRACT_CLOSED;
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
    } else {
        contract_agree(physmem, contract, &offer);
        contract_reply(physmem, request, &offer, contract);
    }
    count_answer(physmem, offer.answer);
    physmem_settle(physmem);
}

void physmem_accept(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t number)
{
    struct contract *contract;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number, CONTRACT_ACCEPT);
    if (contract == NULL)
        return;
    if (contract->state == SP_CONTRACT_COUNTERED)
        accept_countered(physmem, request, contract);
    else if (contract->renewal_ns != 0)
        renew(physmem, request, contract, contract->renewal_ns);
    else
        grow(physmem, request, contract, contract->resize_frames);
}

void physmem_close_contract(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number)
{
    struct contract *contract;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number, CONTRACT_CLOSE);
    if (contract == NULL)
        return;
    physmem_reply_done(physmem, request, 0, 0, NULL);
    if (contract->state == SP_CONTRACT_COUNTERED) {
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
    } else {
        if (contract->state == SP_CONTRACT_ACTIVE)
            contract_retire(physmem, contract, false);
        contract_dissolve(physmem, contract);
    }
    physmem_settle(physmem);
}
