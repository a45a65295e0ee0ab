#include "core/physmem/revoke.h"

#include "core/physmem/arbiter.h"
#include "core/physmem/availability.h"
#include "core/physmem/bury.h"
#include "core/physmem/copying.h"
#include "core/physmem/emit.h"
#include "core/physmem/extra.h"
#include "core/physmem/freeing.h"
#include "core/physmem/idle.h"
#include "core/physmem/life.h"
#include "core/physmem/pending.h"
#include "core/physmem/recall.h"
#include "core/physmem/rights.h"
#include "core/physmem/rows.h"
#include "core/physmem/shares.h"
#include "core/physmem/slots.h"
#include "core/physmem/stack.h"
#include "core/physmem/swapping.h"
#include "core/physmem/vital.h"

/* Requests of the task that wait are over: answered with `error` unless it is 0. */
static void cancel_requests(struct physmem *physmem, struct physmem_task *task, int error)
{
    static const char text[] = "this task has been revoked";

    pending_cancel(physmem, task, 0, error, text);
    freeing_cancel(physmem, task, 0, error, text);
    copying_free(physmem, task, error, text);
    swapping_task_end(physmem, task, error, text);
    if (task->mapping.container != NULL && error != 0) {
        const struct physmem_request request = {task, task->mapping.seq, task->mapping.control};

        emit_done(physmem, &request, error, 0, text);
    }
    task->mapping.container = NULL;
    check(task->pending == 0 && task->waiting == 0 && task->freeing == NULL);
}

/* The task is in no list of those that are told or asked. */
static void leave_lists(struct physmem *physmem, struct physmem_task *task)
{
    check(task->contracts <= CONTRACTS_PER_TASK);
    extra_unwant(physmem, task);
    rows_task_end(physmem, task);
    availability_unwatch(physmem, task);
    arbiter_task_end(physmem, task);
}

static void unlink_task(struct physmem *physmem, struct physmem_task *task)
{
    check(task->container_list == NULL && task->contract_list == NULL);
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
    ensure(physmem->tasks_there > 0);
    physmem->tasks_there--;
}

/* Take everything from a task. */
static void strip(struct physmem *physmem, struct physmem_task *task,
                  enum sp_contract_state contracts_become, int error)
{
    check(task->state != STANDING_GONE);
    cancel_requests(physmem, task, error);
    shares_task_end(physmem, task);
    leave_lists(physmem, task);
    recall_end(physmem, task);
    stack_close(physmem, task);
    idle_end(physmem, task);
    while (task->container_list != NULL)
        slots_container_take(physmem, task->container_list);
    bury_slice(physmem, BURY_SLICE);
    ensure(task->held == 0 && task->soft == 0 && task->extents == 0);
    life_end_all(physmem, task, contracts_become);
    rights_end(physmem, task);
    deadlines_unreserve(&physmem->deadlines, DEADLINES_PER_TASK);
    vital_forget(physmem, task, 0);
    unlink_task(physmem, task);
}

/* Whether a contract of the task says that a breach ends its process. */
static bool is_to_be_killed(const struct physmem_task *task)
{
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        if (c->terms.on_breach == SP_BREACH_KILL && c->state != SP_CONTRACT_COUNTERED)
            return true;
    return false;
}

void revoke_breach(struct physmem *physmem, struct physmem_task *task, enum sp_reason reason,
                   uint32_t asked, uint32_t missing)
{
    struct physmem_effect *effect = emit_effect(physmem, PHYSMEM_SEND_REVOKED, task);
    bool kill = is_to_be_killed(task);

    ensure(task->state == STANDING_THERE && reason != SP_REASON_NONE);
    effect->revoked.reason = (uint8_t)reason;
    effect->revoked.asked = asked;
    effect->revoked.missing = missing;
    effect->revoked.lost = task->held;
    task->breached = true;
    task->reason = (uint8_t)reason;
    task->state = STANDING_REVOKED;
    physmem->counters.breaches++;
    strip(physmem, task, SP_CONTRACT_BREACHED, EPIPE);
    if (task->control)
        emit_effect(physmem, PHYSMEM_CLOSE_CONTROL, task);
    task->control = false;
    if (kill)
        emit_effect(physmem, PHYSMEM_KILL, task);
}

void revoke_gone(struct physmem *physmem, struct physmem_task *task)
{
    ensure(task->state != STANDING_GONE);
    if (task->state == STANDING_THERE)
        strip(physmem, task, SP_CONTRACT_CLOSED, 0);
    task->state = STANDING_GONE;
    task->control = false;
    task->identity.peer = NULL;
    check(task->held == 0 && task->owed == 0 && task->contracts == 0);
}
