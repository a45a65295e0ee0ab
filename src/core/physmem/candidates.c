#include "core/physmem/candidates.h"

#include "core/physmem/books.h"
#include "core/physmem/idle.h"

/* What the contracts of a task say about it. */
static void describe_contracts(const struct physmem_task *task, struct sp_arbiter_task *out)
{
    check(out->weight == 1);
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        check(c->task == task);
        if (c->terms.kind == SP_EXTRA && c->terms.weight > out->weight)
            out->weight = c->terms.weight;
        if (c->terms.bid > out->bid)
            out->bid = c->terms.bid;
        if (c->part != NULL && out->parent == 0)
            out->parent = ((const struct physmem_task *)c->part->from->task)->id;
    }
}

/* Frames that a task would use now, of what its contracts allow. What it states counts while it asks
 * for extra frames. */
static uint32_t demand_of(const struct physmem *physmem, const struct physmem_task *task,
                          const struct sp_arbiter_task *known)
{
    uint32_t shows = known->held - known->owed + known->wanted;
    uint64_t allowed = (uint64_t)known->guaranteed + known->leased + known->extra;
    uint32_t states = physmem->now < task->wanted_until ? books_demand(task) : 0;

    check(known->owed <= known->held);
    if (states > allowed)
        states = (uint32_t)allowed;
    return states > shows ? states : shows;
}

void candidates_describe(const struct physmem *physmem, struct physmem_task *task,
                         struct sp_arbiter_task *out)
{
    check(task->state == STANDING_THERE);
    *out = (struct sp_arbiter_task){
        .id = task->id,
        .priority = task->limit.priority,
        .weight = 1,
        .guaranteed = task->guaranteed,
        .leased = task->leased,
        .extra = smaller(task->extra, task->limit.extra),
        .held = task->held,
        .owed = task->owed,
        .recallable = task_may_be_asked(physmem, task) ? task_recallable(task) : 0,
        .wanted = physmem->now < task->wanted_until ? task->wanted : 0,
        .idle = idle_part(task),
        .ghost_hits = books_ghost_hits(task),
        .own = task->arbiter_own,
        .penalty = task->penalty,
    };
    describe_contracts(task, out);
    check(out->recallable <= out->held - out->owed);
    if (task->limit.weight > 0)
        out->weight = task->limit.weight;
    out->demand = demand_of(physmem, task, out);
}

uint32_t candidates_list(struct physmem *physmem, const struct physmem_task *asking,
                         uint32_t *askingp)
{
    uint32_t count = 0;

    ensure(physmem->candidate_capacity >= physmem->tasks_there);
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        if (task == asking)
            *askingp = count;
        candidates_describe(physmem, task, &physmem->candidate[count]);
        physmem->candidate_task[count] = task;
        physmem->take[count] = 0;
        count++;
    }
    ensure(count == physmem->tasks_there);
    return count;
}

int32_t candidates_spare(const struct physmem *physmem, uint32_t within)
{
    int64_t spare = (int64_t)frames_available(physmem) - physmem->watermark - within;

    check(spare <= INT32_MAX);
    return spare < -INT32_MAX ? -INT32_MAX : (int32_t)spare;
}
