/* Contracts of tasks: negotiation, terms, and what they add up to. */
#include "core/physmem_state.h"

static struct contract *contract_find(struct physmem_task *task, uint32_t number)
{
    struct contract *contract = task->contract_list;

    while (contract != NULL && contract->number != number)
        contract = contract->next;
    return contract;
}

static struct contract_limits limits_now(const struct physmem *physmem)
{
    const struct deadline *end = deadlines_first(&physmem->ends);

    return (struct contract_limits){
        .frames = physmem->config.frames - physmem->config.reserve,
        .committed = physmem->guaranteed + physmem->leased,
        .max_order = physmem->config.max_order,
        .max_term_ns = physmem->config.max_term_ns,
        .now = physmem->now,
        .next_end = end == NULL ? DEADLINE_NEVER : end->when,
    };
}

/* Add a contract's frames to the sums, or take them away. */
static void sums_add(struct physmem *physmem, const struct contract *contract)
{
    struct physmem_task *task = contract->task;
    uint32_t frames = contract->terms.frames;

    availability_changed(physmem);
    if (contract->terms.kind == SP_GUARANTEED) {
        task->guaranteed += frames;
        physmem->guaranteed += frames;
    } else if (contract->terms.kind == SP_TIMED) {
        task->leased += frames;
        physmem->leased += frames;
    } else {
        task->extra += frames;
    }
}

static void sums_subtract(struct physmem *physmem, const struct contract *contract)
{
    struct physmem_task *task = contract->task;
    uint32_t frames = contract->terms.frames;

    availability_changed(physmem);
    if (contract->terms.kind == SP_GUARANTEED) {
        task->guaranteed -= frames;
        physmem->guaranteed -= frames;
    } else if (contract->terms.kind == SP_TIMED) {
        task->leased -= frames;
        physmem->leased -= frames;
    } else {
        task->extra -= frames;
    }
}

/* A term begins now. */
static void term_start(struct physmem *physmem, struct contract *contract)
{
    uint64_t term = contract->terms.term_ns;

    contract->begins = physmem->now;
    contract->kept = 0;
    contract->renewal_ns = 0;
    if (term == SP_FOREVER || term >= DEADLINE_NEVER - physmem->now) {
        contract->ends = DEADLINE_NEVER;
        deadline_stop(&physmem->deadlines, &contract->event);
        deadline_stop(&physmem->ends, &contract->end);
        return;
    }
    contract->ends = physmem->now + term;
    deadline_start(&physmem->deadlines, &contract->event, physmem->now + (term - term / 4));
    if (contract_is_committed(&contract->terms))
        deadline_start(&physmem->ends, &contract->end, contract->ends);
}

/* The term is over, one way or another: the frames are promised no longer. */
static void term_stop(struct physmem *physmem, struct contract *contract)
{
    deadline_stop(&physmem->deadlines, &contract->event);
    deadline_stop(&physmem->ends, &contract->end);
    sums_subtract(physmem, contract);
}

static void contract_activate(struct physmem *physmem, struct contract *contract)
{
    if (contract->state != SP_CONTRACT_ACTIVE)
        sums_add(physmem, contract);
    contract_move(contract, SP_CONTRACT_ACTIVE);
    term_start(physmem, contract);
    recall_forgive(physmem, contract->task);
}

/* Free a contract that has come to one of its ends. */
static void contract_remove(struct physmem *physmem, struct contract *contract)
{
    struct physmem_task *task = contract->task;
    struct contract **linkp = &task->contract_list;

    while (*linkp != contract)
        linkp = &(*linkp)->next;
    *linkp = contract->next;
    task->contracts--;
    deadlines_unreserve(&physmem->deadlines, 1);
    deadlines_unreserve(&physmem->ends, 1);
    memory_free(physmem->allocator, contract, sizeof(*contract));
}

static void contract_end(struct physmem *physmem, struct contract *contract,
                         enum sp_contract_state state)
{
    if (contract->state == SP_CONTRACT_ACTIVE)
        term_stop(physmem, contract);
    contract_move(contract, state);
    contract_remove(physmem, contract);
}

void contracts_end(struct physmem *physmem, struct physmem_task *task, enum sp_contract_state state)
{
    while (task->contract_list != NULL)
        contract_end(physmem, task->contract_list, state);
}

/* A new contract in state NONE, at the end of the task's list; NULL without memory. */
static struct contract *contract_add(struct physmem *physmem, struct physmem_task *task)
{
    struct contract *contract = memory_new(physmem->allocator, sizeof(*contract));
    struct contract **linkp = &task->contract_list;

    if (contract == NULL)
        return NULL;
    if (deadlines_reserve(&physmem->deadlines, 1) != 0)
        goto fail;
    if (deadlines_reserve(&physmem->ends, 1) != 0) {
        deadlines_unreserve(&physmem->deadlines, 1);
        goto fail;
    }
    contract->event.purpose = PURPOSE_CONTRACT;
    contract->number = ++task->contract_number;
    contract->task = task;
    while (*linkp != NULL)
        linkp = &(*linkp)->next;
    *linkp = contract;
    task->contracts++;
    return contract;

fail:
    memory_free(physmem->allocator, contract, sizeof(*contract));
    return NULL;
}

static void reply_offer(struct physmem *physmem, const struct physmem_request *request,
                        const struct sp_offer *offer, enum sp_contract_state state)
{
    struct physmem_effect *effect = physmem_reply(physmem, PHYSMEM_REPLY_OFFER, request, 0, NULL);

    effect->offer.offer = *offer;
    effect->offer.state = (uint8_t)state;
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
    drop_empty_holdovers(physmem, task);
    limits = limits_now(physmem);
    contract_answer(&limits, terms, &offer);
    if (offer.answer != SP_REFUSED && task->contracts == CONTRACTS_PER_TASK) {
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
        reply_offer(physmem, request, &offer, contract->state);
    } else {
        reply_offer(physmem, request, &offer, SP_CONTRACT_NONE);
    }
    count_answer(physmem, offer.answer);
    physmem_settle(physmem);
}

