#include "core/physmem/queue.h"

#include "core/physmem/books.h"
#include "core/physmem/emit.h"

/* A request counts as waiting for `need` frames, and no longer for those it waited for. */
static void set_need(struct physmem *physmem, struct pending *pending, uint32_t need)
{
    struct physmem_task *task = pending->request.task;

    ensure(task->waiting >= pending->need && physmem->waiting >= pending->need);
    task->waiting += need - pending->need;
    physmem->waiting += need - pending->need;
    pending->need = need;
}

void queue_add(struct physmem *physmem, const struct physmem_request *request,
               const struct physmem_allocation *allocation, uint32_t need)
{
    struct physmem_task *task = request->task;
    struct pending *pending;

    ensure(need > 0);
    if (task->pending == PHYSMEM_PENDING_MAX) {
        emit_done(physmem, request, EBUSY, 0, "too many requests of this task wait");
        return;
    }
    pending = memory_new(physmem->allocator, sizeof(*pending));
    if (pending == NULL) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a request");
        return;
    }
    *pending = (struct pending){NULL, *request, *allocation, 0};
    if (physmem->pending_last != NULL)
        physmem->pending_last->next = pending;
    else
        physmem->pending_first = pending;
    physmem->pending_last = pending;
    task->pending++;
    set_need(physmem, pending, need);
}

void queue_first_needs(struct physmem *physmem, uint32_t need)
{
    set_need(physmem, physmem->pending_first, need);
}

/* Take *linkp, behind `before`, out of the queue, and free it. */
static void unlink_pending(struct physmem *physmem, struct pending **linkp, struct pending *before)
{
    struct pending *pending = *linkp;
    struct physmem_task *task = pending->request.task;

    books_row_changed(physmem, task);
    set_need(physmem, pending, 0);
    ensure(task->pending > 0);
    task->pending--;
    physmem->pending_stale = true; /* the next one may never have been planned as the first */
    *linkp = pending->next;
    if (physmem->pending_last == pending)
        physmem->pending_last = before;
    memory_free(physmem->allocator, pending, sizeof(*pending));
}

void queue_drop_first(struct physmem *physmem)
{
    ensure(physmem->pending_first != NULL);
    unlink_pending(physmem, &physmem->pending_first, NULL);
}

void queue_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container, int error,
                  const char *text)
{
    struct pending **linkp = &physmem->pending_first;
    struct pending *before = NULL;

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
        unlink_pending(physmem, linkp, before);
    }
    ensure(container != 0 || task->pending == 0);
}
