/* Tasks: their coming and going, and what a breach costs. */
#include "core/physmem/internal.h"

/* Every deadline that a task itself can have running; contracts bring their own. */
#define DEADLINES_PER_TASK (PHYSMEM_RECALLS_MAX + 1)

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
        rc = control_reserve(physmem, wanted);
    if (rc == 0)
        rc = deadlines_reserve(&physmem->deadlines, DEADLINES_PER_TASK);
    return rc;
}

int physmem_task_add(struct physmem *physmem, uint64_t now, const struct physmem_identity *identity,
                     struct physmem_task **taskp)
{
    struct physmem_task *task = memory_new(physmem->allocator, sizeof(*task));

    physmem_advance(physmem, now);
    if (task == NULL)
        return -ENOMEM;
    if (arbiter_task_start(physmem, task) != 0 || make_room(physmem) != 0) {
        arbiter_task_end(physmem, task);
        memory_free(physmem->allocator, task, sizeof(*task));
        return -ENOMEM;
    }
    task->identity = *identity;
    task->id = ++physmem->last_id;
    task->unmap_deadline.purpose = PURPOSE_UNMAP;
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        task->recalls[i].task = task;
        task->recalls[i].deadline.purpose = PURPOSE_RECALL;
    }
    physmem->task[physmem->tasks++] = task;
    physmem->tasks_there++;
    task->prev = physmem->last;
    if (physmem->last != NULL)
        physmem->last->next = task;
    else
        physmem->first = task;
    physmem->last = task;
    control_task_start(physmem, task);
    *taskp = task;
    physmem_settle(physmem);
    return 0;
}

uint32_t physmem_task_id(const struct physmem_task *task)
{
    return task->id;
}

const struct physmem_identity *physmem_task_identity(const struct physmem_task *task)
{
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
    return low;
}

const struct physmem_task *physmem_task_after(const struct physmem *physmem, uint32_t after)
{
    uint32_t place = place_after(physmem, after);

    return place < physmem->tasks ? physmem->task[place] : NULL;
}

struct physmem_task *physmem_task_find(struct physmem *physmem, uint32_t id)
{
    uint32_t place = id == 0 ? physmem->tasks : place_after(physmem, id - 1);

    if (place == physmem->tasks || physmem->task[place]->id != id ||
        physmem->task[place]->state == TASK_GONE)
        return NULL;
    return physmem->task[place];
}

void physmem_control_opened(struct physmem *physmem, struct physmem_task *task)
{
    (void)physmem;
    task->control = true;
}

void physmem_control_closed(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    physmem_advance(physmem, now);
    task->control = false;
    if (task->state == TASK_THERE)
        recall_hurry(physmem, task);
}

void physmem_control_stuck(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    physmem_advance(physmem, now);
    task->control = false;
    if (task->state == TASK_THERE)
        task_revoke(physmem, task, SP_REASON_NOT_RECEIVING, task->owed, task->owed);
    physmem_settle(physmem);
}

/* Take everything from a task. Requests that wait are answered with `error` unless it is 0. */
static void task_strip(struct physmem *physmem, struct physmem_task *task,
                       enum sp_contract_state contracts_become, int error)
{
    static const char text[] = "this task has been revoked";

    pending_cancel(physmem, task, 0, error, text);
    if (task->mapping.container != NULL && error != 0) {
        const struct physmem_request request = {task, task->mapping.seq, task->mapping.control};

        physmem_reply_done(physmem, &request, error, 0, text);
    }
    task->mapping.container = NULL;
    extra_unwant(physmem, task);
    control_task_end(physmem, task);
    availability_unwatch(physmem, task);
    arbiter_task_end(physmem, task);
    recalls_end(physmem, task);
    stack_close(physmem, task);
    sample_end(physmem, task);
    while (task->container_list != NULL)
        container_destroy(physmem, task->container_list);
    contracts_end(physmem, task, contracts_become);
    deadline_stop(&physmem->deadlines, &task->unmap_deadline);
    deadlines_unreserve(&physmem->deadlines, DEADLINES_PER_TASK);
    memory_free(physmem->allocator, task->unmaps, PHYSMEM_UNMAPS_MAX * sizeof(*task->unmaps));
    task->unmaps = NULL;
    task->unmap_count = 0;
    vital_forget(physmem, task, 0);

    if (task->prev != NULL)
        task->prev->next = task->next;
    else
        physmem->first = task->next;
    if (task->next != NULL)
        task->next->prev = task->prev;
    else
        physmem->last = task->prev;
    task->next = NULL;
    task->prev = NULL;
    physmem->tasks_there--;
}

void task_revoke(struct physmem *physmem, struct physmem_task *task, enum sp_reason reason,
                 uint32_t asked, uint32_t missing)
{
    struct physmem_effect *effect = physmem_emit(physmem, PHYSMEM_SEND_REVOKED, task);
    bool kill = false;

    effect->revoked.reason = (uint8_t)reason;
    effect->revoked.asked = asked;
    effect->revoked.missing = missing;
    effect->revoked.lost = task->held;
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        kill = kill || (c->terms.on_breach == SP_BREACH_KILL && c->state != SP_CONTRACT_COUNTERED);

    task->breached = true;
    task->reason = (uint8_t)reason;
    task->state = TASK_REVOKED;
    physmem->counters.breaches++;
    task_strip(physmem, task, SP_CONTRACT_BREACHED, EPIPE);
    if (task->control)
        physmem_emit(physmem, PHYSMEM_CLOSE_CONTROL, task);
    task->control = false;
    if (kill)
        physmem_emit(physmem, PHYSMEM_KILL, task);
}

/* Forget the oldest of the tasks that have gone. */
static void forget_one(struct physmem *physmem)
{
    uint32_t place = 0;

    while (physmem->task[place]->state != TASK_GONE)
        place++;
    memory_free(physmem->allocator, physmem->task[place], sizeof(*physmem->task[place]));
    physmem->tasks--;
    physmem->tasks_gone--;
    memmove(&physmem->task[place], &physmem->task[place + 1],
            (physmem->tasks - place) * sizeof(physmem->task[0]));
}

void physmem_task_gone(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    physmem_advance(physmem, now);
    if (task->state == TASK_THERE)
        task_strip(physmem, task, SP_CONTRACT_CLOSED, 0);
    task->state = TASK_GONE;
    task->control = false;
    task->identity.peer = NULL;
    if (++physmem->tasks_gone > PHYSMEM_DEAD_MAX)
        forget_one(physmem);
    physmem_settle(physmem);
}