/* Answer a request for a new term of `term_ns`. */
static void renew(struct physmem *physmem, const struct physmem_request *request,
                  struct contract *contract, uint64_t term_ns)
{
    struct contract_limits limits = limits_now(physmem);
    struct sp_terms wish = contract->terms;
    struct sp_offer offer;

    wish.term_ns = term_ns;
    wish.min = wish.frames; /* a renewal is for the same frames or not at all */
    if (contract->state == SP_CONTRACT_ACTIVE && contract_is_committed(&wish))
        limits.committed -= wish.frames;
    contract_answer(&limits, &wish, &offer);
    offer.contract = contract->number;
    offer.terms.min = contract->terms.min;
    contract->renewal_ns = 0;
    if (offer.answer == SP_ACCEPTED) {
        contract->terms = offer.terms;
        contract_activate(physmem, contract);
    } else if (offer.answer == SP_COUNTERED) {
        contract->renewal_ns = offer.terms.term_ns;
    }
    reply_offer(physmem, request, &offer, contract->state);
    physmem_settle(physmem);
}

/* The contract of a request, if its state is among `states` (bits); else the request is answered.
 */
static struct contract *contract_of_request(struct physmem *physmem,
                                            const struct physmem_request *request, uint32_t number,
                                            unsigned allowed)
{
    struct contract *contract = contract_find(request->task, number);
    unsigned state = contract == NULL ? SP_CONTRACT_NONE : contract->state;

    if ((allowed & (1u << state)) != 0)
        return contract;
    physmem_reply_done(physmem, request, ENOENT, 0, contract_state_text(state));
    return NULL;
}

void physmem_renew(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t number, uint64_t term_ns)
{
    struct contract *contract;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number,
                                   1u << SP_CONTRACT_ACTIVE | 1u << SP_CONTRACT_EXPIRED);
    if (contract != NULL)
        renew(physmem, request, contract, term_ns);
}

void physmem_accept(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t number)
{
    struct contract *contract;
    struct contract_limits limits;
    struct sp_offer offer;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_find(request->task, number);
    if (contract != NULL && contract->renewal_ns != 0 &&
        (contract->state == SP_CONTRACT_ACTIVE || contract->state == SP_CONTRACT_EXPIRED)) {
        renew(physmem, request, contract, contract->renewal_ns);
        return;
    }
    contract = contract_of_request(physmem, request, number, 1u << SP_CONTRACT_COUNTERED);
    if (contract == NULL)
        return;
    limits = limits_now(physmem);
    contract_answer(&limits, &contract->terms, &offer);
    if (offer.answer == SP_REFUSED) {
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
        reply_offer(physmem, request, &offer, SP_CONTRACT_CLOSED);
    } else {
        contract_agree(physmem, contract, &offer);
        reply_offer(physmem, request, &offer, contract->state);
    }
    count_answer(physmem, offer.answer);
    physmem_settle(physmem);
}

void physmem_close_contract(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t number)
{
    struct physmem_task *task = request->task;
    struct contract *contract;
    uint32_t allowed;
    uint32_t beyond;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number,
                                   1u << SP_CONTRACT_COUNTERED | 1u << SP_CONTRACT_ACTIVE |
                                       1u << SP_CONTRACT_EXPIRED);
    if (contract == NULL)
        return;
    physmem_reply_done(physmem, request, 0, 0, NULL);
    if (contract->state == SP_CONTRACT_ACTIVE)
        term_stop(physmem, contract);
    if (contract->state != SP_CONTRACT_COUNTERED) {
        allowed = task_commitment(task) + task->extra;
        beyond = task->held > allowed ? task->held - allowed : 0;
        beyond = smaller(beyond, smaller(contract->terms.frames, task_recallable(task)));
        contract_move(contract, SP_CONTRACT_EXPIRED);
        contract->kept = beyond;
        contract->closing = true;
        recall_kept(physmem, contract, beyond);
    }
    if (contract->state != SP_CONTRACT_RECALLED)
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
    physmem_settle(physmem);
}

void contract_returned(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    contract->kept -= frames;
    contract_forgiven(physmem, contract, frames);
}

void contract_forgiven(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    contract->recalling -= frames;
    if (contract->recalling > 0)
        return;
    if (contract->closing || contract->kept == 0)
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
    else
        contract_move(contract, SP_CONTRACT_EXPIRED);
}

static void notify(struct physmem *physmem, const struct contract *contract,
                   enum physmem_notice what)
{
    struct physmem_task *task = contract->task;
    struct physmem_effect *effect;

    if (!task->control)
        return;
    effect = physmem_emit(physmem, PHYSMEM_SEND_NOTICE, task);
    effect->notice.what = (uint8_t)what;
    effect->notice.contract = contract->number;
    effect->notice.guaranteed = task->guaranteed;
    effect->notice.extra = task->extra;
}

void contract_due(struct physmem *physmem, struct contract *contract)
{
    if (physmem->now < contract->ends) {
        deadline_start(&physmem->deadlines, &contract->event, contract->ends);
        notify(physmem, contract, PHYSMEM_EXPIRING);
        return;
    }
    control_changed(physmem, contract->task);
    term_stop(physmem, contract);
    contract_move(contract, SP_CONTRACT_EXPIRED);
    contract->kept = contract->terms.frames;
    notify(physmem, contract, PHYSMEM_EXPIRED);
}
