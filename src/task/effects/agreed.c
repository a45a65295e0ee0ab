#include "task/effects/agreed.h"

#include "base/assert.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

/* Tell the pager what the active contracts add up to. The lock is held. */
static void update_allowance(struct sp_task *task)
{
    struct agreements_sums sums = agreements_sum(&task->agreements);

    check(hold_is_ours());
    if (sums.may_lose) {
        __atomic_store_n(&task->may_lose, true, __ATOMIC_RELEASE);
        pager_growth_spread(&task->pager);
    }
    units_allow(task, sums.guaranteed, sums.extra);
}

void agreed_note(struct sp_task *task, const struct wire_message *message)
{
    struct sp_offer offer = {.answer = message->offer.answer, .contract = message->offer.contract};

    if (message->error != 0 || offer.contract == 0)
        return;
    WIRE_COPY_TERMS(&offer.terms, &message->offer);
    hold_take(task);
    check(message->type == WIRE_OFFER);
    agreements_offered(&task->agreements, &offer, message->offer.state, message->offer.change);
    update_allowance(task);
    hold_release(task);
    events_signal(task);
}

void agreed_changed(struct sp_task *task, const struct wire_message *message)
{
    hold_take(task);
    check(message->type == WIRE_CHANGED);
    if (agreements_changed(&task->agreements, message->changed.contract, message->changed.state,
                           message->changed.frames, message->changed.change)) {
        update_allowance(task);
        pager_growth_possible(&task->pager);
    }
    hold_release(task);
    events_signal(task);
}

void agreed_part(struct sp_task *task, const struct wire_message *message)
{
    if (message->error != 0)
        return;
    hold_take(task);
    check(message->type == WIRE_PART);
    agreements_split(&task->agreements, message->part.contract, message->part.left,
                     message->part.change);
    update_allowance(task);
    hold_release(task);
}

void agreed_forget_countered(struct sp_task *task, uint32_t but)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    agreements_forget_countered(&task->agreements, but);
    hold_release(task);
    guard_end(&guard);
    check(!hold_is_ours());
}

void agreed_expired(struct sp_task *task, const struct wire_message *message)
{
    hold_take(task);
    check(message->type == WIRE_NOTICE && message->notice.what == WIRE_NOTICE_EXPIRED);
    agreements_expired(&task->agreements, message->notice.contract, message->notice.change);
    update_allowance(task);
    hold_release(task);
}

void agreed_closed(struct sp_task *task, uint32_t number)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    check(hold_is_ours());
    agreements_closed(&task->agreements, number);
    update_allowance(task);
    hold_release(task);
    guard_end(&guard);
}

bool agreed_get(struct sp_task *task, uint32_t number, struct sp_contract_info *info)
{
    const struct agreement *agreement;
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    agreement = agreements_find(&task->agreements, number);
    if (agreement != NULL && agreement->is_early)
        agreement = NULL;
    if (agreement != NULL)
        *info = (struct sp_contract_info){.state = agreement->state, .terms = agreement->terms};
    hold_release(task);
    guard_end(&guard);
    check(!hold_is_ours());
    return agreement != NULL;
}

void agreed_renew(struct sp_task *task, uint32_t number)
{
    struct wire_message message = {.type = WIRE_RENEW};
    struct channel_batch batch;
    const struct agreement *agreement;
    uint64_t term = 0;

    hold_take(task);
    agreement = agreements_find(&task->agreements, number);
    if (agreement != NULL)
        term = agreement->terms.term_ns;
    hold_release(task);
    if (term == 0)
        return;
    check(!hold_is_ours() && number != 0);
    message.seq = channel_next_seq(&task->physmem);
    message.renew.contract = number;
    message.renew.term_ns = term;
    batch.size = 0;
    channel_add(&batch, &message);
    (void)channel_send(&task->physmem, &batch, -1);
}
