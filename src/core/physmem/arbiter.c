/* The arbiter is asked here, and what it says is kept within the rules. */
#include "core/physmem/internal.h"

/* What a task asked for and did not get counts as its demand for so long. */
#define WANTED_NS UINT64_C(1000000000)

/* From one tick of the arbiter to the next, at least. */
#define TICK_LEAST_NS UINT64_C(1000000)

int arbiter_start(struct physmem *physmem)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    struct sp_arbiter_config *config = &physmem->arbiter_config;

    memcpy(physmem->arbiter_params, physmem->config.arbiter_params,
           sizeof(physmem->arbiter_params));
    config->frames = physmem_extra_frames(physmem->config.frames);
    config->params = physmem->arbiter_params;
    physmem->arbiter_size = arbiter->size != NULL ? arbiter->size(config) : 0;
    physmem->arbiter_task_size = arbiter->task_size != NULL ? arbiter->task_size(config) : 0;
    physmem->tick.purpose = PURPOSE_TICK;
    if (deadlines_reserve(&physmem->deadlines, 1) != 0)
        return -ENOMEM;
    if (physmem->arbiter_size > 0) {
        physmem->arbiter_self = memory_new(physmem->allocator, physmem->arbiter_size);
        if (physmem->arbiter_self == NULL)
            return -ENOMEM;
    }
    if (arbiter->init != NULL)
        arbiter->init(physmem->arbiter_self, config);
    if (arbiter->due != NULL)
        deadline_start(&physmem->deadlines, &physmem->tick, arbiter->due(physmem->arbiter_self));
    return 0;
}

void arbiter_end(struct physmem *physmem)
{
    deadline_stop(&physmem->deadlines, &physmem->tick);
    memory_free(physmem->allocator, physmem->arbiter_self, physmem->arbiter_size);
}

int arbiter_task_start(struct physmem *physmem, struct physmem_task *task)
{
    if (physmem->arbiter_task_size == 0)
        return 0;
    task->arbiter_own = memory_new(physmem->allocator, physmem->arbiter_task_size);
    return task->arbiter_own == NULL ? -ENOMEM : 0;
}

void arbiter_task_end(struct physmem *physmem, struct physmem_task *task)
{
    memory_free(physmem->allocator, task->arbiter_own, physmem->arbiter_task_size);
    task->arbiter_own = NULL;
}

/* Frames that a task would use now, of what its contracts allow. What it states counts while it asks
 * for extra frames. */
static uint32_t demand_of(const struct physmem *physmem, const struct physmem_task *task,
                          const struct sp_arbiter_task *known)
{
    uint32_t shows = known->held - known->owed + known->wanted;
    uint64_t allowed = (uint64_t)known->guaranteed + known->leased + known->extra;
    uint32_t states = physmem->now < task->wanted_until ? stack_demand(task) : 0;

    if (states > allowed)
        states = (uint32_t)allowed;
    return states > shows ? states : shows;
}

void arbiter_describe(const struct physmem *physmem, struct physmem_task *task,
                      struct sp_arbiter_task *out)
{
    *out = (struct sp_arbiter_task){
        .id = task->id,
        .priority = task->limit.priority,
        .weight = 1,
        .guaranteed = task->guaranteed,
        .leased = task->leased,
        .extra = smaller(task->extra, task->limit.extra),
        .held = task->held,
        .owed = task->owed,
        .recallable = recall_is_possible(task) ? task_recallable(task) : 0,
        .wanted = physmem->now < task->wanted_until ? task->wanted : 0,
        .idle = sample_idle(task),
        .ghost_hits = stack_ghost_hits(task),
        .own = task->arbiter_own,
        .penalty = task->penalty,
    };
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        if (c->terms.kind == SP_EXTRA && c->terms.weight > out->weight)
            out->weight = c->terms.weight;
        if (c->terms.bid > out->bid)
            out->bid = c->terms.bid;
        if (c->part != NULL && out->parent == 0)
            out->parent = ((const struct physmem_task *)c->part->from->task)->id;
    }
    if (task->limit.weight > 0)
        out->weight = task->limit.weight;
    out->demand = demand_of(physmem, task, out);
}

/* List the tasks; *askingp becomes the index of `asking`. Returns how many there are. */
static uint32_t list_tasks(struct physmem *physmem, const struct physmem_task *asking,
                           uint32_t *askingp)
{
    uint32_t count = 0;

    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        if (task == asking)
            *askingp = count;
        arbiter_describe(physmem, task, &physmem->candidate[count]);
        physmem->candidate_task[count] = task;
        physmem->take[count] = 0;
        count++;
    }
    return count;
}

int32_t arbiter_spare(const struct physmem *physmem, uint32_t within)
{
    int64_t spare = (int64_t)frame_table_available(&physmem->frames) - physmem->watermark - within;

    return spare < -INT32_MAX ? -INT32_MAX : (int32_t)spare;
}

