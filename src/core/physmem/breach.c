/* What a missed recall costs: the ladder of punishments, of which each contract has a rung.
 *
 *   warn       a warning and another grace, so often as the task's misses allow; then as revoke
 *   penalty    missing frames times the price, charged to the task, and another grace; then as
 *              repossess
 *   repossess  physmem takes the frames itself, in whole extents without vital slots, and says which;
 *              as revoke if those are too few
 *   revoke     everything is lost
 *   kill       everything is lost, and the process is killed
 *
 * A task that is forborne with has no effect on others: what is overdue is not counted as coming, so
 * that others are asked in its place (and the late one first, for what else it has); it gets no
 * extra frames while it owes. Each miss counts against the task, whatever the recall, and each recall
 * that is met in time counts one off: a task cannot live on forbearance. */
#include "core/physmem/internal.h"

/* From the gentlest to the harshest. */
static const uint8_t ladder[SP_BREACH_ACTIONS] = {
    [SP_BREACH_WARN] = 0,   [SP_BREACH_PENALTY] = 1, [SP_BREACH_REPOSSESS] = 2,
    [SP_BREACH_REVOKE] = 3, [SP_BREACH_KILL] = 4,
};

/* The contract that says what a missed recall costs: whose frames they are; and for extra frames,
 * which bear no label, the one for extra frames with the gentlest rung, as they have the longest
 * grace of any. NULL: none allows the task any more. */
static const struct contract *contract_of_recall(const struct recall *recall)
{
    const struct contract *gentlest = NULL;

    if (recall->contract != NULL)
        return recall->contract;
    for (const struct contract *c = recall->task->contract_list; c != NULL; c = c->next)
        if (c->terms.kind == SP_EXTRA && c->state != SP_CONTRACT_COUNTERED &&
            (gentlest == NULL || ladder[c->terms.on_breach] < ladder[gentlest->terms.on_breach]))
            gentlest = c;
    return gentlest;
}

/* Charge a task, whose account cannot overflow. Returns the charge. */
static uint64_t charge(struct physmem_task *task, uint32_t frames, uint64_t bid)
{
    uint64_t price = bid > 0 ? bid : 1;
    uint64_t due = price > UINT64_MAX / frames ? UINT64_MAX : price * frames;

    task->penalty = due > UINT64_MAX - task->penalty ? UINT64_MAX : task->penalty + due;
    return due;
}

/* Forbear once more, if the task may be forborne with. */
static bool forbear(struct physmem *physmem, struct recall *recall, uint64_t charged)
{
    struct physmem_task *task = recall->task;
    struct grace grace = recall_grace(task, recall->contract);
    struct physmem_effect *effect;

    if (task->misses >= physmem->config.warnings)
        return false;
    task->misses++;
    task->warnings++;
    physmem->counters.warnings++;
    recall_restart(physmem, recall);
    effect = physmem_emit(physmem, PHYSMEM_SEND_WARNED, task);
    effect->warned.id = recall->id;
    effect->warned.missing = recall->missing;
    effect->warned.left = physmem->config.warnings - task->misses;
    effect->warned.charged = charged;
    effect->warned.unit = grace.unit;
    effect->warned.grace = grace.grace;
    return true;
}

void recall_missed(struct physmem *physmem, struct recall *recall)
{
    struct physmem_task *task = recall->task;
    const struct contract *contract = contract_of_recall(recall);
    unsigned rung = contract != NULL ? contract->terms.on_breach : SP_BREACH_REVOKE;
    uint64_t charged = 0;

    if (!recall->overdue) {
        task->recalls_missed++;
        physmem->counters.recalls_missed++;
    }
    if (!task->control) {
        task_revoke(physmem, task, SP_REASON_NOT_RECEIVING, recall->asked, recall->missing);
        return;
    }
    if (rung == SP_BREACH_PENALTY)
        charged = charge(task, recall->missing, contract->terms.bid);
    if ((rung == SP_BREACH_WARN || rung == SP_BREACH_PENALTY) && forbear(physmem, recall, charged))
        return;
    if ((rung == SP_BREACH_REPOSSESS || rung == SP_BREACH_PENALTY) && repossess(physmem, recall))
        return;
    task_revoke(physmem, task, SP_REASON_RECALL_MISSED, recall->asked, recall->missing);
}
