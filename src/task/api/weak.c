/* Weak references, locks and versions of containers. */
#include <errno.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/state/attached.h"

_Static_assert(SP_SHARE_READ == WIRE_RIGHT_READ && SP_SHARE_WRITE == WIRE_RIGHT_WRITE,
               "the same rights");

uint32_t sp_task_number(const struct sp_task *task)
{
    check(task->number > 0);
    return task->number;
}

int sp_container_share(struct sp_task *task, sp_container container,
                       const struct sp_share_options *options, struct sp_share *sharep,
                       struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_SHARE};
    struct wire_message reply;
    int result;

    check(sharep != NULL && options != NULL);
    if (options->rights == 0 || (options->rights & ~(SP_SHARE_READ | SP_SHARE_WRITE)) != 0)
        return error_set(error, EINVAL, "share: rights %#x", options->rights);
    if (container == task->container)
        return error_set(error, ENOENT, "the program has made no such container");
    message.share.container = container;
    message.share.task = options->task;
    message.share.rights = (uint8_t)options->rights;
    message.share.lock_ns = options->lock_ns;
    result = ask_physmem(task, &message, WIRE_SHARED, &reply, error);
    if (result == 0)
        *sharep = (struct sp_share){reply.shared.container, reply.shared.share, reply.shared.token};
    return result;
}

int sp_container_adopt(struct sp_task *task, sp_container container, uint64_t token,
                       struct sp_weak *weakp, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ADOPT};
    struct wire_message reply;
    int result;

    check(weakp != NULL);
    message.adopt.container = container;
    message.adopt.token = token;
    result = ask_physmem(task, &message, WIRE_ADOPTED, &reply, error);
    if (result == 0)
        *weakp = (struct sp_weak){.container = reply.adopted.container,
                                  .owner = reply.adopted.owner,
                                  .pages = reply.adopted.slots,
                                  .rights = reply.adopted.rights,
                                  .lock_ns = reply.adopted.lock_ns,
                                  .version = reply.adopted.version};
    return result;
}

int sp_container_revoke(struct sp_task *task, sp_container container, uint32_t number,
                        struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_REVOKE_SHARE};
    struct wire_message reply;

    check(attached_task() == task);
    message.revoke_share.container = container;
    message.revoke_share.share = number;
    return ask_physmem(task, &message, WIRE_VERSION_IS, &reply, error);
}

int sp_container_drop(struct sp_task *task, sp_container container, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_DROP_SHARE};
    struct wire_message reply;

    check(attached_task() == task);
    message.drop_share.container = container;
    return ask_physmem(task, &message, WIRE_DONE, &reply, error);
}

/* Send a request whose answer is a version. */
static int ask_state(struct sp_task *task, struct wire_message *message,
                     struct sp_container_state *statep, struct sp_error *error)
{
    struct wire_message reply;
    int result = ask_physmem(task, message, WIRE_VERSION_IS, &reply, error);

    if (result == 0 && statep != NULL)
        *statep = (struct sp_container_state){reply.version_is.version, reply.version_is.lock_ns,
                                              reply.version_is.locker};
    return result;
}

int sp_container_lock(struct sp_task *task, sp_container container, uint64_t lock_ns, int unmap,
                      struct sp_container_state *statep, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_LOCK};

    check(attached_task() == task);
    message.lock.container = container;
    message.lock.lock_ns = lock_ns;
    message.lock.unmap = unmap != 0 ? WIRE_YES : WIRE_NO;
    return ask_state(task, &message, statep, error);
}

int sp_container_unlock(struct sp_task *task, sp_container container,
                        struct sp_container_state *statep, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_UNLOCK};

    check(attached_task() == task);
    message.unlock.container = container;
    return ask_state(task, &message, statep, error);
}

int sp_container_state(struct sp_task *task, sp_container container,
                       struct sp_container_state *statep, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_ASK_VERSION};

    check(attached_task() == task);
    message.ask_version.container = container;
    return ask_state(task, &message, statep, error);
}
