#include "core/physmem/bounds.h"

/* What holds where no limit says anything; 0: nothing does. */
static void assume(uint32_t *limit, uint32_t most)
{
    if (*limit == LIMIT_NONE && most > 0)
        *limit = most;
    check(most == 0 || *limit != LIMIT_NONE);
}

void bounds_find(const struct physmem *physmem, struct physmem_task *task)
{
    check(task->state == STANDING_THERE);
    task->limit = limit_find(physmem->policyserver.limit, physmem->policyserver.limits,
                             task->identity.uid, task->identity.name);
    assume(&task->limit.user_guaranteed, physmem->config.user_guaranteed);
    assume(&task->limit.user_extra, physmem->config.user_extra);
}

/* What is left of a limit. Negative: more than all of it is used. */
static int64_t left_of(uint32_t limit, uint64_t used)
{
    check(used <= INT64_MAX);
    return limit == LIMIT_NONE ? UINT32_MAX : limit - (int64_t)used;
}

static void bound(int64_t *left, int64_t other)
{
    if (other < *left)
        *left = other;
}

/* Frames of the parts that were split off from a contract, which can come back. */
static uint64_t parts_of(const struct contract *contract)
{
    uint64_t frames = 0;

    for (const struct part *part = contract->parts; part != NULL; part = part->next) {
        check(part->from == contract && part->frames > 0);
        frames += part->frames;
    }
    return frames;
}

/* What contracts of a task promise, with the parts that were split off from them. */
static void add_promised(const struct physmem_task *task, uint64_t *committed, uint64_t *extra)
{
    *committed += task_commitment(task);
    *extra += task->extra;
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        *(contract_is_committed(&c->terms) ? committed : extra) += parts_of(c);
    check(*extra >= task->extra);
}

/* Parts of the contracts of others count for the users of those alone. */
static void subtract_claimed(const struct physmem_task *task, uint64_t *committed, uint64_t *extra)
{
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        uint64_t *sum = contract_is_committed(&c->terms) ? committed : extra;
        uint64_t frames = c->part != NULL ? c->terms.frames + parts_of(c) : 0;

        ensure(*sum >= frames);
        *sum -= frames;
    }
}

bool bounds_allow_part(const struct physmem_task *task, const struct part *part)
{
    bool is_committed = contract_is_committed(&part->from->terms);
    uint64_t committed = 0;
    uint64_t extra = 0;

    check(part->to == NULL && part->from->task != task);
    add_promised(task, &committed, &extra);
    return part->frames <= (is_committed ? left_of(task->limit.guaranteed, committed)
                                         : left_of(task->limit.extra, extra));
}

void bounds_apply(const struct physmem *physmem, const struct physmem_task *task,
                  struct contract_limits *limits)
{
    const struct limits_found *limit = &task->limit;
    uint64_t committed = 0;
    uint64_t extra = 0;

    ensure(bounds_there(physmem, task));
    limits->bounded = true;
    add_promised(task, &committed, &extra);
    limits->left_committed = left_of(limit->guaranteed, committed);
    limits->left_extra = left_of(limit->extra, extra);
    check(limits->left_committed <= UINT32_MAX && limits->left_extra <= UINT32_MAX);
    if (limit->user_guaranteed == LIMIT_NONE && limit->user_extra == LIMIT_NONE)
        return;
    committed = extra = 0;
    for (const struct physmem_task *t = physmem->first; t != NULL; t = t->next) {
        if (t->identity.uid != task->identity.uid)
            continue;
        add_promised(t, &committed, &extra);
        subtract_claimed(t, &committed, &extra);
    }
    bound(&limits->left_committed, left_of(limit->user_guaranteed, committed));
    bound(&limits->left_extra, left_of(limit->user_extra, extra));
}
