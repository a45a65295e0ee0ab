#include "core/physmem/promises.h"

#include "core/physmem/books.h"
#include "core/physmem/emit.h"

struct contract *promises_find(struct physmem_task *task, uint32_t number)
{
    struct contract *contract = task->contract_list;

    check(task->contracts <= CONTRACTS_PER_TASK);
    while (contract != NULL && contract->number != number)
        contract = contract->next;
    check(contract == NULL || contract->task == task);
    return contract;
}

static uint32_t *sum_of_task(struct physmem_task *task, uint8_t kind)
{
    ensure(kind < SP_CONTRACT_KINDS);
    return kind == SP_GUARANTEED ? &task->guaranteed
           : kind == SP_TIMED    ? &task->leased
                                 : &task->extra;
}

/* NULL: physmem has no sum of extra frames. */
static uint32_t *sum_of_all(struct physmem *physmem, uint8_t kind)
{
    check(kind < SP_CONTRACT_KINDS);
    return kind == SP_GUARANTEED ? &physmem->guaranteed
           : kind == SP_TIMED    ? &physmem->leased
                                 : NULL;
}

/* The sums of a task have changed. */
static void sums_changed(struct physmem *physmem, struct physmem_task *task)
{
    check(task_commitment(task) <= physmem->guaranteed + physmem->leased);
    physmem->promised_changes++;
    books_availability_changed(physmem);
    books_row_changed(physmem, task);
    task_plans_stale(physmem, task);
}

void promises_task_more(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                        uint32_t frames)
{
    check(frames <= UINT32_MAX - *sum_of_task(task, kind));
    *sum_of_task(task, kind) += frames;
    sums_changed(physmem, task);
}

void promises_task_less(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                        uint32_t frames)
{
    uint32_t *sum = sum_of_task(task, kind);

    ensure(*sum >= frames);
    *sum -= frames;
    sums_changed(physmem, task);
}

void promises_more(struct physmem *physmem, const struct contract *contract, uint32_t frames)
{
    uint32_t *sum = sum_of_all(physmem, contract->terms.kind);

    if (sum != NULL)
        *sum += frames;
    check(frames > 0 && contract->part == NULL);
    check(physmem->guaranteed + physmem->leased <= frames_promisable(physmem));
    promises_task_more(physmem, contract->task, contract->terms.kind, frames);
}

void promises_less(struct physmem *physmem, const struct contract *contract, uint32_t frames)
{
    uint32_t *sum = sum_of_all(physmem, contract->terms.kind);

    ensure(sum == NULL || *sum >= frames);
    if (sum != NULL)
        *sum -= frames;
    promises_task_less(physmem, contract->task, contract->terms.kind, frames);
}

/* Provide for the deadlines of one more contract. */
static int reserve_deadlines(struct physmem *physmem)
{
    if (deadlines_reserve(&physmem->deadlines, 1) != 0)
        return -ENOMEM;
    if (deadlines_reserve(&physmem->ends, 1) == 0)
        return 0;
    deadlines_unreserve(&physmem->deadlines, 1);
    return -ENOMEM;
}

/* Whoever negotiates has one contract after the other: the memory of one is kept. */
static void put_away(struct physmem *physmem, struct contract *contract)
{
    memory_free(physmem->allocator, physmem->spare, sizeof(*physmem->spare));
    physmem->spare = contract;
}

struct contract *promises_new(struct physmem *physmem)
{
    struct contract *contract = physmem->spare;

    if (contract != NULL)
        *contract = (struct contract){.state = SP_CONTRACT_NONE};
    else
        contract = memory_new(physmem->allocator, sizeof(*contract));
    physmem->spare = NULL;
    if (contract == NULL)
        return NULL;
    if (reserve_deadlines(physmem) != 0) {
        put_away(physmem, contract);
        return NULL;
    }
    contract->event.purpose = PURPOSE_CONTRACT;
    check(contract->state == SP_CONTRACT_NONE && contract->task == NULL);
    return contract;
}

void promises_add(struct physmem_task *task, struct contract *contract)
{
    struct contract **linkp = &task->contract_list;

    ensure(task->contracts < CONTRACTS_PER_TASK);
    contract->number = ++task->contract_number;
    contract->task = task;
    while (*linkp != NULL)
        linkp = &(*linkp)->next;
    *linkp = contract;
    task->contracts++;
    check(promises_find(task, contract->number) == contract);
}

void promises_remove(struct physmem *physmem, struct contract *contract)
{
    struct physmem_task *task = contract->task;
    struct contract **linkp = &task->contract_list;

    ensure(contract->state == SP_CONTRACT_CLOSED || contract->state == SP_CONTRACT_BREACHED);
    ensure(contract->part == NULL && contract->parts == NULL);
    ensure(task->contracts > 0);
    check(!deadline_is_running(&contract->event) && !deadline_is_running(&contract->end));
    while (*linkp != contract)
        linkp = &(*linkp)->next;
    *linkp = contract->next;
    task->contracts--;
    deadlines_unreserve(&physmem->deadlines, 1);
    deadlines_unreserve(&physmem->ends, 1);
    put_away(physmem, contract);
}

void promises_returned(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    ensure(contract->kept >= frames);
    check(contract->recalling <= contract->kept);
    contract->kept -= frames;
    promises_forgiven(physmem, contract, frames);
}

void promises_forgiven(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    ensure(contract->recalling >= frames);
    contract->recalling -= frames;
    if (contract->recalling > 0 || contract->state == SP_CONTRACT_ACTIVE)
        return;
    if (contract->closing || contract->kept == 0) {
        contract_move(contract, SP_CONTRACT_CLOSED);
        promises_remove(physmem, contract);
    } else {
        contract_move(contract, SP_CONTRACT_EXPIRED);
    }
}

void promises_tell(struct physmem *physmem, struct contract *contract, uint32_t part,
                   enum sp_reason why)
{
    struct physmem_task *task = contract->task;
    struct physmem_effect *effect;

    check(contract->number > 0 && contract->number <= task->contract_number);
    if (!task->control)
        return;
    effect = emit_effect(physmem, PHYSMEM_SEND_CHANGED, task);
    effect->changed.contract = contract->number;
    effect->changed.part = part;
    effect->changed.frames = contract->terms.frames;
    effect->changed.change = contract->changes;
    effect->changed.state = contract->state;
    effect->changed.why = (uint8_t)why;
}
