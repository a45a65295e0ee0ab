#include "core/physmem/recall.h"

#include "base/probe.h"
#include "core/physmem/availability.h"
#include "core/physmem/books.h"
#include "core/physmem/emit.h"
#include "core/physmem/promises.h"
#include "core/physmem/stack.h"

static uint64_t time_after(const struct physmem *physmem, uint64_t ns)
{
    check(physmem->now < DEADLINE_NEVER);
    return ns >= DEADLINE_NEVER - physmem->now ? DEADLINE_NEVER - 1 : physmem->now + ns;
}

/* Extra frames bear no labels, and therefore have the longest grace that any contract allows them; one
 * in time goes before one in allocations. */
static struct grace drop_grace(const struct physmem_task *task)
{
    struct grace longest = {.grace = SP_DEFAULT_T_DROP_NS, .unit = SP_GRACE_TIME};
    bool found = false;

    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        if (c->terms.kind != SP_EXTRA || c->state == SP_CONTRACT_COUNTERED)
            continue;
        if (!found || c->terms.grace_unit < longest.unit ||
            (c->terms.grace_unit == longest.unit && c->terms.t_drop > longest.grace))
            longest = (struct grace){.grace = c->terms.t_drop, .unit = c->terms.grace_unit};
        found = true;
    }
    check(found || longest.unit == SP_GRACE_TIME);
    return longest;
}

struct grace recall_grace(const struct physmem_task *task, const struct contract *contract)
{
    bool may_clean = contract != NULL && contract->terms.kind == SP_GUARANTEED;

    if (contract == NULL)
        return drop_grace(task);
    ensure(contract->task == task);
    return (struct grace){.grace = may_clean ? contract->terms.t_clean : contract->terms.t_drop,
                          .unit = contract->terms.grace_unit,
                          .may_clean = may_clean};
}

/* ---- Asking ---- */

static struct recall *unused_recall(struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing == 0)
            return &task->recalls[i];
    return NULL;
}

/* The recall on this account that is due last, of those that are not overdue; NULL: there is none. */
static struct recall *last_recall(struct physmem_task *task, const struct contract *contract)
{
    struct recall *last = NULL;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        struct recall *recall = &task->recalls[i];

        check(recall->missing > 0);
        if (recall->contract == contract && !recall->overdue &&
            (last == NULL || recall->deadline.when > last->deadline.when))
            last = recall;
    }
    return last;
}

/* Where to count frames that are asked for now: in a new recall, or, if the task has as many as it may have and the physmem
 * above is waiting, in one that is open, which then has its whole grace again. NULL: neither. */
static struct recall *recall_for(const struct physmem *physmem, struct physmem_task *task,
                                 const struct contract *contract)
{
    struct recall *recall = unused_recall(task);

    check(physmem->upstream.due == 0 || physmem->config.stacked);
    return recall == NULL && physmem->upstream.due > 0 ? last_recall(task, contract) : recall;
}

/* Grace for a recall begins. */
static void start_grace(struct physmem *physmem, struct recall *recall, struct grace grace)
{
    const struct physmem_task *task = recall_debtor(recall);
    uint64_t ns = grace.unit == SP_GRACE_TIME ? grace.grace : physmem->config.silence_ns;

    ensure(recall->missing > 0);
    recall->demands = UINT64_MAX;
    if (grace.unit == SP_GRACE_ALLOCATIONS && grace.grace < UINT64_MAX - task->demands)
        recall->demands = task->demands + grace.grace;
    if (!task->control)
        ns = PHYSMEM_HANGUP_GRACE_NS;
    deadlines_start(&physmem->deadlines, &recall->deadline, time_after(physmem, ns));
    check(deadline_is_running(&recall->deadline));
}

