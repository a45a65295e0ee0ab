/* The requests to lock and to unlock. */
#include "core/physmem/lock.h"

#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/rights.h"
#include "core/physmem/shares.h"

static bool is_mapped(const struct container_slot *entry)
{
    check(entry->frame != SLOT_NO_FRAME || (entry->rights == 0 && !entry->unmapping));
    return entry->rights != 0 || entry->unmapping;
}

/* The first run, from `slot` on, of mapped slots of one extent that all were asked to be unmapped,
 * or all were not. Its count is 0 if there is none. */
static struct physmem_range mapped_run(const struct container *container, uint32_t slot)
{
    struct physmem_range run = {slot, 0};

    while ((slot = container_skip(container, slot)) < container->slots) {
        struct extent *extent = container_extent(container, slot);
        uint32_t stop = extent_end(slot, container->slots);

        while (slot < stop && !is_mapped(extent_slot(extent, slot)))
            slot++;
        if (slot == stop)
            continue;
        run.start = slot;
        while (slot < stop && is_mapped(extent_slot(extent, slot)) &&
               extent_slot(extent, slot)->unmapping == extent_slot(extent, run.start)->unmapping)
            slot++;
        run.count = slot - run.start;
        check(run.count > 0 && run.start / EXTENT_PAGES == (slot - 1) / EXTENT_PAGES);
        return run;
    }
    return run;
}

/* Whether the owner has a request about the container that waits and would change it. */
static bool is_changing(const struct physmem *physmem, const struct container *container)
{
    const struct physmem_task *owner = container->owner;
    const struct pending *pending = owner->pending > 0 ? physmem->pending_first : NULL;

    check(owner->state == STANDING_THERE);
    while (pending != NULL && pending->allocation.container != container->handle)
        pending = pending->next;
    return pending != NULL || owner->mapping.container == container ||
           (owner->freeing != NULL && owner->freeing->container == container->handle);
}

/* Have the owner asked to unmap all that it has mapped. Returns 0, EAGAIN if it cannot be asked for
 * so much, or EINPROGRESS if the answer must be awaited. */
static int take_rights(struct physmem *physmem, struct container *container)
{
    struct physmem_task *owner = container->owner;
    uint32_t room = PHYSMEM_UNMAPS_MAX - owner->unmap_count;
    struct physmem_range run;
    bool waits = false;
    uint32_t slot;

    check(owner->unmap_count <= PHYSMEM_UNMAPS_MAX);
    for (slot = 0; (run = mapped_run(container, slot)).count > 0; slot = run.start + run.count) {
        waits = true;
        if (extent_slot(container_extent(container, run.start), run.start)->unmapping)
            continue;
        if (!owner->control || room == 0)
            return EAGAIN;
        room--;
    }
    for (slot = 0; (run = mapped_run(container, slot)).count > 0; slot = run.start + run.count)
        if (!extent_slot(container_extent(container, run.start), run.start)->unmapping &&
            !rights_ask_back(physmem, owner, container, run))
            return EAGAIN;
    return waits ? EINPROGRESS : 0;
}

static void reply_locked(struct physmem *physmem, const struct physmem_request *request,
                         const struct sharing *sharing)
{
    struct physmem_effect *effect = emit_reply(physmem, PHYSMEM_REPLY_VERSION, request, 0, NULL);

    check(sharing->locker->task == request->task);
    effect->version.version = sharing->container->version;
    effect->version.locker = request->task->id;
    effect->version.lock_ns = sharing->deadline.when - physmem->now;
}

/* Whether the task may lock the container now; if not, the request is answered. */
static bool may_lock(struct physmem *physmem, const struct physmem_request *request,
                     const struct container *container, const struct share *share, uint64_t lock_ns)
{
    check(share->adopted && share->task == request->task);
    if (share->lock_ns == 0 || share->last)
        emit_done(physmem, request, EPERM, 0, "the owner permits no lock, or no more of them");
    else if (lock_ns == 0)
        emit_done(physmem, request, EINVAL, 0, "a lock lasts for some time");
    else if (container->sharing->locker == share)
        emit_done(physmem, request, EALREADY, 0, "the task has locked the container already");
    else if (container_is_locked(container))
        emit_done(physmem, request, EBUSY, 0, "another task has locked the container");
    else if (is_changing(physmem, container))
        emit_done(physmem, request, EBUSY, 0, "a request of the owner still waits");
    else
        return true;
    return false;
}

void physmem_lock(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                  uint32_t handle, uint64_t lock_ns, bool unmap)
{
    struct container *container;
    struct sharing *sharing;
    struct share *share;
    int waits = 0;

    if (!input_begin(physmem, now, request))
        return;
    container = shares_weak(physmem, request, handle, &share);
    if (container == NULL || !may_lock(physmem, request, container, share, lock_ns))
        return;
    if (unmap)
        waits = take_rights(physmem, container);
    if (waits == EAGAIN) {
        emit_done(physmem, request, EAGAIN, 0, "the owner cannot be asked to unmap so much now");
        return;
    }
    sharing = container->sharing;
    sharing->locker = share;
    sharing->seq = request->seq;
    sharing->control = request->control;
    sharing->waits = waits != 0;
    if (lock_ns > share->lock_ns)
        lock_ns = share->lock_ns;
    ensure(!deadline_is_running(&sharing->deadline));
    deadlines_start(&physmem->deadlines, &sharing->deadline, physmem->now + lock_ns);
    container->version++;
    physmem->counters.locks++;
    if (!sharing->waits)
        reply_locked(physmem, request, sharing);
}

void lock_continue(struct physmem *physmem, struct container *container)
{
    struct sharing *sharing = container->sharing;
    struct physmem_request request;

    if (sharing == NULL || !sharing->waits || mapped_run(container, 0).count > 0)
        return;
    ensure(sharing->locker != NULL);
    request = (struct physmem_request){sharing->locker->task, sharing->seq, sharing->control};
    sharing->waits = false;
    reply_locked(physmem, &request, sharing);
}

void lock_due(struct physmem *physmem, struct sharing *sharing)
{
    ensure(sharing->locker != NULL);
    physmem->counters.locks_expired++;
    shares_unlock(physmem, sharing->container, ETIMEDOUT,
                  "the owner did not unmap before the time of the lock was over");
}

void physmem_lock_end(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t handle)
{
    struct container *container;
    struct physmem_effect *effect;
    struct share *share;

    if (!input_begin(physmem, now, request))
        return;
    container = shares_weak(physmem, request, handle, &share);
    if (container == NULL)
        return;
    check(container->sharing != NULL && share->task == request->task);
    if (container->sharing->locker != share) {
        emit_done(physmem, request, ETIME, 0, "the lock is over, or there was none");
        return;
    }
    shares_unlock(physmem, container, ECANCELED, "the lock was given up");
    effect = emit_reply(physmem, PHYSMEM_REPLY_VERSION, request, 0, NULL);
    effect->version.version = container->version;
}
