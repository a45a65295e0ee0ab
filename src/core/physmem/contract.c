/* Contracts of tasks: how they come to life, what they add up to, and how they end. */
#include "core/physmem/internal.h"

struct contract *contract_find(struct physmem_task *task, uint32_t number)
{
    struct contract *contract = task->contract_list;

    while (contract != NULL && contract->number != number)
        contract = contract->next;
    return contract;
}

void task_promise(struct physmem *physmem, struct physmem_task *task, uint8_t kind, uint32_t frames)
{
    availability_changed(physmem);
    control_changed(physmem, task);
    if (kind == SP_GUARANTEED)
        task->guaranteed += frames;
    else if (kind == SP_TIMED)
        task->leased += frames;
    else
        task->extra += frames;
}

void task_unpromise(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                    uint32_t frames)
{
    availability_changed(physmem);
    control_changed(physmem, task);
    if (kind == SP_GUARANTEED)
        task->guaranteed -= frames;
    else if (kind == SP_TIMED)
        task->leased -= frames;
    else
        task->extra -= frames;
}

void sums_add(struct physmem *physmem, const struct contract *contract, uint32_t frames)
{
    if (contract->terms.kind == SP_GUARANTEED)
        physmem->guaranteed += frames;
    else if (contract->terms.kind == SP_TIMED)
        physmem->leased += frames;
    task_promise(physmem, contract->task, contract->terms.kind, frames);
}

void sums_subtract(struct physmem *physmem, const struct contract *contract, uint32_t frames)
{
    if (contract->terms.kind == SP_GUARANTEED)
        physmem->guaranteed -= frames;
    else if (contract->terms.kind == SP_TIMED)
        physmem->leased -= frames;
    task_unpromise(physmem, contract->task, contract->terms.kind, frames);
}

/* A term begins now. That of a part is the one of the contract it was split off from. */
static void term_start(struct physmem *physmem, struct contract *contract)
{
    uint64_t term = contract->part != NULL ? SP_FOREVER : contract->terms.term_ns;

    contract->begins = physmem->now;
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

void contract_activate(struct physmem *physmem, struct contract *contract)
{
    if (contract->state != SP_CONTRACT_ACTIVE) {
        contract->kept = 0;
        if (contract->part != NULL) /* promised by physmem already, to whoever comes */
            task_promise(physmem, contract->task, contract->terms.kind, contract->terms.frames);
        else
            sums_add(physmem, contract, contract->terms.frames);
    }
    contract_move(contract, SP_CONTRACT_ACTIVE);
    contract->changes++;
    term_start(physmem, contract);
    recall_forgive(physmem, contract->task);
}

/* The frames of an active contract are promised no longer. */
static void contract_stop(struct physmem *physmem, struct contract *contract, bool keep)
{
    parts_end(physmem, contract, keep);
    deadline_stop(&physmem->deadlines, &contract->event);
    deadline_stop(&physmem->ends, &contract->end);
    if (contract->part != NULL)
        part_return(physmem, contract->part);
    else
        sums_subtract(physmem, contract, contract->terms.frames);
    contract->renewal_ns = 0;
    contract->resize_frames = 0;
    contract->ends = DEADLINE_NEVER;
    contract->changes++;
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

void contract_end(struct physmem *physmem, struct contract *contract, enum sp_contract_state state)
{
    if (contract->state == SP_CONTRACT_ACTIVE)
        contract_stop(physmem, contract, false);
    contract_move(contract, state);
    contract_remove(physmem, contract);
}

void contract_retire(struct physmem *physmem, struct contract *contract, bool keep)
{
    uint32_t own = contract->terms.frames;

    contract_stop(physmem, contract, keep);
    contract_move(contract, SP_CONTRACT_EXPIRED);
    contract->kept += own;
    if (contract->recalling > 0)
        contract_move(contract, SP_CONTRACT_RECALLED);
}

/* What the task holds beyond all that it may have, as far as it was not asked for. */
static uint32_t contract_surplus(const struct physmem_task *task)
{
    uint64_t allowed = (uint64_t)task_commitment(task) + task->extra + task->owed;

    return task->held > allowed ? smaller(task->held - (uint32_t)allowed, task_recallable(task))
                                : 0;
}

void contract_dissolve(struct physmem *physmem, struct contract *contract)
{
    uint32_t beyond = smaller(contract_surplus(contract->task), contract->terms.frames);

    contract->kept = contract->recalling + beyond;
    contract->closing = true;
    recall_kept(physmem, contract, beyond);
    if (contract->recalling == 0)
        contract_end(physmem, contract, SP_CONTRACT_CLOSED);
}

void contract_shrink(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    uint32_t beyond;

    contract->terms.frames -= frames;
    contract->terms.min = smaller(contract->terms.min, contract->terms.frames);
    contract->resize_frames = 0;
    contract->changes++;
    beyond = smaller(contract_surplus(contract->task), frames);
    contract->kept += beyond;
    recall_kept(physmem, contract, beyond);
}

void contract_grow(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    contract->terms.frames += frames;
    contract->resize_frames = 0;
    contract->changes++;
    contract->kept -= smaller(frames, contract->kept - contract->recalling);
    recall_forgive(physmem, contract->task);
}

void contracts_end(struct physmem *physmem, struct physmem_task *task, enum sp_contract_state state)
{
    while (task->contract_list != NULL)
        contract_end(physmem, task->contract_list, state);
}

struct contract *contract_add(struct physmem *physmem, struct physmem_task *task)
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

void contract_returned(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    contract->kept -= frames;
    contract_forgiven(physmem, contract, frames);
}

void contract_forgiven(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    contract->recalling -= frames;
    if (contract->recalling > 0 || contract->state == SP_CONTRACT_ACTIVE)
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
    contract_retire(physmem, contract, true);
    notify(physmem, contract, PHYSMEM_EXPIRED);
}

void contract_tell(struct physmem *physmem, struct contract *contract, uint32_t part,
                   enum sp_reason why)
{
    struct physmem_task *task = contract->task;
    struct physmem_effect *effect;

    if (!task->control)
        return;
    effect = physmem_emit(physmem, PHYSMEM_SEND_CHANGED, task);
    effect->changed.contract = contract->number;
    effect->changed.part = part;
    effect->changed.frames = contract->terms.frames;
    effect->changed.change = contract->changes;
    effect->changed.state = contract->state;
    effect->changed.why = (uint8_t)why;
}