/* Have the arbiter decide, and cut off what it may not do. Returns the sum of what it takes. */
static uint64_t consult(struct physmem *physmem, uint32_t count,
                        const struct sp_arbiter_request *request, uint32_t *grantp)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    uint32_t most = request->spare > 0 ? smaller(request->frames, (uint32_t)request->spare) : 0;
    bool controlled = control_decides(physmem);
    bool overruled = false;
    uint64_t sum = 0;

    if (controlled)
        *grantp = control_decide(physmem, count, request);
    else
        *grantp = arbiter->decide(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                                  request, physmem->take);
    if (request->event == SP_ARBITER_EXTRA && *grantp > most) {
        overruled = *grantp > request->frames;
        *grantp = most;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (physmem->take[i] > physmem->candidate[i].recallable) {
            physmem->take[i] = physmem->candidate[i].recallable;
            overruled = true;
        }
        sum += physmem->take[i];
    }
    physmem->counters.overruled += overruled;
    if (arbiter->due != NULL && !controlled) {
        uint64_t due = arbiter->due(physmem->arbiter_self);

        /* Ticks in a row must not keep physmem from everything else. */
        if (due < physmem->now + TICK_LEAST_NS)
            due = physmem->now + TICK_LEAST_NS;
        deadline_start(&physmem->deadlines, &physmem->tick, due);
    }
    return sum;
}

/* Take `missing` frames more than the arbiter did: from who has most, in turn. */
static void take_missing(struct physmem *physmem, uint32_t count, uint64_t missing)
{
    while (missing > 0) {
        uint32_t richest = count;
        uint32_t left = 0;

        for (uint32_t i = 0; i < count; i++) {
            if (physmem->candidate[i].recallable - physmem->take[i] > left) {
                richest = i;
                left = physmem->candidate[i].recallable - physmem->take[i];
            }
        }
        if (richest == count)
            return;
        if (left > missing)
            left = (uint32_t)missing;
        physmem->take[richest] += left;
        missing -= left;
    }
}

/* Recall what was decided. */
static uint32_t recall_taken(struct physmem *physmem, uint32_t count)
{
    uint32_t recalled = 0;

    for (uint32_t i = 0; i < count; i++)
        if (physmem->take[i] > 0)
            recalled += recall_task(physmem, physmem->candidate_task[i], physmem->take[i]);
    return recalled;
}

void arbiter_short(struct physmem *physmem, uint32_t missing, uint32_t ahead)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_SHORT,
        .frames = missing > ahead ? missing : ahead,
        .spare = arbiter_spare(physmem, 0),
        .coming = frames_coming(physmem),
    };
    uint32_t count = list_tasks(physmem, NULL, &request.task);
    uint64_t possible = 0;
    uint64_t taken;
    uint32_t grant;

    for (uint32_t i = 0; i < count; i++)
        possible += physmem->candidate[i].recallable;
    if (possible == 0)
        return;
    taken = consult(physmem, count, &request, &grant);
    if (possible > missing)
        possible = missing;
    if (taken < possible) {
        physmem->counters.overruled += !control_decides(physmem);
        take_missing(physmem, count, possible - taken);
    }
    recall_taken(physmem, count);
    control_ring(physmem, PHYSMEM_RING_SHORT);
}

uint32_t arbiter_extra(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_EXTRA,
        .frames = frames,
        .spare = arbiter_spare(physmem, within),
        .coming = frames_coming(physmem),
    };
    uint32_t count;
    uint32_t grant;

    arbiter_wants(physmem, task, frames);
    count = list_tasks(physmem, task, &request.task);
    consult(physmem, count, &request, &grant);
    if (recall_taken(physmem, count) > 0)
        physmem->recalled_for_extra = true;
    return grant;
}

void arbiter_wants(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    task->wanted = frames;
    task->wanted_until = physmem->now + WANTED_NS;
    control_changed(physmem, task);
    if (frames > 0)
        physmem->wanted_until = task->wanted_until;
}

bool arbiter_grants(const struct physmem *physmem)
{
    return control_decides(physmem) || (physmem->config.arbiter->flags & SP_ARBITER_GRANTS) != 0;
}

void arbiter_tick(struct physmem *physmem)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_TICK,
        .spare = arbiter_spare(physmem, 0),
        .coming = frames_coming(physmem),
    };
    uint32_t count = list_tasks(physmem, NULL, &request.task);
    uint32_t grant;

    consult(physmem, count, &request, &grant);
    if (recall_taken(physmem, count) > 0)
        physmem->recalled_for_extra = true;
}

uint32_t arbiter_available(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                           uint32_t frames)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_EXTRA,
        .frames = frames,
        .spare = arbiter_spare(physmem, within),
        .coming = frames_coming(physmem),
    };
    uint32_t count = list_tasks(physmem, task, &request.task);
    struct sp_arbiter_task *asking = &physmem->candidate[request.task];

    /* As if it had what it is promised. */
    asking->held += within;
    asking->wanted = frames;
    if (control_decides(physmem))
        return control_available(physmem, count, &request);
    if (arbiter->available != NULL)
        return arbiter->available(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                                  &request);
    return asking->held - asking->owed + (request.spare > 0 ? (uint32_t)request.spare : 0);
}
