#include "core/physmem/arbiter.h"

#include "core/physmem/books.h"
#include "core/physmem/candidates.h"
#include "core/physmem/entitled.h"
#include "core/physmem/recall.h"

/* What a task asked for and did not get counts as its demand for this long. */
#define WANTED_NS UINT64_C(1000000000)

/* From one tick of the arbiter to the next, at least: ticks in a row must not keep physmem from
 * everything else. */
#define TICK_LEAST_NS UINT64_C(1000000)

/* ---- Life ---- */

static void configure(struct physmem *physmem)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    struct sp_arbiter_config *config = &physmem->arbiter_config;

    memcpy(physmem->arbiter_params, physmem->config.arbiter_params,
           sizeof(physmem->arbiter_params));
    config->frames = physmem_extra_frames(physmem->config.frames);
    config->params = physmem->arbiter_params;
    physmem->arbiter_size = arbiter->size != NULL ? arbiter->size(config) : 0;
    physmem->arbiter_task_size = arbiter->task_size != NULL ? arbiter->task_size(config) : 0;
    check(config->frames <= physmem->config.frames);
}

int arbiter_start(struct physmem *physmem)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;

    configure(physmem);
    physmem->tick.purpose = PURPOSE_TICK;
    if (deadlines_reserve(&physmem->deadlines, 1) != 0)
        return -ENOMEM;
    if (physmem->arbiter_size > 0) {
        physmem->arbiter_self = memory_new(physmem->allocator, physmem->arbiter_size);
        if (physmem->arbiter_self == NULL)
            return -ENOMEM;
    }
    if (arbiter->init != NULL)
        arbiter->init(physmem->arbiter_self, &physmem->arbiter_config);
    if (arbiter->due != NULL)
        deadlines_start(&physmem->deadlines, &physmem->tick, arbiter->due(physmem->arbiter_self));
    return 0;
}

void arbiter_end(struct physmem *physmem)
{
    check((physmem->arbiter_self != NULL) <= (physmem->arbiter_size > 0));
    deadlines_stop(&physmem->deadlines, &physmem->tick);
    memory_free(physmem->allocator, physmem->arbiter_self, physmem->arbiter_size);
}

int arbiter_task_start(struct physmem *physmem, struct physmem_task *task)
{
    check(task->arbiter_own == NULL);
    if (physmem->arbiter_task_size == 0)
        return 0;
    task->arbiter_own = memory_new(physmem->allocator, physmem->arbiter_task_size);
    return task->arbiter_own == NULL ? -ENOMEM : 0;
}

void arbiter_task_end(struct physmem *physmem, struct physmem_task *task)
{
    check(task->arbiter_own == NULL || physmem->arbiter_task_size > 0);
    memory_free(physmem->allocator, task->arbiter_own, physmem->arbiter_task_size);
    task->arbiter_own = NULL;
}

/* ---- Decisions ---- */

/* Cut takes down to what can be recalled. Returns their sum, and adds to *overruledp. */
static uint64_t cut_takes(struct physmem *physmem, uint32_t count, bool *overruledp)
{
    uint64_t sum = 0;

    check(count == physmem->tasks_there);
    for (uint32_t i = 0; i < count; i++) {
        if (physmem->take[i] > physmem->candidate[i].recallable) {
            physmem->take[i] = physmem->candidate[i].recallable;
            *overruledp = true;
        }
        sum += physmem->take[i];
    }
    return sum;
}

/* The arbiter says when its clock runs out next. */
static void arm_tick(struct physmem *physmem)
{
    uint64_t due = physmem->config.arbiter->due(physmem->arbiter_self);

    check(physmem->config.arbiter->due != NULL);
    if (due < physmem->now + TICK_LEAST_NS)
        due = physmem->now + TICK_LEAST_NS;
    deadlines_start(&physmem->deadlines, &physmem->tick, due);
}

/* Have the arbiter or the table decide, and cut off what it may not do. Returns the sum of what it
 * takes; *grantp is what the asking task gets. */
static uint64_t consult(struct physmem *physmem, uint32_t count,
                        const struct sp_arbiter_request *request, uint32_t *grantp)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    uint32_t most = request->spare > 0 ? smaller(request->frames, (uint32_t)request->spare) : 0;
    bool by_table = entitled_decides(physmem);
    bool overruled = false;
    uint64_t sum;

    check(count == physmem->tasks_there);
    if (by_table)
        *grantp = entitled_decide(physmem, count, request);
    else
        *grantp = arbiter->decide(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                                  request, physmem->take);
    if (request->event == SP_ARBITER_EXTRA && *grantp > most) {
        overruled = *grantp > request->frames;
        *grantp = most;
    }
    sum = cut_takes(physmem, count, &overruled);
    physmem->counters.overruled += overruled;
    if (arbiter->due != NULL && !by_table)
        arm_tick(physmem);
    check(request->event != SP_ARBITER_EXTRA || *grantp <= request->frames);
    return sum;
}

/* Frames that candidate i can give beyond those already taken from it. */
static uint32_t left_of(const struct physmem *physmem, uint32_t i)
{
    check(physmem->take[i] <= physmem->candidate[i].recallable);
    return physmem->candidate[i].recallable - physmem->take[i];
}

/* What candidates that can give at least `least` can give together. */
static uint64_t left_from(const struct physmem *physmem, uint32_t count, uint32_t least)
{
    uint64_t sum = 0;

    check(least > 0);
    for (uint32_t i = 0; i < count; i++)
        sum += left_of(physmem, i) >= least ? left_of(physmem, i) : 0;
    return sum;
}

