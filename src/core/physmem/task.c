/* Tasks come and go. */
#include "core/physmem/task.h"

#include "core/physmem/arbiter.h"
#include "core/physmem/books.h"
#include "core/physmem/bounds.h"
#include "core/physmem/input.h"
#include "core/physmem/recall.h"
#include "core/physmem/revoke.h"
#include "core/physmem/rows.h"
#include "core/physmem/settle.h"
#include "core/physmem/swapping.h"

/* ---- Coming ---- */

/* Room for one more task wherever tasks are listed, so that nothing can fail later. */
static int make_room(struct physmem *physmem)
{
    uint32_t wanted = physmem->tasks_there + 1;
    int rc;

    rc = memory_reserve(physmem->allocator, &physmem->task, &physmem->task_capacity,
                        sizeof(*physmem->task), physmem->tasks + 1);
    if (rc == 0)
        rc = memory_reserve(physmem->allocator, &physmem->candidate, &physmem->candidate_capacity,
                            sizeof(*physmem->candidate), wanted);
    if (rc == 0)
        rc = memory_reserve(physmem->allocator, &physmem->candidate_task,
                            &physmem->candidate_task_capacity, sizeof(*physmem->candidate_task),
                            wanted);
    if (rc == 0)
        rc = memory_reserve(physmem->allocator, &physmem->take, &physmem->take_capacity,
                            sizeof(*physmem->take), wanted);
    if (rc == 0)
        rc = rows_reserve(physmem, wanted);
    if (rc == 0)
        rc = deadlines_reserve(&physmem->deadlines, DEADLINES_PER_TASK);
    check(rc != 0 || (physmem->candidate_capacity >= wanted && physmem->take_capacity >= wanted));
    return rc;
}

/* A task for which there is room everywhere; NULL without memory. */
static struct physmem_task *make(struct physmem *physmem)
{
    struct physmem_task *task = memory_new(physmem->allocator, sizeof(*task));

    if (task == NULL)
        return NULL;
    if (arbiter_task_start(physmem, task) == 0 && make_room(physmem) == 0)
        return task;
    arbiter_task_end(physmem, task);
    memory_free(physmem->allocator, task, sizeof(*task));
    return NULL;
}

/* Put a task at the end of the lists. There is room. */
static void enlist(struct physmem *physmem, struct physmem_task *task)
{
    check(physmem->last == NULL || physmem->last->id < task->id);
    ensure(physmem->tasks < physmem->task_capacity);
    physmem->task[physmem->tasks++] = task;
    physmem->tasks_there++;
    task->prev = physmem->last;
    if (physmem->last != NULL)
        physmem->last->next = task;
    else
        physmem->first = task;
    physmem->last = task;
}

int physmem_task_add(struct physmem *physmem, uint64_t now, const struct physmem_identity *identity,
                     struct physmem_task **taskp)
{
    struct physmem_task *task = make(physmem);

    input_advance(physmem, now);
    if (task == NULL)
        return -ENOMEM;
    task->identity = *identity;
    task->id = ++physmem->last_id;
    task->unmap_deadline.purpose = PURPOSE_UNMAP;
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        task->recalls[i].place = i % PHYSMEM_RECALLS_MAX;
        task->recalls[i].deadline.purpose = PURPOSE_RECALL;
    }
    enlist(physmem, task);
    bounds_find(physmem, task);
    rows_task_start(physmem, task);
    check(physmem_task_find(physmem, task->id) == task);
    *taskp = task;
    settle_input(physmem);
    return 0;
}

/* ---- Looking ---- */

uint32_t physmem_task_id(const struct physmem_task *task)
{
    check(task->id > 0);
    return task->id;
}

uint32_t physmem_task_extents_needed(const struct physmem_task *task)
{
    const struct contract *contract = task->contract_list;

    while (contract != NULL && contract->terms.on_breach != SP_BREACH_REPOSSESS &&
           contract->terms.on_breach != SP_BREACH_PENALTY)
        contract = contract->next;
    check(contract == NULL || contract->task == task);
    return contract == NULL
               ? UINT32_MAX
               : task->containers + (task_commitment(task) + task->extra) / EXTENT_PAGES;
}

const struct physmem_identity *physmem_task_identity(const struct physmem_task *task)
{
    check(task->state != STANDING_GONE || task->identity.peer == NULL);
    return &task->identity;
}

