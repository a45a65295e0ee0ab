#include "weak.h"

#include <sys/random.h>

#include "base/assert.h"
#include "os/clock.h"
#include "send.h"

_Static_assert((int)WIRE_RIGHT_READ == (int)SLOT_READ && (int)WIRE_RIGHT_WRITE == (int)SLOT_WRITE,
               "the same rights");

static void on_share(struct service *service, const struct physmem_request *request,
                     const struct wire_message *message)
{
    struct physmem_permission permission = {
        .task = message->share.task,
        .rights = message->share.rights,
        .lock_ns = message->share.lock_ns,
    };

    /* Without one the core refuses, in words. */
    if (getrandom(&permission.token, sizeof(permission.token), 0) != sizeof(permission.token))
        permission.token = 0;
    physmem_share(service->physmem, clock_now_ns(), request, message->share.container, &permission);
}

bool weak_request(struct service *service, const struct physmem_request *request,
                  const struct wire_message *message)
{
    struct physmem *physmem = service->physmem;
    uint64_t now = service_received_ns(service);

    switch (message->type) {
    case WIRE_SHARE:
        on_share(service, request, message);
        return true;
    case WIRE_ADOPT:
        physmem_share_adopt(physmem, now, request, message->adopt.container, message->adopt.token);
        return true;
    case WIRE_REVOKE_SHARE:
        physmem_share_revoke(physmem, now, request, message->revoke_share.container,
                             message->revoke_share.share);
        return true;
    case WIRE_DROP_SHARE:
        physmem_share_drop(physmem, now, request, message->drop_share.container);
        return true;
    case WIRE_LOCK:
        physmem_lock(physmem, now, request, message->lock.container, message->lock.lock_ns,
                     message->lock.unmap == WIRE_YES);
        return true;
    case WIRE_UNLOCK:
        physmem_lock_end(physmem, now, request, message->unlock.container);
        return true;
    case WIRE_ASK_VERSION:
        physmem_share_version(physmem, now, request, message->ask_version.container);
        return true;
    default:
        return false;
    }
}

void weak_reply(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = &service->message;

    if (effect->kind == PHYSMEM_REPLY_SHARED) {
        send_begin(service, WIRE_SHARED, 0);
        message->shared.container = effect->shared.container;
        message->shared.share = effect->shared.share;
        message->shared.token = effect->shared.token;
        message->shared.version = effect->shared.version;
        return;
    }
    if (effect->kind == PHYSMEM_REPLY_ADOPTED) {
        send_begin(service, WIRE_ADOPTED, 0);
        message->adopted.container = effect->adopted.container;
        message->adopted.owner = effect->adopted.owner;
        message->adopted.slots = effect->adopted.slots;
        message->adopted.rights = effect->adopted.rights;
        message->adopted.lock_ns = effect->adopted.lock_ns;
        message->adopted.version = effect->adopted.version;
        return;
    }
    ensure(effect->kind == PHYSMEM_REPLY_VERSION);
    send_begin(service, WIRE_VERSION_IS, 0);
    message->version_is.version = effect->version.version;
    message->version_is.lock_ns = effect->version.lock_ns;
    message->version_is.locker = effect->version.locker;
}
