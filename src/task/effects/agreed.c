#include "task/effects/agreed.h"

#include "base/assert.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static bool counts(const struct task_contract *contract)
{
    check(contract->number != 0 || contract->state == SP_CONTRACT_NONE);
    return contract->number != 0 && contract->state == SP_CONTRACT_ACTIVE;
}

/* Tell the pager what the active contracts add up to. The lock is held. */
static void update_allowance(struct sp_task *task)
{
    uint32_t guaranteed = 0;
    uint32_t extra = 0;

    check(hold_is_ours());
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
    check(hold_is_ours());
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (task->contract[i].number == number)
            return &task->contract[i];
    return NULL;
}

static void drop(struct task_contract *contract)
{
    *contract = (struct task_contract){0};
    check(!counts(contract));
}

/* Whether what a message tells is newer than what is known. */
static bool is_news(const struct task_contract *contract, uint32_t change)
{
    check(contract->number != 0 || contract->change == 0);
    return (int32_t)(change - contract->change) >= 0;
}

void agreed_note(struct sp_task *task, const struct wire_message *offer)
{
    uint32_t number = offer->offer.contract;
    bool agreed = offer->offer.answer == SP_ACCEPTED || offer->offer.state == SP_CONTRACT_COUNTERED;
    struct task_contract *contract;

    if (offer->error != 0 || number == 0)
        return;
    hold_take(task);
    contract = find(task, number);
    if (contract == NULL && agreed)
        contract = find(task, 0);
    if (contract != NULL && is_news(contract, offer->offer.change)) {
        contract->number = number;
        contract->state = offer->offer.state;
        contract->change = offer->offer.change;
        if (agreed)
            WIRE_COPY_TERMS(&contract->terms, &offer->offer);
        check(find(task, number) == contract);
        update_allowance(task);
    }
    hold_release(task);
    events_signal(task);
}

void agreed_changed(struct sp_task *task, const struct wire_message *message)
{
    struct task_contract *contract;

    hold_take(task);
    contract = find(task, message->changed.contract);
    if (message->changed.contract != 0 && contract != NULL &&
        is_news(contract, message->changed.change)) {
        contract->state = message->changed.state;
        contract->change = message->changed.change;
        contract->terms.frames = message->changed.frames;
        /* Nothing more can be done with it. */
        if (contract->state != SP_CONTRACT_ACTIVE && contract->state != SP_CONTRACT_EXPIRED)
            drop(contract);
        check(contract->number == 0 || contract->number == message->changed.contract);
        update_allowance(task);
        pager_growth_possible(&task->pager);
    }
    hold_release(task);
    events_signal(task);
}

void agreed_part(struct sp_task *task, const struct wire_message *message)
{
    struct task_contract *contract;

    if (message->error != 0)
        return;
    hold_take(task);
    contract = find(task, message->part.contract);
    if (message->part.contract != 0 && contract != NULL &&
        is_news(contract, message->part.change)) {
        check(contract->number == message->part.contract);
        contract->change = message->part.change;
        contract->terms.frames = message->part.left;
        update_allowance(task);
    }
    hold_release(task);
}

void agreed_forget_countered(struct sp_task *task, uint32_t but)
{
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    for (uint32_t i = 0; i < TERMS_MAX; i++)
        if (task->contract[i].state == SP_CONTRACT_COUNTERED && task->contract[i].number != but)
            drop(&task->contract[i]);
    hold_release(task);
    guard_end(&guard);
    check(!hold_is_ours());
}

void agreed_expired(struct sp_task *task, uint32_t number, uint32_t guaranteed, uint32_t extra)
{
    struct task_contract *contract;

    hold_take(task);
    contract = number != 0 ? find(task, number) : NULL;
    if (contract != NULL)
        contract->state = SP_CONTRACT_EXPIRED;
    check(contract == NULL || contract->number == number);
    units_allow(task, guaranteed, extra);
    hold_release(task);
}

void agreed_closed(struct sp_task *task, uint32_t number)
{
    struct task_contract *contract;
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    contract = number != 0 ? find(task, number) : NULL;
    if (contract != NULL)
        drop(contract);
    check(find(task, number) == NULL || number == 0);
    update_allowance(task);
    hold_release(task);
    guard_end(&guard);
}

bool agreed_get(struct sp_task *task, uint32_t number, struct sp_contract_info *info)
{
    const struct task_contract *contract;
    struct guard guard;

    guard_begin(&guard);
    hold_take(task);
    contract = number != 0 ? find(task, number) : NULL;
    if (contract != NULL)
        *info = (struct sp_contract_info){.state = contract->state, .terms = contract->terms};
    hold_release(task);
    guard_end(&guard);
    check(!hold_is_ours());
    return contract != NULL;
}

void agreed_renew(struct sp_task *task, uint32_t number)
{
    struct wire_message message = {.type = WIRE_RENEW};
    struct channel_batch batch;
    struct task_contract *contract;
    uint64_t term = 0;

    hold_take(task);
    contract = find(task, number);
    if (number != 0 && contract != NULL)
        term = contract->terms.term_ns;
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
