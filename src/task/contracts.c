/* Negotiation: proposals, counter-offers, renewals, and what they add up to. */
#include "task/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

static bool counts(const struct task_contract *contract)
{
    return contract->number != 0 && contract->state == SP_CONTRACT_ACTIVE;
}

/* Tell the pager what the active contracts add up to. The lock is held. */
static void update_allowance(struct sp_task *task)
{
    uint32_t guaranteed = 0;
    uint32_t extra = 0;

    for (uint32_t i = 0; i < TERMS_MAX; i++) {
        const struct task_contract *contract = &task->contract[i];

        if (!counts(contract))
            continue;
        if (contract->terms.on_breach == SP_BREACH_PENALTY ||
            contract->terms.on_breach == SP_BREACH_REPOSSESS)
            __atomic_store_n(&task->may_lose, true, __ATOMIC_RELEASE);
        if (contract->terms.kind == SP_GUARANTEED)
            guaranteed += contract->terms.frames;
        else
            extra += contract->terms.frames;
    }
    units_allow(task, guaranteed, extra);
}

static struct task_contract *find(struct sp_task *task, uint32_t number)
{
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (task->contract[i].number == number)
            return &task->contract[i];
    return NULL;
}

static void drop(struct task_contract *contract)
{
    *contract = (struct task_contract){0};
}

/* Whether what a message tells is newer than what is known. */
static bool is_news(const struct task_contract *contract, uint32_t change)
{
    return (int32_t)(change - contract->change) >= 0;
}

void contract_note(struct sp_task *task, const struct wire_message *offer)
{
    uint32_t number = offer->offer.contract;
    bool agreed = offer->offer.answer == SP_ACCEPTED || offer->offer.state == SP_CONTRACT_COUNTERED;
    struct task_contract *contract;
    struct work work;

    if (offer->error != 0 || number == 0)
        return;
    task_enter(task, &work, NULL);
    contract = find(task, number);
    if (contract == NULL && agreed)
        contract = find(task, 0);
    if (contract != NULL && is_news(contract, offer->offer.change)) {
        contract->number = number;
        contract->state = offer->offer.state;
        contract->change = offer->offer.change;
        if (agreed)
            WIRE_COPY_TERMS(&contract->terms, &offer->offer);
        update_allowance(task);
    }
    task_leave(task, NULL);
    task_signal_event(task);
}

void contract_changed(struct sp_task *task, const struct wire_message *message)
{
    struct task_contract *contract;
    struct work work;

    task_enter(task, &work, NULL);
    contract = find(task, message->changed.contract);
    if (message->changed.contract != 0 && contract != NULL &&
        is_news(contract, message->changed.change)) {
        contract->state = message->changed.state;
        contract->change = message->changed.change;
        contract->terms.frames = message->changed.frames;
        /* Nothing more can be done with it. */
        if (contract->state != SP_CONTRACT_ACTIVE && contract->state != SP_CONTRACT_EXPIRED)
            drop(contract);
        update_allowance(task);
        pager_growth_possible(&task->pager);
    }
    task_leave(task, NULL);
    task_signal_event(task);
}

/* Take note of the part that was split off. */
static void part_note(struct sp_task *task, const struct wire_message *message)
{
    struct task_contract *contract;
    struct work work;

    if (message->error != 0)
        return;
    task_enter(task, &work, NULL);
    contract = find(task, message->part.contract);
    if (message->part.contract != 0 && contract != NULL &&
        is_news(contract, message->part.change)) {
        contract->change = message->part.change;
        contract->terms.frames = message->part.left;
        update_allowance(task);
    }
    task_leave(task, NULL);
}

/* A counter-offer that was refused, or that another proposal took the place of, is no more. */
static void forget_countered(struct sp_task *task, uint32_t but)
{
    struct work work;
    sigset_t saved;

    task_enter(task, &work, &saved);
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (task->contract[i].state == SP_CONTRACT_COUNTERED && task->contract[i].number != but)
            drop(&task->contract[i]);
    task_leave(task, &saved);
}

int task_ask(struct sp_task *task, struct wire_message *message, uint8_t expected,
             struct wire_message *reply, struct sp_error *error)
{
    sigset_t saved;
    int result;

