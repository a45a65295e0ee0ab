/* Recalls: who is asked for how many frames, by when, and what has come back. */
#include "core/physmem/internal.h"

static uint64_t time_after(const struct physmem *physmem, uint64_t ns)
{
    return ns >= DEADLINE_NEVER - physmem->now ? DEADLINE_NEVER - 1 : physmem->now + ns;
}

/* Extra frames bear no labels, and so have the longest grace that any contract allows them; one in
 * time goes before one in allocations. */
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
    return longest;
}

struct grace recall_grace(const struct physmem_task *task, const struct contract *contract)
{
    bool may_clean = contract != NULL && contract->terms.kind == SP_GUARANTEED;

    if (contract == NULL)
        return drop_grace(task);
    return (struct grace){.grace = may_clean ? contract->terms.t_clean : contract->terms.t_drop,
                          .unit = contract->terms.grace_unit,
                          .may_clean = may_clean};
}

static struct recall *unused_recall(struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing == 0)
            return &task->recalls[i];
    return NULL;
}

bool recall_is_possible(const struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing == 0)
            return true;
    return false;
}

/* Grace for a recall begins. */
static void recall_start(struct physmem *physmem, struct recall *recall, struct grace grace)
{
    const struct physmem_task *task = recall->task;
    uint64_t ns = grace.unit == SP_GRACE_TIME ? grace.grace : physmem->config.silence_ns;

    recall->demands = UINT64_MAX;
    if (grace.unit == SP_GRACE_ALLOCATIONS && grace.grace < UINT64_MAX - task->demands)
        recall->demands = task->demands + grace.grace;
    if (!task->control)
        ns = PHYSMEM_HANGUP_GRACE_NS;
    deadline_start(&physmem->deadlines, &recall->deadline, time_after(physmem, ns));
}

/* Ask for frames, on account of a contract or (NULL) of extra frames. Returns how many were asked
 * for: none if too many recalls are running. */
static uint32_t recall_issue(struct physmem *physmem, struct physmem_task *task,
                             struct contract *contract, uint32_t frames)
{
    struct recall *recall = unused_recall(task);
    struct grace grace = recall_grace(task, contract);
    struct physmem_effect *effect;

    if (frames == 0 || recall == NULL)
        return 0;
    if (contract != NULL) {
        contract->recalling += frames;
        if (contract->state == SP_CONTRACT_EXPIRED)
            contract_move(contract, SP_CONTRACT_RECALLED);
    }
    availability_before_recall(physmem, task, frames);
    recall->id = ++task->recalled;
    recall->asked = frames;
    recall->missing = frames;
    recall->contract = contract;
    recall->overdue = false;
    recall_start(physmem, recall, grace);
    task->owed += frames;
    physmem->owed += frames;
    control_changed(physmem, task);
    task->frames_recalled += frames;
    physmem->counters.frames_recalled += frames;
    physmem->counters.recalls++;
    availability_changed(physmem);
    if (!task->control)
        return frames;
    effect = physmem_emit(physmem, PHYSMEM_SEND_RECALL, task);
    effect->recall.id = recall->id;
    effect->recall.frames = frames;
    effect->recall.may_clean = grace.may_clean;
    effect->recall.unit = grace.unit;
    effect->recall.grace = grace.grace;
    return frames;
}

void recall_hurry(struct physmem *physmem, struct physmem_task *task)
{
    uint64_t when = time_after(physmem, PHYSMEM_HANGUP_GRACE_NS);

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing > 0 && task->recalls[i].deadline.when > when)
            deadline_start(&physmem->deadlines, &task->recalls[i].deadline, when);
    if (deadline_is_running(&task->unmap_deadline) && task->unmap_deadline.when > when)
        deadline_start(&physmem->deadlines, &task->unmap_deadline, when);
}

uint32_t recall_kept(struct physmem *physmem, struct contract *contract, uint32_t frames)
{
    return recall_issue(physmem, contract->task, contract,
                        smaller(frames, contract->kept - contract->recalling));
}

