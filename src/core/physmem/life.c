#include "core/physmem/life.h"

#include "core/physmem/emit.h"
#include "core/physmem/extra.h"
#include "core/physmem/promises.h"
#include "core/physmem/recall.h"
#include "core/physmem/told.h"

static void stop_deadlines(struct physmem *physmem, struct contract *contract)
{
    check(contract->task != NULL);
    contract->ends = DEADLINE_NEVER;
    deadlines_stop(&physmem->deadlines, &contract->event);
    deadlines_stop(&physmem->ends, &contract->end);
}

/* A term begins now. That of a part is the one of the contract it was split off from. */
static void term_start(struct physmem *physmem, struct contract *contract)
{
    uint64_t term = contract->part != NULL ? SP_FOREVER : contract->terms.term_ns;

    ensure(term > 0);
    contract->begins = physmem->now;
    contract->renewal_ns = 0;
    if (term == SP_FOREVER || term >= DEADLINE_NEVER - physmem->now) {
        stop_deadlines(physmem, contract);
        return;
    }
    contract->ends = physmem->now + term;
    deadlines_start(&physmem->deadlines, &contract->event, physmem->now + (term - term / 4));
    if (contract_is_committed(&contract->terms))
        deadlines_start(&physmem->ends, &contract->end, contract->ends);
}

void life_activate(struct physmem *physmem, struct contract *contract)
{
    if (contract->state != SP_CONTRACT_ACTIVE) {
        contract->kept = 0;
        if (contract->part != NULL) /* physmem has promised them since the split, to any claimer */
            promises_task_more(physmem, contract->task, contract->terms.kind,
                               contract->terms.frames);
        else
            promises_more(physmem, contract, contract->terms.frames);
    }
    contract_move(contract, SP_CONTRACT_ACTIVE);
    contract->changes++;
    term_start(physmem, contract);
    recall_forgive(physmem, contract->task);
    check(contract->state == SP_CONTRACT_ACTIVE && contract->recalling <= contract->kept);
}

void life_grow(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    ensure(contract->state == SP_CONTRACT_ACTIVE);
    contract->terms.frames += frames;
    contract->resize_frames = 0;
    contract->changes++;
    check(contract->recalling <= contract->kept);
    contract->kept -= smaller(frames, contract->kept - contract->recalling);
    recall_forgive(physmem, contract->task);
}

/* Frames that the task holds beyond all that it may have, and that were not recalled yet. */
static uint32_t surplus(const struct physmem_task *task)
{
    uint64_t allowed = (uint64_t)task_commitment(task) + task->extra + task->owed;

    check(task->owed <= task_excess(task));
    return task->held > allowed ? smaller(task->held - (uint32_t)allowed, task_recallable(task))
                                : 0;
}

void life_shrink(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    uint32_t beyond = smaller(surplus(contract->task), frames);

    ensure(contract->state == SP_CONTRACT_ACTIVE && frames < contract->terms.frames);
    contract->terms.frames -= frames;
    contract->terms.min = smaller(contract->terms.min, contract->terms.frames);
    contract->resize_frames = 0;
    contract->changes++;
    contract->kept += beyond;
    recall_kept(physmem, contract, beyond);
    check(contract->recalling <= contract->kept);
}

/* ---- Ends ---- */

/* A part's frames belong to the contract above again. The part is freed. */
static void part_return(struct physmem *physmem, struct part *part)
{
    struct contract *from = part->from;
    struct physmem_task *above = from->task;
    struct part **linkp = &from->parts;

    check(part->from->state == SP_CONTRACT_ACTIVE);
    while (*linkp != part)
        linkp = &(*linkp)->next;
    *linkp = part->next;
    part_table_remove(&physmem->parts, part);
    told_forget(physmem, part);
    ensure(above->parts > 0);
    above->parts--;
    if (part->to != NULL) {
        promises_task_less(physmem, part->to->task, from->terms.kind, part->frames);
        part->to->part = NULL;
        part->to->depth = 0;
    } else {
        ensure(physmem->unclaimed[from->terms.kind] >= part->frames);
        physmem->unclaimed[from->terms.kind] -= part->frames;
    }
    promises_task_more(physmem, above, from->terms.kind, part->frames);
    life_grow(physmem, from, part->frames);
    if (!part->called_back)
        promises_tell(physmem, from, part->number, SP_REASON_PART_RETURNED);
    memory_free(physmem->allocator, part, sizeof(*part));
}

/* The frames of an active contract are no longer promised. Its parts come back first, the deepest
 * ones before all others; parts go PART_DEPTH_MAX deep. */