/* Count a recall of `frames` frames, or of so many more, in the books. */
static void count(struct physmem *physmem, struct recall *recall, uint32_t frames)
{
    struct physmem_task *task = recall_debtor(recall);

    check(frames > 0 && frames <= task_recallable(task));
    if (recall->missing == 0) {
        recall->id = ++task->recalled;
        recall->asked = 0;
        recall->overdue = false;
        physmem->counters.recalls++;
    }
    recall->asked = (recall->asked + frames) & ((UINT32_C(1) << 29) - 1);
    recall->missing += frames;
    task->owed += frames;
    physmem->owed += frames;
    check(task->owed <= task_excess(task));
    task->frames_recalled += frames;
    physmem->counters.frames_recalled += frames;
    books_row_changed(physmem, task);
    books_availability_changed(physmem);
}

static void send(struct physmem *physmem, struct recall *recall, uint32_t frames,
                 struct grace grace)
{
    struct physmem_effect *effect;

    check(frames > 0 && frames <= recall->missing);
    check(recall->missing <= recall_debtor(recall)->owed);
    if (!recall_debtor(recall)->control)
        return;
    PROBE3(recall, recall_debtor(recall)->id, recall->id, frames);
    effect = emit_effect(physmem, PHYSMEM_SEND_RECALL, recall_debtor(recall));
    effect->recall.id = recall->id;
    effect->recall.frames = frames;
    effect->recall.may_clean = grace.may_clean;
    effect->recall.unit = grace.unit;
    effect->recall.grace = grace.grace;
}

/* Ask for frames, on account of a contract or (NULL) of extra frames. Returns how many were asked
 * for: none if too many recalls are running. */
static uint32_t ask(struct physmem *physmem, struct physmem_task *task, struct contract *contract,
                    uint32_t frames)
{
    struct recall *recall = recall_for(physmem, task, contract);
    struct grace grace = recall_grace(task, contract);

    check(contract == NULL || contract->task == task);
    if (frames == 0 || recall == NULL)
        return 0;
    if (contract != NULL) {
        contract->recalling += frames;
        ensure(contract->recalling <= contract->kept);
        if (contract->state == SP_CONTRACT_EXPIRED)
            contract_move(contract, SP_CONTRACT_RECALLED);
    }
    availability_before_recall(physmem, task, frames);
    recall->contract = contract;
    count(physmem, recall, frames);
    start_grace(physmem, recall, grace);
    send(physmem, recall, frames, grace);
    return frames;
}

uint32_t recall_kept(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    uint32_t kept = contract->kept - contract->recalling;

    ensure(contract->recalling <= contract->kept);
    return kept == 0 ? 0 : ask(physmem, contract->task, contract, smaller(frames, kept));
}

/* Frames that contracts let the task keep until asked, and that were not asked for. */
static uint32_t kept_frames(const struct physmem_task *task)
{
    uint32_t kept = 0;

    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        check(c->recalling <= c->kept);
        kept += c->kept - c->recalling;
    }
    return kept;
}

uint32_t recall_task(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    uint32_t recallable = task_recallable(task);
    uint32_t kept = kept_frames(task);
    uint32_t plain = recallable > kept ? recallable - kept : 0;
    uint32_t left = smaller(frames, recallable);
    uint32_t asked = left;
    uint32_t taken = stack_take(physmem, task, smaller(left, plain));

    ensure(task->state == STANDING_THERE && taken <= smaller(left, plain));
    left -= taken;
    plain -= taken;
    /* Extra frames first, then those kept without time to clean, then those with. */
    left -= ask(physmem, task, NULL, smaller(left, plain));
    for (unsigned clean = 0; clean < 2; clean++)
        for (struct contract *c = task->contract_list; c != NULL; c = c->next)
            if ((c->terms.kind == SP_GUARANTEED) == (clean == 1))
                left -= recall_kept(physmem, c, left);
    return asked - left;
}

uint32_t recall_from_late(struct physmem *physmem, uint32_t missing)
{
    uint32_t asked = 0;

    if (physmem->overdue == 0)
        return 0;
    for (struct physmem_task *task = physmem->first; task != NULL && asked < missing;
         task = task->next)
        if (task->overdue > 0)
            asked += recall_task(physmem, task, missing - asked);
    ensure(asked <= missing);
    return asked;
}

