#include "core/physmem/shares.h"

#include "core/physmem/emit.h"

struct share *shares_of(const struct container *container, const struct physmem_task *task)
{
    struct share *share = container->sharing != NULL ? container->sharing->first : NULL;

    while (share != NULL && (share->task != task || !share->adopted))
        share = share->next;
    check(share == NULL || share->container == container);
    return share;
}

int shares_permit(const struct container *container, const struct physmem_task *task, uint8_t right)
{
    const struct share *share = NULL;

    check(right == SLOT_READ || right == SLOT_WRITE);
    if (container == NULL)
        return ENOENT;
    if (container->owner != task) {
        share = shares_of(container, task);
        if (share == NULL)
            return ENOENT;
        if ((share->rights & right) == 0)
            return EPERM;
    }
    return container_is_locked(container) && container->sharing->locker != share ? EBUSY : 0;
}

static const char *why_not(int error)
{
    ensure(error == ENOENT || error == EPERM || error == EBUSY);
    return error == ENOENT ? "the task has no container of this number, and no weak reference to it"
           : error == EPERM ? "the weak reference does not give this right"
                            : "another task has locked the container";
}

struct container *shares_container(struct physmem *physmem, const struct physmem_request *request,
                                   uint32_t handle, uint8_t right)
{
    struct container *container = handles_object(&physmem->containers, handle);
    int error = shares_permit(container, request->task, right);

    if (error != 0) {
        emit_done(physmem, request, error, 0, why_not(error));
        return NULL;
    }
    check(container->handle == handle);
    return container;
}

struct container *shares_weak(struct physmem *physmem, const struct physmem_request *request,
                              uint32_t handle, struct share **sharep)
{
    struct container *container = handles_object(&physmem->containers, handle);

    check(request->task->state == STANDING_THERE);
    *sharep = container != NULL ? shares_of(container, request->task) : NULL;
    if (*sharep != NULL)
        return container;
    if (container != NULL && container->owner == request->task)
        emit_done(physmem, request, EPERM, 0, "only a task with a weak reference may do this");
    else
        emit_done(physmem, request, ENOENT, 0, why_not(ENOENT));
    return NULL;
}

void shares_enlist(struct share *share, struct physmem_task *task)
{
    check(share->task == NULL && !share->adopted);
    share->task = task;
    share->prev_of_task = NULL;
    share->next_of_task = task->share_list;
    if (share->next_of_task != NULL)
        share->next_of_task->prev_of_task = share;
    task->share_list = share;
}

static void unlist(struct share *share)
{
    struct physmem_task *task = share->task;

    if (task == NULL)
        return;
    if (share->next_of_task != NULL)
        share->next_of_task->prev_of_task = share->prev_of_task;
    if (share->prev_of_task != NULL)
        share->prev_of_task->next_of_task = share->next_of_task;
    else
        task->share_list = share->next_of_task;
    ensure(share->adopted || task->shares_given > 0);
    task->shares_given -= !share->adopted;
    share->task = NULL;
}

void shares_unlock(struct physmem *physmem, struct container *container, int error,
                   const char *text)
{
    struct sharing *sharing = container->sharing;
    struct physmem_request request;

    if (!container_is_locked(container))
        return;
    check(sharing->locker->container == container && sharing->locker->adopted);
    request = (struct physmem_request){sharing->locker->task, sharing->seq, sharing->control};
    if (sharing->waits && error != 0)
        emit_done(physmem, &request, error, 0, text);
    sharing->waits = false;
    sharing->locker = NULL;
    deadlines_stop(&physmem->deadlines, &sharing->deadline);
    container->version++;
}

void shares_remove(struct physmem *physmem, struct share *share)
{
    struct container *container = share->container;
    struct sharing *sharing = container->sharing;
    struct share **link = &sharing->first;

    ensure(sharing->locker != share);
    while (*link != share)
        link = &(*link)->next;
    *link = share->next;
    ensure(sharing->shares > 0);
    sharing->shares--;
    unlist(share);
    memory_free(physmem->allocator, share, sizeof(*share));
}

void shares_end(struct physmem *physmem, struct container *container)
{
    struct sharing *sharing = container->sharing;

    if (sharing == NULL)
        return;
    shares_unlock(physmem, container, ENOENT, "the container was destroyed");
    while (sharing->first != NULL)
        shares_remove(physmem, sharing->first);
    ensure(sharing->shares == 0 && !deadline_is_running(&sharing->deadline));
    deadlines_unreserve(&physmem->deadlines, 1);
    memory_free(physmem->allocator, sharing, sizeof(*sharing));
    container->sharing = NULL;
}

void shares_task_end(struct physmem *physmem, struct physmem_task *task)
{
    while (task->share_list != NULL) {
        struct share *share = task->share_list;
        struct container *container = share->container;

        if (container->sharing->locker == share)
            shares_unlock(physmem, container, 0, NULL);
        shares_remove(physmem, share);
    }
    ensure(task->shares_given == 0);
}
