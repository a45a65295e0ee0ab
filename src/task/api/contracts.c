/* Negotiation: proposals, counter-offers, renewals. */
#include "task/api/contracts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/effects/agreed.h"
#include "task/effects/vital.h"
#include "task/effects/work.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static int ask_for_offer(struct sp_task *task, struct wire_message *message, struct sp_offer *offer,
                         struct sp_error *error)
{
    struct wire_message reply;
    int result = ask_physmem(task, message, WIRE_OFFER, &reply, error);

    if (result != 0)
        return result;
    offer->answer = reply.offer.answer;
    offer->reason = reply.offer.reason;
    offer->contract = reply.offer.contract;
    offer->retry_ns = reply.offer.retry_ns;
    WIRE_COPY_TERMS(&offer->terms, &reply.offer);
    check(task->vitals <= TASK_VITALS);
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
    check(message.propose.frames == terms->frames && message.propose.kind == terms->kind);
    agreed_forget_countered(task, 0);
    return ask_for_offer(task, &message, offer, error);
}

int sp_accept(struct sp_task *task, uint32_t contract, struct sp_offer *offer,
              struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ACCEPT};
    int result;

    check(!hold_is_ours());
    message.accept.contract = contract;
    result = ask_for_offer(task, &message, offer, error);
    if (result == 0 && offer->answer == SP_REFUSED && offer->contract == 0)
        agreed_forget_countered(task, 0); /* there is only one at a time */
    return result;
}

int sp_resize_contract(struct sp_task *task, uint32_t contract, uint32_t frames,
                       struct sp_offer *offer, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RESIZE};

    check(!hold_is_ours());
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

    check(!hold_is_ours());
    message.split.contract = contract;
    message.split.frames = frames;
    result = ask_physmem(task, &message, WIRE_PART, &reply, error);
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

    check(!hold_is_ours());
    message.claim.token = token;
    return ask_for_offer(task, &message, offer, error);
}

int sp_reabsorb_contract(struct sp_task *task, uint32_t part, struct sp_offer *offer,
                         struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_REABSORB};

    check(!hold_is_ours());
    message.reabsorb.part = part;
    return ask_for_offer(task, &message, offer, error);
}

int sp_get_contract(struct sp_task *task, uint32_t contract, struct sp_contract_info *info)
{
    check(!hold_is_ours());
    return agreed_get(task, contract, info) ? 0 : -ENOENT;
}

uint32_t sp_return_frames(struct sp_task *task, uint32_t frames)
{
    struct guard guard;
    uint32_t before, after;

    guard_begin(&guard);
    hold_take(task);
    before = task->pager.owed;
    if (before == 0)
        task->recall_may_clean = true; /* nobody waits */
    pager_debts_owe(&task->pager, units_for(task, frames));
    after = task->pager.owed;
    check(after >= before);
    work_carry_out(task);
    hold_release(task);
    guard_end(&guard);
    events_poke(task);
    return units_base(task, after - before);
}

int sp_renew(struct sp_task *task, uint32_t contract, uint64_t term_ns, struct sp_offer *offer,
             struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RENEW};

    check(!hold_is_ours());
    message.renew.contract = contract;
    message.renew.term_ns = term_ns;
    return ask_for_offer(task, &message, offer, error);
}

int sp_close_contract(struct sp_task *task, uint32_t contract, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CLOSE};
    struct wire_message reply;
    int result;

    check(!hold_is_ours());
    message.close.contract = contract;
    result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    if (result != 0)
        return result;
    agreed_closed(task, contract);
    return 0;
}

/* Why physmem and the task have not come to terms, with what was asked for and what there is. */
static int explain(const struct sp_task *task, const struct sp_terms *asked,
                   const struct sp_offer *offer, struct sp_error *error)
{
    const char *kind = terms_text_kind(asked->kind);
    const char *verb = offer->answer == SP_COUNTERED ? "countered" : "refused";
    char least[40] = "", later[80] = "";

    check(offer->answer == SP_COUNTERED || offer->answer == SP_REFUSED);
    if (offer->reason == SP_REASON_NOT_ENTITLED)
        return error_set(error, ENOMEM,
                         "physmem %s a contract for %u %s frames: %s. It may have %u: ask for no "
                         "more, or let min= be no more, or have the entitlements changed",
                         verb, asked->frames, kind, print_reason_text(offer->reason),
                         offer->terms.frames);
    if (offer->reason != SP_REASON_OVERCOMMITTED)
        return error_set(error, ENOMEM, "physmem %s a contract for %u %s frames: %s", verb,
                         asked->frames, kind, print_reason_text(offer->reason));
    if (asked->min < asked->frames)
        snprintf(least, sizeof(least), " (at least %u)", asked->min);
    if (offer->retry_ns > 0)
        snprintf(later, sizeof(later), ", or try again in %.3g s", (double)offer->retry_ns / 1e9);
    return error_set(error, ENOMEM,
                     "physmem %s a contract for %u %s frames%s: %s. Of its %u frames %u can be "
                     "promised now: %s%s",
                     verb, asked->frames, kind, least, print_reason_text(offer->reason),
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

    check(wanted->token == 0 || terms->frames == 0);
    if (wanted->token != 0) {
        result = sp_claim_contract(task, wanted->token, &offer, error);
        if (result != 0 || offer.answer == SP_ACCEPTED)
            return result;
        return error_set(error, ENOMEM, "physmem refused a part: %s",
                         print_reason_text(offer.reason));
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
    check(count >= 0 && count <= (int)TERMS_MAX);
    for (int i = 0; i < count; i++) {
        int result = negotiate_one(task, &wanted[i], error);

        if (result != 0)
            return result;
    }
    return 0;
}
