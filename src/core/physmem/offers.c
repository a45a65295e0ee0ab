#include "core/physmem/offers.h"

#include "core/physmem/bounds.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/life.h"
#include "core/physmem/promises.h"

/* No contract ends after what it rests on. */
static uint64_t longest_term(const struct physmem *physmem)
{
    uint64_t ends = physmem->upstream.ends;
    uint64_t left = ends > physmem->now ? ends - physmem->now : 1;

    check(physmem->config.stacked && physmem->config.max_term_ns > 0);
    if (ends == DEADLINE_NEVER || left > physmem->config.max_term_ns)
        return physmem->config.max_term_ns;
    return left;
}

/* The limits that the physmem above sets. */
static __attribute__((noinline)) void limit_stacked(const struct physmem *physmem,
                                                    struct contract_limits *limits)
{
    /* Frames that are only lent from above can be given as extra frames, and not promised. */
    limits->committed += limits->frames - frames_promisable(physmem);
    limits->max_term_ns = longest_term(physmem);
    check(limits->max_term_ns > 0);
}

struct contract_limits offers_limits(const struct physmem *physmem, const struct physmem_task *task)
{
    const struct deadline *end = deadlines_first(&physmem->ends);
    struct contract_limits limits = {
        .frames = physmem->config.frames - physmem->config.reserve,
        .committed = physmem->guaranteed + physmem->leased,
        .max_order = physmem->config.max_order,
        .max_term_ns = physmem->config.max_term_ns,
        .max_grace_ns = physmem->config.max_grace_ns,
        .can_kill = task->identity.can_be_killed,
        .now = physmem->now,
        .next_end = end == NULL ? DEADLINE_NEVER : end->when,
    };

    if (physmem->config.stacked)
        limit_stacked(physmem, &limits);
    check(limits.committed <= limits.frames);
    if (bounds_there(physmem, task))
        bounds_apply(physmem, task, &limits);
    return limits;
}

/* Why a contract (NULL: unknown) cannot take a step; 0: it can. *statep is the state to be told. */
static int step_error(const struct physmem_task *task, const struct contract *contract,
                      uint32_t number, enum contract_step step, unsigned *statep)
{
    unsigned state = SP_CONTRACT_NONE;
    int error;

    if (contract != NULL)
        state = contract->state;
    else if (number > 0 && number <= task->contract_number)
        state = SP_CONTRACT_CLOSED;
    *statep = state;
    error = contract_step_error(step, state);
    if (error == 0 && step == CONTRACT_ACCEPT && state != SP_CONTRACT_COUNTERED &&
        contract->renewal_ns == 0 && contract->resize_frames == 0)
        return contract_step_error(CONTRACT_STEPS, state);
    check(error != 0 || contract != NULL);
    return error;
}

struct contract *offers_decode(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t number,
                               enum contract_step step)
{
    struct contract *contract;
    unsigned state;
    int error;

    if (!input_begin(physmem, now, request))
        return NULL;
    contract = promises_find(request->task, number);
    check(contract == NULL || contract->number == number);
    error = step_error(request->task, contract, number, step, &state);
    if (error == 0)
        return contract;
    emit_done(physmem, request, error, 0, contract_state_text(state));
    return NULL;
}

/* Whether contracts of the task that have expired have nothing kept under them. */
static bool expired_are_empty(const struct physmem_task *task)
{
    check(task->contracts <= CONTRACTS_PER_TASK);
    return task_excess(task) <= task->extra;
}

uint32_t offers_room(const struct physmem_task *task)
{
    uint32_t room = CONTRACTS_PER_TASK - task->contracts;

    ensure(task->contracts <= CONTRACTS_PER_TASK);
    if (!expired_are_empty(task))
        return room;
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        room += c->state == SP_CONTRACT_EXPIRED;
    return room;
}

void offers_make_room(struct physmem *physmem, struct physmem_task *task)
{
    struct contract *next;

    for (struct contract *c = task->contract_list; c != NULL; c = next) {
        next = c->next;
        if (task->contracts < CONTRACTS_PER_TASK)
            return;
        check(expired_are_empty(task));
        if (c->state == SP_CONTRACT_EXPIRED)
            life_end(physmem, c, SP_CONTRACT_CLOSED);
    }
    ensure(task->contracts < CONTRACTS_PER_TASK); /* offers_room has said so */
}

struct physmem_effect *offers_reply(struct physmem *physmem, const struct physmem_request *request,
                                    const struct sp_offer *offer, const struct contract *contract)
{
    struct physmem_effect *effect = emit_reply(physmem, PHYSMEM_REPLY_OFFER, request, 0, NULL);

    check(contract == NULL || contract->number == offer->contract);
    effect->offer.offer = *offer;
    effect->offer.state = contract != NULL ? contract->state : SP_CONTRACT_NONE;
    effect->offer.change = contract != NULL ? contract->changes : 0;
    return effect;
}
