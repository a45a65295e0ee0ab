#include "core/physmem/breach.h"

#include "core/physmem/emit.h"
#include "core/physmem/recall.h"
#include "core/physmem/repossess.h"
#include "core/physmem/revoke.h"
#include "core/physmem/rights.h"

/* From the gentlest to the harshest. */
static const uint8_t ladder[SP_BREACH_ACTIONS] = {
    [SP_BREACH_WARN] = 0,   [SP_BREACH_PENALTY] = 1, [SP_BREACH_REPOSSESS] = 2,
    [SP_BREACH_REVOKE] = 3, [SP_BREACH_KILL] = 4,
};

/* The contract that says what a missed recall costs: the one whose frames they are. Extra frames belong to no
 * contract in particular; for them it is the contract for extra frames with the gentlest consequence, as they also
 * have the longest grace. NULL: no contract allows the task extra frames any more. */
static const struct contract *contract_of_recall(struct recall *recall)
{
    const struct contract *gentlest = NULL;

    check(recall->missing > 0);
    if (recall->contract != NULL)
        return recall->contract;
    for (const struct contract *c = recall_debtor(recall)->contract_list; c != NULL; c = c->next)
        if (c->terms.kind == SP_EXTRA && c->state != SP_CONTRACT_COUNTERED &&
            (gentlest == NULL || ladder[c->terms.on_breach] < ladder[gentlest->terms.on_breach]))
            gentlest = c;
    return gentlest;
}

/* Charge a task, whose account cannot overflow. Returns the charge. */
static uint64_t charge(struct physmem_task *task, uint32_t frames, uint64_t bid)
{
    uint64_t price = bid > 0 ? bid : 1;
    uint64_t due;

    ensure(frames > 0);
    due = price > UINT64_MAX / frames ? UINT64_MAX : price * frames;
    task->penalty = due > UINT64_MAX - task->penalty ? UINT64_MAX : task->penalty + due;
    check(task->penalty >= due);
    return due;
}

/* Extend the deadline once more, unless the task has used that up. */
static bool extend(struct physmem *physmem, struct recall *recall, uint64_t charged)
{
    struct physmem_task *task = recall_debtor(recall);
    struct grace grace = recall_grace(task, recall->contract);
    struct physmem_effect *effect;

    check(recall->missing > 0);
    if (task->misses >= physmem->config.warnings)
        return false;
    task->misses++;
    task->warnings++;
    physmem->counters.warnings++;
    recall_restart(physmem, recall);
    effect = emit_effect(physmem, PHYSMEM_SEND_WARNED, task);
    effect->warned.id = recall->id;
    effect->warned.missing = recall->missing;
    effect->warned.left = physmem->config.warnings - task->misses;
    effect->warned.charged = charged;
    effect->warned.unit = grace.unit;
    effect->warned.grace = grace.grace;
    return true;
}

void breach_recall_missed(struct physmem *physmem, struct recall *recall)
{
    struct physmem_task *task = recall_debtor(recall);
    const struct contract *contract = contract_of_recall(recall);
    unsigned rung = contract != NULL ? contract->terms.on_breach : SP_BREACH_REVOKE;
    uint64_t charged = 0;

    ensure(task->state == STANDING_THERE && recall->missing > 0);
    if (!recall->overdue) {
        task->recalls_missed++;
        physmem->counters.recalls_missed++;
    }
    if (!task->control) {
        revoke_breach(physmem, task, SP_REASON_NOT_RECEIVING, recall->asked, recall->missing);
        return;
    }
    if (rung == SP_BREACH_PENALTY)
        charged = charge(task, recall->missing, contract->terms.bid);
    if ((rung == SP_BREACH_WARN || rung == SP_BREACH_PENALTY) && extend(physmem, recall, charged))
        return;
    if ((rung == SP_BREACH_REPOSSESS || rung == SP_BREACH_PENALTY) &&
        repossess_missing(physmem, recall))
        return;
    revoke_breach(physmem, task, SP_REASON_RECALL_MISSED, recall->asked, recall->missing);
}

void breach_unmap_missed(struct physmem *physmem, struct physmem_task *task)
{
    uint32_t slots = rights_oldest(task)->range.count;

    ensure(task->state == STANDING_THERE && task->unmap_count > 0);
    revoke_breach(physmem, task, task->control ? SP_REASON_UNMAP_MISSED : SP_REASON_NOT_RECEIVING,
                  slots, slots);
}

void breach_count_demand(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    ensure(task->state == STANDING_THERE);
    /* A task that owes frames gets none, so only its refused requests can be counted. */
    task->demands += frames > 0 ? frames : 1;
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        struct recall *recall = &task->recalls[i];

        if (recall->missing > 0 && task->demands >= recall->demands) {
            breach_recall_missed(physmem, recall);
            if (task->state != STANDING_THERE)
                return;
        }
    }
}
