#include "core/physmem/extra.h"

#include "core/physmem/arbiter.h"
#include "core/physmem/books.h"
#include "core/physmem/candidates.h"
#include "core/physmem/emit.h"
#include "core/physmem/entitled.h"
#include "core/physmem/recall.h"

/* How long a refusal holds, for each existing task. */
#define ASK_AGAIN_NS UINT64_C(20000)

static void want(struct physmem *physmem, struct physmem_task *task)
{
    if (task->wants_extra)
        return;
    check((physmem->wanting_first == NULL) == (physmem->wanting_last == NULL));
    task->wants_extra = true;
    task->next_wanting = NULL;
    if (physmem->wanting_last != NULL)
        physmem->wanting_last->next_wanting = task;
    else
        physmem->wanting_first = task;
    physmem->wanting_last = task;
}

void extra_unwant(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_task **linkp = &physmem->wanting_first;
    struct physmem_task *before = NULL;

    if (!task->wants_extra)
        return;
    while (*linkp != task) {
        before = *linkp;
        linkp = &before->next_wanting;
    }
    *linkp = task->next_wanting;
    if (physmem->wanting_last == task)
        physmem->wanting_last = before;
    task->wants_extra = false;
    check((physmem->wanting_first == NULL) == (physmem->wanting_last == NULL));
}

/* Counts what could make an arbiter decide otherwise: frames that went to tasks or came back, recalls,
 * promises, tasks. */
static uint64_t generation(const struct physmem *physmem)
{
    return physmem->counters.allocated + physmem->counters.regained +
           physmem->counters.frames_recalled + physmem->counters.breaches + physmem->last_id +
           physmem->tasks_gone + physmem->promised_changes;
}

/* The arbiter looks at all tasks. A task that was refused and asks again, while nothing has changed, is
 * refused as before, for a time that grows with the number of tasks. */
static bool may_ask_again(const struct physmem *physmem, const struct physmem_task *task)
{
    check(task->state == STANDING_THERE);
    return physmem->now >= task->refused_until || generation(physmem) != task->refused_at;
}

static void note_refusal(const struct physmem *physmem, struct physmem_task *task)
{
    if (!may_ask_again(physmem, task))
        return;
    task->refused_at = generation(physmem);
    task->refused_until = physmem->now + physmem->tasks_there * ASK_AGAIN_NS;
    check(!may_ask_again(physmem, task));
}

/* What other tasks keep of contracts that have ended no contract covers: up to `wanted` frames of it are recalled, but
 * for what comes back anyway. An arbiter that grants decides about them with all others. */
static void recall_held_over(struct physmem *physmem, const struct physmem_task *task,
                             uint32_t wanted)
{
    uint32_t coming = frames_coming(physmem);
    uint32_t asked = 0;

    check(task->state == STANDING_THERE);
    wanted = wanted > coming ? wanted - coming : 0;
    for (struct physmem_task *other = physmem->first; other != NULL; other = other->next)
        for (struct contract *c = other->contract_list; other != task && c != NULL; c = c->next)
            asked += recall_kept(physmem, c, smaller(wanted - asked, task_recallable(other)));
    if (asked > 0)
        physmem->recalled_for_extra = true;
}

uint32_t extra_allowed(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames, bool *pressurep)
{
    uint32_t commitment = task_commitment(task);
    uint32_t has = task->held > commitment ? task->held - commitment : 0;
    uint32_t most = smaller(task->extra, task->limit.extra);
    uint32_t allowance = most > has ? smaller(frames, most - has) : 0;
    uint32_t available = frames_available(physmem);
    uint32_t kept = physmem->watermark + within;
    uint32_t spare = available > kept ? available - kept : 0;
    bool blocked = task->owed > 0 || physmem->waiting > 0 || physmem->upstream.due > 0;

    ensure(frames > 0);
    if (blocked)
        spare = 0;
    if (allowance > 0 && !blocked && (spare < allowance || physmem->now < physmem->wanted_until) &&
        entitled_or_arbiter_grants(physmem))
        spare = may_ask_again(physmem, task) ? arbiter_extra(physmem, task, within, allowance) : 0;
    *pressurep = spare < allowance;
    arbiter_wants(physmem, task, *pressurep ? allowance : 0);
    if (*pressurep) {
        if (!blocked && !entitled_or_arbiter_grants(physmem) && may_ask_again(physmem, task))
            recall_held_over(physmem, task, allowance - smaller(spare, allowance));
        note_refusal(physmem, task);
        want(physmem, task);
        books_ring(physmem, PHYSMEM_RING_WANT);
    }
    check(allowance <= frames);
    return smaller(spare, allowance);
}

uint64_t extra_wanted_by_others(const struct physmem *physmem, const struct physmem_task *task)
{
    uint64_t wanted = 0;

    for (const struct physmem_task *t = physmem->wanting_first; t != NULL; t = t->next_wanting) {
        check(t->wants_extra);
        wanted += t != task ? t->wanted : 0;
    }
    return wanted;
}

uint32_t extra_may_lease(struct physmem *physmem, struct physmem_task *task, uint32_t frames,
                         uint32_t committed)
{
    uint64_t wanted = extra_wanted_by_others(physmem, task);
    uint32_t others = task_commitment(task) > committed ? task_commitment(task) - committed : 0;
    uint32_t has = task->held > others ? smaller(task->held - others, frames) : 0;
    int64_t spare = candidates_spare(physmem, 0) + (int64_t)has;

    check(has <= task->held && committed <= frames);
    if (wanted == 0)
        return frames;
    if (entitled_or_arbiter_grants(physmem))
        return smaller(frames, arbiter_would_grant(physmem, task, frames, committed, has));
    spare -= (int64_t)wanted;
    return spare > 0 ? smaller(frames, (uint32_t)spare) : 0;
}

void extra_tell(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_effect *effect;

    ensure(task->wants_extra);
    extra_unwant(physmem, task);
    if (!task->control)
        return;
    effect = emit_effect(physmem, PHYSMEM_SEND_NOTICE, task);
    effect->notice.what = PHYSMEM_AVAILABLE;
    effect->notice.guaranteed = task->guaranteed;
    effect->notice.extra = task->extra;
}

void extra_notify(struct physmem *physmem)
{
    uint32_t available = frames_available(physmem);

    check(physmem->wanting_first != NULL);
    /* Well above the watermark, or the tasks that are told would be refused again at once; but what
     * the arbiter had recalled for them they can have, whatever it is. */
    if (physmem->pending_first != NULL ||
        available <= (physmem->recalled_for_extra ? 1u : 2u) * physmem->watermark)
        return;
    check(physmem->waiting == 0);
    physmem->recalled_for_extra = physmem->owed > 0;
    while (physmem->wanting_first != NULL)
        extra_tell(physmem, physmem->wanting_first);
}