void recall_hurry(struct physmem *physmem, struct physmem_task *task)
{
    uint64_t when = time_after(physmem, PHYSMEM_HANGUP_GRACE_NS);

    ensure(!task->control);
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing > 0 && task->recalls[i].deadline.when > when)
            deadlines_start(&physmem->deadlines, &task->recalls[i].deadline, when);
    if (deadline_is_running(&task->unmap_deadline) && task->unmap_deadline.when > when)
        deadlines_start(&physmem->deadlines, &task->unmap_deadline, when);
}

/* ---- Coming back ---- */

/* The recall that is due next. The task owes something. */
static struct recall *next_recall(struct physmem_task *task)
{
    struct recall *next = NULL;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        struct recall *recall = &task->recalls[i];

        if (recall->missing > 0 && (next == NULL || recall->deadline.when < next->deadline.when))
            next = recall;
    }
    ensure(next != NULL);
    return next;
}

static void reduce(struct physmem *physmem, struct recall *recall, uint32_t frames)
{
    struct physmem_task *task = recall_debtor(recall);

    ensure(frames <= recall->missing && frames <= task->owed && frames <= physmem->owed);
    books_row_changed(physmem, task);
    recall->missing -= frames;
    task->owed -= frames;
    physmem->owed -= frames;
    check(!recall->overdue || (frames <= task->overdue && frames <= physmem->overdue));
    if (recall->overdue) {
        task->overdue -= frames;
        physmem->overdue -= frames;
    }
    check(task->overdue <= task->owed);
    if (recall->missing > 0)
        return;
    deadlines_stop(&physmem->deadlines, &recall->deadline);
    if (recall->overdue)
        return;
    task->recalls_met++;
    physmem->counters.recalls_met++;
}

void recall_settle(struct physmem *physmem, struct recall *recall, uint32_t frames)
{
    struct contract *contract = recall->contract;

    check(contract == NULL || frames <= contract->recalling);
    reduce(physmem, recall, frames);
    if (contract != NULL)
        promises_returned(physmem, contract, frames);
}

void recall_pay(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    while (frames > 0 && task->owed > 0) {
        struct recall *recall = next_recall(task);
        uint32_t paid = smaller(frames, recall->missing);

        if (paid == recall->missing && !recall->overdue && task->misses > 0)
            task->misses--;
        recall_settle(physmem, recall, paid);
        frames -= paid;
    }
    check(task->owed <= task_excess(task));
}

void recall_forgive(struct physmem *physmem, struct physmem_task *task)
{
    uint32_t excess = task_excess(task);

    while (task->owed > excess) {
        struct recall *recall = next_recall(task);
        uint32_t forgiven = smaller(task->owed - excess, recall->missing);
        struct contract *contract = recall->contract;

        reduce(physmem, recall, forgiven);
        if (contract != NULL)
            promises_forgiven(physmem, contract, forgiven);
    }
    check(task->overdue <= task->owed);
}

void recall_restart(struct physmem *physmem, struct recall *recall)
{
    check(recall->missing > 0 && recall->missing <= recall_debtor(recall)->owed);
    if (!recall->overdue) {
        recall->overdue = true;
        recall_debtor(recall)->overdue += recall->missing;
        physmem->overdue += recall->missing;
    }
    ensure(physmem->overdue <= physmem->owed);
    start_grace(physmem, recall, recall_grace(recall_debtor(recall), recall->contract));
    books_availability_changed(physmem);
}

void recall_end(struct physmem *physmem, struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        deadlines_stop(&physmem->deadlines, &task->recalls[i].deadline);
        task->recalls[i].missing = 0;
        task->recalls[i].contract = NULL;
        task->recalls[i].overdue = false;
    }
    ensure(task->owed <= physmem->owed && task->overdue <= physmem->overdue);
    physmem->owed -= task->owed;
    physmem->overdue -= task->overdue;
    task->owed = 0;
    task->overdue = 0;
    check(physmem->overdue <= physmem->owed);
}