    task_block_signals(&saved);
    result = channel_ask(&task->physmem, message, -1, reply);
    if (result == 0 && reply->type == WIRE_OFFER)
        contract_note(task, reply);
    if (result == 0 && reply->type == WIRE_PART)
        part_note(task, reply);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (result != 0)
        return error_set(error, EPIPE, "physmem is gone, or has revoked this task");
    if (reply->error != 0)
        return error_set(error, (int)reply->error, "physmem: %s",
                         reply->type == WIRE_DONE && reply->done.text[0] != '\0'
                             ? reply->done.text
                             : strerror((int)reply->error));
    if (reply->type != expected)
        return error_set(error, EPROTO, "physmem answered %s to %s", wire_type_name(reply->type),
                         wire_type_name(message->type));
    return 0;
}

static int ask_for_offer(struct sp_task *task, struct wire_message *message, struct sp_offer *offer,
                         struct sp_error *error)
{
    struct wire_message reply;
    int result = task_ask(task, message, WIRE_OFFER, &reply, error);

    if (result != 0)
        return result;
    offer->answer = reply.offer.answer;
    offer->reason = reply.offer.reason;
    offer->contract = reply.offer.contract;
    offer->retry_ns = reply.offer.retry_ns;
    WIRE_COPY_TERMS(&offer->terms, &reply.offer);
    if (task->vitals > 0)
        vital_announce(task);
    return 0;
}

int sp_propose(struct sp_task *task, const struct sp_terms *terms, struct sp_offer *offer,
               struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_PROPOSE};

    if (terms->kind >= SP_CONTRACT_KINDS || terms->on_breach >= SP_BREACH_ACTIONS ||
        terms->grace_unit >= SP_GRACE_UNITS)
        return error_set(error, EINVAL,
                         "contract: kind %u, breach %u or grace unit %u does not exist",
                         terms->kind, terms->on_breach, terms->grace_unit);
    WIRE_COPY_TERMS(&message.propose, terms);
    forget_countered(task, 0);
    return ask_for_offer(task, &message, offer, error);
}

int sp_accept(struct sp_task *task, uint32_t contract, struct sp_offer *offer,
              struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ACCEPT};
    int result;

    message.accept.contract = contract;
    result = ask_for_offer(task, &message, offer, error);
    if (result == 0 && offer->answer == SP_REFUSED && offer->contract == 0)
        forget_countered(task, 0); /* there is only one at a time */
    return result;
}

int sp_resize_contract(struct sp_task *task, uint32_t contract, uint32_t frames,
                       struct sp_offer *offer, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RESIZE};

    message.resize.contract = contract;
    message.resize.frames = frames;
    return ask_for_offer(task, &message, offer, error);
}

int sp_split_contract(struct sp_task *task, uint32_t contract, uint32_t frames,
                      struct sp_part *part, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_SPLIT};
    struct wire_message reply;
    int result;

    message.split.contract = contract;
    message.split.frames = frames;
    result = task_ask(task, &message, WIRE_PART, &reply, error);
    if (result == 0)
        *part = (struct sp_part){.token = reply.part.token,
                                 .part = reply.part.part,
                                 .contract = reply.part.contract,
                                 .frames = reply.part.frames,
                                 .left = reply.part.left};
    return result;
}

int sp_claim_contract(struct sp_task *task, uint64_t token, struct sp_offer *offer,
                      struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CLAIM};

    message.claim.token = token;
    return ask_for_offer(task, &message, offer, error);
}

int sp_reabsorb_contract(struct sp_task *task, uint32_t part, struct sp_offer *offer,
                         struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_REABSORB};

    message.reabsorb.part = part;
    return ask_for_offer(task, &message, offer, error);
}

int sp_get_contract(struct sp_task *task, uint32_t contract, struct sp_contract_info *info)
{
    const struct task_contract *found;
    struct work work;
    sigset_t saved;

    task_enter(task, &work, &saved);
    found = contract != 0 ? find(task, contract) : NULL;
    if (found != NULL)
        *info = (struct sp_contract_info){.state = found->state, .terms = found->terms};
    task_leave(task, &saved);
    return found != NULL ? 0 : -ENOENT;
}

uint32_t sp_return_frames(struct sp_task *task, uint32_t frames)
{
    struct work work;
    sigset_t saved;
    uint32_t before, after;

    task_enter(task, &work, &saved);
    before = task->pager.owed;
    if (before == 0)
        task->recall_may_clean = true; /* nobody waits */
    pager_debts_owe(&task->pager, units_for(task, frames));
    after = task->pager.owed;
    task_leave(task, &saved);
    task_poke(task);
    return units_base(task, after - before);
}