static void stop(struct physmem *physmem, struct contract *contract, bool keep)
{
    ensure(contract->state == SP_CONTRACT_ACTIVE && contract->depth <= PART_DEPTH_MAX);
    while (contract->parts != NULL)
        life_call_back(physmem, contract->parts, keep, SP_REASON_ABOVE_ENDED);
    stop_deadlines(physmem, contract);
    if (contract->part != NULL)
        part_return(physmem, contract->part);
    else
        promises_less(physmem, contract, contract->terms.frames);
    contract->renewal_ns = 0;
    contract->resize_frames = 0;
    contract->changes++;
}

void life_end(struct physmem *physmem, struct contract *contract, enum sp_contract_state state)
{
    check(contract->depth <= PART_DEPTH_MAX && contract->recalling <= contract->kept);
    if (contract->state == SP_CONTRACT_ACTIVE)
        stop(physmem, contract, false);
    contract_move(contract, state);
    promises_remove(physmem, contract);
}

void life_end_all(struct physmem *physmem, struct physmem_task *task, enum sp_contract_state state)
{
    while (task->contract_list != NULL)
        life_end(physmem, task->contract_list, state);
    ensure(task->contracts == 0 && task_commitment(task) == 0 && task->extra == 0);
}

void life_retire(struct physmem *physmem, struct contract *contract, bool keep)
{
    uint32_t own = contract->terms.frames;

    stop(physmem, contract, keep);
    contract_move(contract, SP_CONTRACT_EXPIRED);
    contract->kept += own;
    if (contract->recalling > 0)
        contract_move(contract, SP_CONTRACT_RECALLED);
    check(contract->recalling <= contract->kept);
}

void life_dissolve(struct physmem *physmem, struct contract *contract)
{
    uint32_t beyond = smaller(surplus(contract->task), contract->terms.frames);

    ensure(contract->state != SP_CONTRACT_ACTIVE);
    contract->kept = contract->recalling + beyond;
    contract->closing = true;
    recall_kept(physmem, contract, beyond);
    if (contract->recalling == 0)
        life_end(physmem, contract, SP_CONTRACT_CLOSED);
}

void life_call_back(struct physmem *physmem, struct part *part, bool keep, enum sp_reason why)
{
    struct contract *below = part->to;

    part->called_back = true;
    if (below == NULL) {
        part_return(physmem, part);
        return;
    }
    ensure(below->part == part);
    life_retire(physmem, below, keep);
    promises_tell(physmem, below, 0, why);
    if (!keep)
        life_dissolve(physmem, below);
}

void life_part_less(struct physmem *physmem, struct part *part, uint32_t frames)
{
    struct contract *from = part->from;

    ensure(part->to != NULL && frames < part->frames);
    part->frames -= frames;
    promises_task_less(physmem, part->to->task, from->terms.kind, frames);
    promises_task_more(physmem, from->task, from->terms.kind, frames);
    life_grow(physmem, from, frames);
    told_part(physmem, part);
}

/* ---- Terms ---- */

static void notify(struct physmem *physmem, const struct contract *contract,
                   enum physmem_notice what)
{
    struct physmem_task *task = contract->task;
    struct physmem_effect *effect;

    check(contract->number > 0 && contract->number <= task->contract_number);
    if (!task->control)
        return;
    effect = emit_effect(physmem, PHYSMEM_SEND_NOTICE, task);
    effect->notice.what = (uint8_t)what;
    effect->notice.contract = contract->number;
    effect->notice.guaranteed = task->guaranteed;
    effect->notice.extra = task->extra;
    effect->notice.change = contract->changes;
}

/* A lease is over. Its frames are recalled at once if other tasks wait for frames. */
static void recall_lease(struct physmem *physmem, struct contract *contract)
{
    uint64_t wanted = extra_wanted_by_others(physmem, contract->task);
    uint32_t excess = task_recallable(contract->task);

    check(contract->state != SP_CONTRACT_ACTIVE);
    if (wanted < excess)
        excess = (uint32_t)wanted;
    if (recall_kept(physmem, contract, excess) > 0)
        physmem->recalled_for_extra = true;
}

void life_due(struct physmem *physmem, struct contract *contract)
{
    ensure(contract->state == SP_CONTRACT_ACTIVE && contract->ends != DEADLINE_NEVER);
    if (physmem->now < contract->ends) {
        deadlines_start(&physmem->deadlines, &contract->event, contract->ends);
        notify(physmem, contract, PHYSMEM_EXPIRING);
        return;
    }
    life_retire(physmem, contract, true);
    notify(physmem, contract, PHYSMEM_EXPIRED);
    if (contract->terms.kind == SP_TIMED)
        recall_lease(physmem, contract);
}
