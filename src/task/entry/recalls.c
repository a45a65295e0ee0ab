#include "task/entry/recalls.h"

#include "base/assert.h"
#include "base/probe.h"
#include "task/effects/perform.h"
#include "task/entry/drops.h"
#include "task/entry/watch.h"
#include "task/state/hold.h"
#include "task/state/units.h"

/* Frames returned, or stores started, in one go: the lock is free in between. */
#define PAY_STEP 32u

void recalls_pay(struct sp_task *task)
{
    bool drop_only = !task->recall_may_clean;

    for (;;) {
        struct work work;
        uint32_t before, owed, stores;
        bool stores_pending;

        work_clear(&work);
        hold_take(task);
        before = task->pager.owed;
        owed = before == 0 ? 0 : pager_debts_pay(&task->pager, PAY_STEP, drop_only);
        stores_pending = task->pager.leaving > 0;
        work_collect(task, &work);
        check(owed <= before);
        hold_release(task);
        stores = work.stores;
        perform_work(task, &work, &task->cleaner, false, false);
        if (owed == 0)
            return;
        if (owed == before && stores == 0) {
            if (!drop_only || stores_pending)
                return;
            drop_only = false; /* nothing droppable is left: write, and hope to be in time */
        }
    }
}

/* Frames may be leaving by stores that the program's threads sent. Those threads read the answers
 * only when they next need a frame; the debts of an idle program must not wait for that. */
int recalls_read_answers(struct sp_task *task)
{
    bool wanted;

    check(!hold_is_ours());
    hold_take(task);
    wanted = task->has_swap && task->pager.owed > 0 && task->pager.leaving > 0;
    hold_release(task);
    return wanted ? channel_poll(&task->swap) : 0;
}

/* The pager owes what it has of recalled frames, and regions on containers the rest. */
static void owe(struct sp_task *task, uint32_t frames)
{
    uint32_t before = task->pager.owed;
    uint32_t paged;

    check(hold_is_ours());
    pager_debts_owe(&task->pager, units_for(task, frames));
    paged = units_base(task, task->pager.owed - before);
    if (paged < frames)
        drops_owe(task, frames - paged);
}

void recalls_arrived(struct sp_task *task, const struct wire_message *message)
{
    struct sp_recall recall = {.id = message->recall.id,
                               .frames = message->recall.frames,
                               .may_clean = message->recall.may_clean,
                               .grace_unit = message->recall.grace_unit,
                               .grace = message->recall.grace};
    enum sp_recall_answer answer = SP_RECALL_COMPLY;

    check(message->type == WIRE_RECALL && !hold_is_ours());
    PROBE3(recalled, recall.id, recall.frames, recall.may_clean);
    if (task->on_recall != NULL)
        answer = task->on_recall(task->on_recall_arg, &recall);
    hold_take(task);
    task->stats->recalls_heard++;
    if (answer == SP_RECALL_COMPLY) {
        task->recalls_open++;
        task->recall_may_clean = recall.may_clean;
        owe(task, recall.frames);
    }
    work_carry_out(task);
    hold_release(task);
    if (answer == SP_RECALL_COMPLY) {
        watch_recalled(task);
        drops_pay(task);
        recalls_pay(task);
    }
}