/* Frames that expired contracts let the task keep until asked, and that were not asked for. */
static uint32_t kept_frames(const struct physmem_task *task)
{
    uint32_t kept = 0;

    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        kept += c->kept - c->recalling;
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

    left -= taken;
    plain -= taken;
    /* Extra frames first, then those kept without time to clean, then those with. */
    left -= recall_issue(physmem, task, NULL, smaller(left, plain));
    for (unsigned clean = 0; clean < 2; clean++)
        for (struct contract *c = task->contract_list; c != NULL; c = c->next)
            if ((c->terms.kind == SP_GUARANTEED) == (clean == 1))
                left -= recall_kept(physmem, c, left);
    return asked - left;
}

int64_t physmem_recall_from(struct physmem *physmem, uint64_t now, const char *name,
                            uint32_t frames)
{
    struct physmem_task *task = physmem->first;
    uint32_t asked;

    physmem_advance(physmem, now);
    while (task != NULL && strcmp(task->identity.name, name) != 0)
        task = task->next;
    if (task == NULL)
        return -ENOENT;
    asked = recall_task(physmem, task, frames);
    physmem_settle(physmem);
    return asked;
}

bool recall_for_pending(struct physmem *physmem)
{
    uint32_t available = frame_table_available(&physmem->frames);
    uint64_t there = (uint64_t)available + frames_coming(physmem);
    uint32_t batch = physmem->config.frames / 64;
    uint32_t missing = physmem->waiting > there ? (uint32_t)(physmem->waiting - there) : 0;

    missing -= recall_from_late(physmem, missing);
    /* A little ahead of need, so that recalls are few. */
    if (missing > 0)
        arbiter_short(physmem, missing, batch);
    return frame_table_available(&physmem->frames) > available;
}

/* The recall that is due next; NULL if nothing is owed. */
static struct recall *next_recall(struct physmem_task *task)
{
    struct recall *next = NULL;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        struct recall *recall = &task->recalls[i];

        if (recall->missing > 0 && (next == NULL || recall->deadline.when < next->deadline.when))
            next = recall;
    }
    return next;
}

static void recall_reduce(struct physmem *physmem, struct recall *recall, uint32_t frames)
{
    control_changed(physmem, recall->task);
    recall->missing -= frames;
    recall->task->owed -= frames;
    physmem->owed -= frames;
    if (recall->overdue) {
        recall->task->overdue -= frames;
        physmem->overdue -= frames;
    }
    if (recall->missing > 0)
        return;
    deadline_stop(&physmem->deadlines, &recall->deadline);
    if (recall->overdue)
        return;
    recall->task->recalls_met++;
    physmem->counters.recalls_met++;
}

void recall_settle(struct physmem *physmem, struct recall *recall, uint32_t frames)
{
    struct contract *contract = recall->contract;

    recall_reduce(physmem, recall, frames);
    if (contract != NULL)
        contract_returned(physmem, contract, frames);
}

void recall_restart(struct physmem *physmem, struct recall *recall)
{
    if (!recall->overdue) {
        recall->overdue = true;
        recall->task->overdue += recall->missing;
        physmem->overdue += recall->missing;
    }
    recall_start(physmem, recall, recall_grace(recall->task, recall->contract));
    availability_changed(physmem);
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
    return asked;
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
}

void recall_forgive(struct physmem *physmem, struct physmem_task *task)
{
    uint32_t excess = task_excess(task);

    while (task->owed > excess) {
        struct recall *recall = next_recall(task);
        uint32_t forgiven = smaller(task->owed - excess, recall->missing);
        struct contract *contract = recall->contract;

        recall_reduce(physmem, recall, forgiven);
        if (contract != NULL)
            contract_forgiven(physmem, contract, forgiven);
    }
}

void recall_count_demand(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    /* Who owes gets nothing, so that its refused requests are all there is to count. */
    task->demands += frames > 0 ? frames : 1;
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        struct recall *recall = &task->recalls[i];

        if (recall->missing > 0 && task->demands >= recall->demands) {
            recall_missed(physmem, recall);
            if (task->state != TASK_THERE)
                return;
        }
    }
}

void recalls_end(struct physmem *physmem, struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        deadline_stop(&physmem->deadlines, &task->recalls[i].deadline);
        task->recalls[i].missing = 0;
        task->recalls[i].contract = NULL;
        task->recalls[i].overdue = false;
    }
    physmem->owed -= task->owed;
    physmem->overdue -= task->overdue;
    task->owed = 0;
    task->overdue = 0;
}
