/* Requests about weak references: to give one, to take it, and to end it. */
#include "core/physmem/shares.h"

#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/task.h"

/* A container's books of weak references, made if need be; NULL without memory. */
static struct sharing *sharing_make(struct physmem *physmem, struct container *container)
{
    struct sharing *sharing = container->sharing;

    if (sharing != NULL)
        return sharing;
    if (deadlines_reserve(&physmem->deadlines, 1) != 0)
        return NULL;
    sharing = memory_new(physmem->allocator, sizeof(*sharing));
    if (sharing == NULL) {
        deadlines_unreserve(&physmem->deadlines, 1);
        return NULL;
    }
    sharing->container = container;
    sharing->deadline.purpose = PURPOSE_LOCK;
    container->sharing = sharing;
    check(!container_is_locked(container));
    return sharing;
}

/* Whether some share, taken or not, is a task's. */
static bool has_any(const struct container *container, const struct physmem_task *task)
{
    const struct share *share = container->sharing != NULL ? container->sharing->first : NULL;

    while (share != NULL && share->task != task)
        share = share->next;
    check(container->owner != task || share == NULL);
    return share != NULL;
}

/* Answer a request with an error. Returns false. */
static bool refuse(struct physmem *physmem, const struct physmem_request *request, int error,
                   const char *text)
{
    check(error > 0);
    emit_done(physmem, request, error, 0, text);
    return false;
}

/* Whether the container can be shared this way; if not, the request is answered. *taskp: the task
 * that is named, or NULL. */
static bool share_fits(struct physmem *physmem, const struct physmem_request *request,
                       const struct container *container,
                       const struct physmem_permission *permission, struct physmem_task **taskp)
{
    const struct sharing *sharing = container->sharing;

    check(container->owner == request->task);
    if (permission->rights == 0 || permission->rights >= SLOT_RIGHTS ||
        permission->lock_ns > PHYSMEM_LOCK_MAX_NS)
        return refuse(physmem, request, EINVAL,
                      "a weak reference has a right, and locks for at most 60 seconds");
    if (container->slots > PHYSMEM_SHARED_SLOTS)
        return refuse(physmem, request, E2BIG, "a container of at most 65536 slots can be shared");
    if (sharing != NULL && sharing->shares == SHARES_PER_CONTAINER)
        return refuse(physmem, request, EMFILE, "16 tasks at most may share a container");
    *taskp = NULL;
    if (permission->task == 0)
        return permission->token != 0 ||
               refuse(physmem, request, EAGAIN, "there is no random token now");
    *taskp = physmem_task_find(physmem, permission->task);
    if (*taskp == NULL || (*taskp)->state != STANDING_THERE)
        return refuse(physmem, request, ESRCH, "there is no task of this number");
    if (*taskp == request->task || has_any(container, *taskp))
        return refuse(physmem, request, EEXIST, "the task has the container already");
    if ((*taskp)->shares_given == SHARES_GIVEN_MAX)
        return refuse(physmem, request, ENOSPC,
                      "the task has not taken 256 others yet: use a token");
    return true;
}

void physmem_share(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t handle, const struct physmem_permission *permission)
{
    struct container *container;
    struct physmem_effect *effect;
    struct physmem_task *task;
    struct share *share = NULL;

    if (!input_begin(physmem, now, request))
        return;
    container = input_container(physmem, request, handle);
    if (container == NULL || !share_fits(physmem, request, container, permission, &task))
        return;
    if (sharing_make(physmem, container) != NULL)
        share = memory_new(physmem->allocator, sizeof(*share));
    if (share == NULL) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a weak reference");
        return;
    }
    share->container = container;
    share->token = task == NULL ? permission->token : 0;
    share->lock_ns = permission->lock_ns;
    share->rights = permission->rights;
    share->number = ++container->sharing->numbers;
    ensure(share->number > 0 && container->sharing->shares < SHARES_PER_CONTAINER);
    share->next = container->sharing->first;
    container->sharing->first = share;
    container->sharing->shares++;
    if (task != NULL) {
        shares_enlist(share, task);
        task->shares_given++;
    }
    effect = emit_reply(physmem, PHYSMEM_REPLY_SHARED, request, 0, NULL);
    effect->shared.container = handle;
    effect->shared.share = share->number;
    effect->shared.token = share->token;
    effect->shared.version = container->version;
}

/* ---- Taking one ---- */

/* The share of a container that a task may take, with this token or (0) as the one named; NULL. */
static struct share *find_token(const struct container *container, const struct physmem_task *task,
                                uint64_t token)
{
    struct share *share = container->sharing != NULL ? container->sharing->first : NULL;

    check(container->owner != NULL);
    for (; share != NULL; share = share->next)
        if (token != 0 ? share->token == token : share->task == task && !share->adopted)
            return share;
    return NULL;
}