/* Take `missing` frames more than the arbiter did, or all there are: everything from the tasks that
 * have most, and the rest from the next ones. Goes some thirty times through the candidates. */
static void take_missing(struct physmem *physmem, uint32_t count, uint64_t missing)
{
    uint32_t low = 1;
    uint32_t high = UINT32_MAX;

    check(count <= physmem->tasks_there);
    /* The largest `low` for which the tasks that can give `low` can give enough together. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2 + 1;

        if (left_from(physmem, count, middle) >= missing)
            low = middle;
        else
            high = middle - 1;
    }
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < count && missing > 0; i++) {
            uint32_t left = left_of(physmem, i);
            uint32_t take = left < missing ? left : (uint32_t)missing;

            if (round == 0 ? left <= low : left != low)
                continue;
            physmem->take[i] += take;
            missing -= take;
        }
    }
    check(missing == 0);
}

/* Recall what was decided. Returns how many frames. */
static uint32_t recall_taken(struct physmem *physmem, uint32_t count)
{
    uint32_t recalled = 0;

    ensure(count <= physmem->tasks_there);
    for (uint32_t i = 0; i < count; i++)
        if (physmem->take[i] > 0)
            recalled += recall_task(physmem, physmem->candidate_task[i], physmem->take[i]);
    return recalled;
}

static uint64_t sum_of_recallable(const struct physmem *physmem, uint32_t count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += physmem->candidate[i].recallable;
    check(count == physmem->tasks_there);
    return sum;
}

void arbiter_short(struct physmem *physmem, uint32_t missing, uint32_t ahead)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_SHORT,
        .frames = missing > ahead ? missing : ahead,
        .spare = candidates_spare(physmem, 0),
        .coming = frames_coming(physmem),
    };
    uint32_t count = candidates_list(physmem, NULL, &request.task);
    uint64_t possible = sum_of_recallable(physmem, count);
    uint64_t taken;
    uint32_t grant;

    ensure(missing > 0);
    if (possible == 0)
        return;
    taken = consult(physmem, count, &request, &grant);
    if (possible > missing)
        possible = missing;
    if (taken < possible) {
        physmem->counters.overruled += !entitled_decides(physmem);
        take_missing(physmem, count, possible - taken);
    }
    recall_taken(physmem, count);
    books_ring(physmem, PHYSMEM_RING_SHORT);
}

uint32_t arbiter_extra(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_EXTRA,
        .frames = frames,
        .spare = candidates_spare(physmem, within),
        .coming = frames_coming(physmem),
    };
    uint32_t count;
    uint32_t grant;

    arbiter_wants(physmem, task, frames);
    count = candidates_list(physmem, task, &request.task);
    consult(physmem, count, &request, &grant);
    if (recall_taken(physmem, count) > 0)
        physmem->recalled_for_extra = true;
    ensure(grant <= frames);
    return grant;
}

/* Describe a task as if it had given frames of a lease back and asked for them as extra frames. */
static void pretend_asking(struct sp_arbiter_task *asking, uint32_t frames, uint32_t committed,
                           uint32_t has)
{
    ensure(has <= frames && has <= asking->held);
    asking->leased -= smaller(asking->leased, committed);
    asking->held -= has;
    /* What it owes it would have given back with that, as far as it is not left. */
    asking->owed = smaller(asking->owed, asking->held);
    asking->recallable = smaller(asking->recallable, asking->held - asking->owed);
    asking->extra += frames;
    asking->wanted = frames;
}

uint32_t arbiter_would_grant(struct physmem *physmem, struct physmem_task *task, uint32_t frames,
                             uint32_t committed, uint32_t has)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_EXTRA,
        .frames = frames,
        .spare = candidates_spare(physmem, 0) + (int32_t)has,
        .coming = frames_coming(physmem),
    };
    uint32_t count = candidates_list(physmem, task, &request.task);
    struct sp_arbiter_task *asking = &physmem->candidate[request.task];
    uint32_t base, figure;

    check(task->state == STANDING_THERE);
    /* Tasks that were refused wait until they are told, however long ago they asked. */
    for (uint32_t i = 0; i < count; i++)
        if (physmem->candidate_task[i]->wants_extra)
            physmem->candidate[i].wanted = physmem->candidate_task[i]->wanted;
    pretend_asking(asking, frames, committed, has);
    base = asking->held - asking->owed;
    check(base <= asking->held);
    if (asking->guaranteed + asking->leased > base)
        base = asking->guaranteed + asking->leased;
    if (entitled_decides(physmem))
        figure = entitled_available(physmem, count, &request);
    else if (arbiter->available != NULL)
        figure = arbiter->available(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                                    &request);
    else
        return arbiter->decide(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                               &request, physmem->take);
    return figure > base ? figure - base : 0;
}

void arbiter_wants(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    check(task->state == STANDING_THERE);
    task->wanted = frames;
    task->wanted_until = physmem->now + WANTED_NS;
    books_row_changed(physmem, task);
    if (frames > 0)
        physmem->wanted_until = task->wanted_until;
}

void arbiter_tick(struct physmem *physmem)
{
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_TICK,
        .spare = candidates_spare(physmem, 0),
        .coming = frames_coming(physmem),
    };
    uint32_t count = candidates_list(physmem, NULL, &request.task);
    uint32_t grant;

    consult(physmem, count, &request, &grant);
    check(count == physmem->tasks_there);
    if (recall_taken(physmem, count) > 0)
        physmem->recalled_for_extra = true;
}
