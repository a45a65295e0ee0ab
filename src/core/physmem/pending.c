#include "core/physmem/pending.h"

#include "core/physmem/books.h"
#include "core/physmem/emit.h"

uint32_t pending_least(const struct pending *pending)
{
    uint32_t block = UINT32_C(1) << pending->allocation.order;

    check(pending->allocation.order <= BUDDY_MAX_ORDER);
    return (pending->allocation.flags & PHYSMEM_PARTIAL) != 0 ? block : pending->need;
}

bool pending_is_patient(const struct physmem *physmem)
{
    const struct pending *first = physmem->pending_first;

    check(first == NULL || first->patient_until <= physmem->pending_last->patient_until);
    return first == NULL || physmem->now < first->patient_until;
}

void pending_set_need(struct physmem *physmem, struct pending *pending, uint32_t need)
{
    struct physmem_task *task = pending->request.task;

    ensure(task->waiting >= pending->need && physmem->waiting >= pending->need);
    task->waiting += need - pending->need;
    physmem->waiting += need - pending->need;
    pending->need = need;
}

void pending_add(struct physmem *physmem, const struct physmem_request *request,
                 const struct physmem_allocation *allocation, uint32_t need)
{
    struct physmem_task *task = request->task;
    struct pending *pending;

    ensure(need > 0);
    check(task->state == STANDING_THERE && task->pending <= PHYSMEM_PENDING_MAX);
    if (task->pending == PHYSMEM_PENDING_MAX) {
        emit_done(physmem, request, EBUSY, 0, "too many requests of this task wait");
        return;
    }
    pending = memory_new(physmem->allocator, sizeof(*pending));
    if (pending == NULL) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request");
        return;
    }
    pending->patient_until = physmem->now + physmem->patience_ns;
    pending->request = *request;
    pending->allocation = *allocation;
    if (physmem->pending_last != NULL)
        physmem->pending_last->next = pending;
    else
        physmem->pending_first = pending;
    physmem->pending_last = pending;
    task->pending++;
    pending_set_need(physmem, pending, need);
    physmem->pending_least = smaller(physmem->pending_least, pending_least(pending));
    check(physmem->waiting >= task->waiting && task->waiting >= need);
}

void pending_drop(struct physmem *physmem, struct pending **linkp, struct pending *before)
{
    struct pending *pending = *linkp;
    struct physmem_task *task = pending->request.task;

    check(physmem->pending_first != NULL);
    books_row_changed(physmem, task);
    pending_set_need(physmem, pending, 0);
    ensure(task->pending > 0);
    task->pending--;
    *linkp = pending->next;
    if (physmem->pending_last == pending)
        physmem->pending_last = before;
    check((physmem->pending_first == NULL) == (physmem->pending_last == NULL));
    task_plans_stale(physmem, task);
    memory_free(physmem->allocator, pending, sizeof(*pending));
}

void pending_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text)
{
    struct pending **linkp = &physmem->pending_first;
    struct pending *before = NULL;

    physmem->pending_cuts++;
    while (task->pending > 0 && *linkp != NULL) {
        struct pending *pending = *linkp;

        if (pending->request.task != task ||
            (container != 0 && pending->allocation.container != container)) {
            before = pending;
            linkp = &pending->next;
            continue;
        }
        if (error != 0)
            emit_done(physmem, &pending->request, error, 0, text);
        pending_drop(physmem, linkp, before);
    }
    ensure(container != 0 || task->pending == 0);
}