/* The one that was given to a task by its number before all others that it has not taken; NULL. */
static struct share *find_given(const struct physmem_task *task)
{
    struct share *found = NULL;

    if (task->shares_given == 0)
        return NULL;
    for (struct share *share = task->share_list; share != NULL; share = share->next_of_task)
        if (!share->adopted)
            found = share;
    ensure(found != NULL);
    return found;
}

static struct share *adopt_decode(struct physmem *physmem, const struct physmem_request *request,
                                  uint32_t handle, uint64_t token)
{
    const struct container *container = handles_object(&physmem->containers, handle);
    struct share *share = handle == 0 && token == 0 ? find_given(request->task) : NULL;

    if (container != NULL)
        share = find_token(container, request->task, token);
    if (share == NULL)
        refuse(physmem, request, ENOENT, "nothing was shared under this number and token");
    else if (share->adopted)
        refuse(physmem, request, EALREADY, "a task has shown this token already");
    else if (share->container->owner == request->task)
        refuse(physmem, request, EINVAL, "the owner of a container needs no weak reference");
    else if (share->task == NULL && has_any(share->container, request->task))
        refuse(physmem, request, EEXIST, "the task has a weak reference to this container");
    else
        return share;
    return NULL;
}

void physmem_share_adopt(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, uint32_t handle, uint64_t token)
{
    const struct physmem_task *owner;
    struct physmem_effect *effect;
    struct share *share;

    if (!input_begin(physmem, now, request))
        return;
    share = adopt_decode(physmem, request, handle, token);
    if (share == NULL)
        return;
    if (share->task == NULL)
        shares_enlist(share, request->task);
    else
        request->task->shares_given--;
    check(share->task == request->task);
    share->adopted = true;
    owner = share->container->owner;
    effect = emit_reply(physmem, PHYSMEM_REPLY_ADOPTED, request, 0, NULL);
    effect->adopted.container = share->container->handle;
    effect->adopted.owner = owner->id;
    effect->adopted.slots = share->container->slots;
    effect->adopted.rights = share->rights;
    effect->adopted.lock_ns = share->lock_ns;
    effect->adopted.version = share->container->version;
}

/* ---- Ending them ---- */

static struct share *find_number(const struct container *container, uint32_t number)
{
    struct share *share = container->sharing != NULL ? container->sharing->first : NULL;

    check(number > 0);
    while (share != NULL && share->number != number)
        share = share->next;
    return share;
}

static void reply_version(struct physmem *physmem, const struct physmem_request *request,
                          const struct container *container)
{
    const struct sharing *sharing = container->sharing;
    struct physmem_effect *effect = emit_reply(physmem, PHYSMEM_REPLY_VERSION, request, 0, NULL);

    effect->version.version = container->version;
    if (!container_is_locked(container))
        return;
    check(deadline_is_running(&sharing->deadline));
    effect->version.locker = sharing->locker->task->id;
    effect->version.lock_ns =
        sharing->deadline.when > physmem->now ? sharing->deadline.when - physmem->now : 0;
}

void physmem_share_revoke(struct physmem *physmem, uint64_t now,
                          const struct physmem_request *request, uint32_t handle, uint32_t number)
{
    struct container *container;
    struct share *share;

    if (!input_begin(physmem, now, request))
        return;
    container = input_container_even_locked(physmem, request, handle);
    if (container == NULL)
        return;
    share = number > 0 ? find_number(container, number) : NULL;
    if (number > 0 && share == NULL) {
        refuse(physmem, request, ENOENT, "the container has no weak reference of this number");
        return;
    }
    if (container_is_locked(container) && (share == NULL || container->sharing->locker == share)) {
        container->sharing->locker->last = true;
        refuse(physmem, request, EBUSY, "its holder has locked the container, for the last time");
        return;
    }
    if (share != NULL)
        shares_remove(physmem, share);
    while (share == NULL && container->sharing != NULL && container->sharing->first != NULL)
        shares_remove(physmem, container->sharing->first);
    reply_version(physmem, request, container);
}

void physmem_share_drop(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t handle)
{
    struct share *share;

    if (!input_begin(physmem, now, request) ||
        shares_weak(physmem, request, handle, &share) == NULL)
        return;
    check(share->adopted && share->task == request->task);
    if (share->container->sharing->locker == share)
        shares_unlock(physmem, share->container, ENOENT, "the weak reference was given up");
    shares_remove(physmem, share);
    emit_done(physmem, request, 0, 0, NULL);
}

void physmem_share_version(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, uint32_t handle)
{
    struct container *container;
    struct share *share;

    if (!input_begin(physmem, now, request))
        return;
    container = handles_object(&physmem->containers, handle);
    if (container == NULL || container->owner != request->task)
        container = shares_weak(physmem, request, handle, &share);
    if (container != NULL)
        reply_version(physmem, request, container);
}