/* The place in the list of the first task with an id above `after`. */
static uint32_t place_after(const struct physmem *physmem, uint32_t after)
{
    uint32_t low = 0;
    uint32_t high = physmem->tasks;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (physmem->task[middle]->id <= after)
            low = middle + 1;
        else
            high = middle;
    }
    check(low == physmem->tasks || physmem->task[low]->id > after);
    return low;
}

const struct physmem_task *physmem_task_after(const struct physmem *physmem, uint32_t after)
{
    uint32_t place = place_after(physmem, after);

    check(place == physmem->tasks || physmem->task[place]->id > after);
    return place < physmem->tasks ? physmem->task[place] : NULL;
}

struct physmem_task *physmem_task_find(struct physmem *physmem, uint32_t id)
{
    uint32_t place = id == 0 ? physmem->tasks : place_after(physmem, id - 1);

    check(place <= physmem->tasks);
    if (place == physmem->tasks || physmem->task[place]->id != id ||
        physmem->task[place]->state == STANDING_GONE)
        return NULL;
    return physmem->task[place];
}

void physmem_task_get_status(const struct physmem_task *task, struct physmem_task_status *status)
{
    struct frame_stack_said said = books_said(task);

    check(task->overdue <= task->owed && task->owed <= task->held);
    *status = (struct physmem_task_status){
        .pid = task->identity.pid,
        .uid = task->identity.uid,
        .id = task->id,
        .guaranteed = task->guaranteed,
        .leased = task->leased,
        .extra = task->extra,
        .held = task->held,
        .soft = task->soft,
        .owed = task->owed,
        .contracts = task->contracts,
        .allocations = task->allocations,
        .recalls = task->recalled,
        .recalls_met = task->recalls_met,
        .recalls_missed = task->recalls_missed,
        .frames_recalled = task->frames_recalled,
        .recalls_transparent = task->recalls_transparent,
        .frames_transparent = task->frames_transparent,
        .overdue = task->overdue,
        .warnings = task->warnings,
        .penalty = task->penalty,
        .repossessed = task->repossessed,
        .unmaps = task->unmapped,
        .available = task->heard.available,
        .breached = task->breached,
        .reason = task->reason,
        .demand = books_demand(task),
        .faults = said.faults,
        .swapped_out = said.swapped_out,
        .swapped_in = said.swapped_in,
    };
}

struct physmem_task_books physmem_task_get_books(const struct physmem_task *task)
{
    check(task->overdue <= task->owed && task->owed <= task->held);
    return (struct physmem_task_books){
        .guaranteed = task->guaranteed,
        .leased = task->leased,
        .extra = task->extra,
        .held = task->held,
        .owed = task->owed,
        .taken = task->breached || task->repossessed > 0,
    };
}

/* ---- Control connections ---- */

void physmem_task_connected(struct physmem *physmem, struct physmem_task *task)
{
    (void)physmem;
    ensure(task->state != STANDING_GONE);
    task->control = true;
}

void physmem_task_disconnected(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    input_advance(physmem, now);
    ensure(task->state != STANDING_GONE);
    task->control = false;
    if (task->state == STANDING_THERE)
        recall_hurry(physmem, task);
}

void physmem_task_stuck(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    input_advance(physmem, now);
    ensure(task->state != STANDING_GONE);
    task->control = false;
    if (task->state == STANDING_THERE)
        revoke_breach(physmem, task, SP_REASON_NOT_RECEIVING, task->owed, task->owed);
    settle_input(physmem);
}

/* ---- Going ---- */

/* Forget the task that has been gone for the longest time. There is one. */
static void forget_one(struct physmem *physmem)
{
    uint32_t place = 0;

    ensure(physmem->tasks_gone > 0);
    while (physmem->task[place]->state != STANDING_GONE)
        place++;
    ensure(place < physmem->tasks);
    swapping_free(physmem, physmem->task[place]);
    memory_free(physmem->allocator, physmem->task[place], sizeof(*physmem->task[place]));
    physmem->tasks--;
    physmem->tasks_gone--;
    memmove(&physmem->task[place], &physmem->task[place + 1],
            (physmem->tasks - place) * sizeof(physmem->task[0]));
}

void physmem_task_gone(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    input_advance(physmem, now);
    revoke_gone(physmem, task);
    check(task->state == STANDING_GONE && physmem->tasks_gone < physmem->tasks);
    if (++physmem->tasks_gone > PHYSMEM_DEAD_MAX)
        forget_one(physmem);
    settle_input(physmem);
}