int sp_renew(struct sp_task *task, uint32_t contract, uint64_t term_ns, struct sp_offer *offer,
             struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RENEW};

    message.renew.contract = contract;
    message.renew.term_ns = term_ns;
    return ask_for_offer(task, &message, offer, error);
}

int sp_close_contract(struct sp_task *task, uint32_t contract, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CLOSE};
    struct wire_message reply;
    struct task_contract *closed;
    struct work work;
    sigset_t saved;
    int result;

    message.close.contract = contract;
    result = task_ask(task, &message, WIRE_DONE, &reply, error);
    if (result != 0)
        return result;
    task_enter(task, &work, &saved);
    closed = find(task, contract);
    if (contract != 0 && closed != NULL)
        drop(closed);
    update_allowance(task);
    task_leave(task, &saved);
    return 0;
}

void contract_renew(struct sp_task *task, uint32_t number)
{
    struct wire_message message = {.type = WIRE_RENEW};
    struct channel_batch batch;
    struct task_contract *contract;
    struct work work;
    uint64_t term = 0;

    task_enter(task, &work, NULL);
    contract = find(task, number);
    if (number != 0 && contract != NULL)
        term = contract->terms.term_ns;
    task_leave(task, NULL);
    if (term == 0)
        return;
    message.seq = channel_next_seq(&task->physmem);
    message.renew.contract = number;
    message.renew.term_ns = term;
    batch.size = 0;
    channel_add(&batch, &message);
    (void)channel_send(&task->physmem, &batch, -1);
}

/* Why physmem and the task have not come to terms, with what was asked for and what there is. */
static int explain(const struct sp_task *task, const struct sp_terms *asked,
                   const struct sp_offer *offer, struct sp_error *error)
{
    const char *kind = contract_kind_name(asked->kind);
    const char *verb = offer->answer == SP_COUNTERED ? "countered" : "refused";
    char least[40] = "", later[80] = "";

    if (offer->reason == SP_REASON_NOT_ENTITLED)
        return error_set(error, ENOMEM,
                         "physmem %s a contract for %u %s frames: %s. It may have %u: ask for no "
                         "more, or let min= be no more, or have the entitlements changed",
                         verb, asked->frames, kind, wire_reason_text(offer->reason),
                         offer->terms.frames);
    if (offer->reason != SP_REASON_OVERCOMMITTED)
        return error_set(error, ENOMEM, "physmem %s a contract for %u %s frames: %s", verb,
                         asked->frames, kind, wire_reason_text(offer->reason));
    if (asked->min < asked->frames)
        snprintf(least, sizeof(least), " (at least %u)", asked->min);
    if (offer->retry_ns > 0)
        snprintf(later, sizeof(later), ", or try again in %.3g s", (double)offer->retry_ns / 1e9);
    return error_set(error, ENOMEM,
                     "physmem %s a contract for %u %s frames%s: %s. Of its %u frames %u can be "
                     "promised now: %s%s",
                     verb, asked->frames, kind, least, wire_reason_text(offer->reason),
                     task->physmem_frames, offer->terms.frames,
                     offer->terms.frames > 0 ? "ask for no more, or let min= be no more"
                                             : "ask for extra frames instead",
                     later);
}

static int negotiate_one(struct sp_task *task, const struct wanted_contract *wanted,
                         struct sp_error *error)
{
    const struct sp_terms *terms = &wanted->terms;
    struct sp_offer offer;
    int result;

    if (wanted->token != 0) {
        result = sp_claim_contract(task, wanted->token, &offer, error);
        if (result != 0 || offer.answer == SP_ACCEPTED)
            return result;
        return error_set(error, ENOMEM, "physmem refused a part: %s",
                         wire_reason_text(offer.reason));
    }
    result = sp_propose(task, terms, &offer, error);

    if (result == 0 && offer.answer == SP_COUNTERED && offer.terms.frames >= terms->min &&
        offer.terms.frames > 0)
        result = sp_accept(task, offer.contract, &offer, error);
    if (result != 0)
        return result;
    if (offer.answer == SP_ACCEPTED)
        return 0;
    return explain(task, terms, &offer, error);
}

int contracts_negotiate(struct sp_task *task, const struct wanted_contract *wanted, int count,
                        struct sp_error *error)
{
    for (int i = 0; i < count; i++) {
        int result = negotiate_one(task, &wanted[i], error);

        if (result != 0)
            return result;
    }
    return 0;
}
