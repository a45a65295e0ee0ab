/* Effects of the core, as messages and system calls. */
#include "effect.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backing.h"
#include "clear.h"
#include "giving.h"
#include "moving.h"
#include "passed.h"
#include "policyserver.h"
#include "reading.h"
#include "seat.h"
#include "send.h"
#include "stack.h"
#include "swapper.h"
#include "weak.h"

_Static_assert(WIRE_MAPS == PHYSMEM_MAPS_MAX, "one reply holds what the core maps at once");
_Static_assert(WIRE_BATCH == PHYSMEM_SWAP_MAX, "the same batches");
_Static_assert(WIRE_PIECES == PHYSMEM_PIECES_MAX, "the same pieces");
_Static_assert((int)WIRE_ACCESS_FORCE == (int)PHYSMEM_FORCE_WRITE, "the same accesses");
_Static_assert(WIRE_SLOTS_MAX == CONTAINER_SLOTS_MAX, "the same containers");
_Static_assert(WIRE_NAME == SP_NAME_MAX, "the same names");
_Static_assert((int)WIRE_ALLOCATE_PARTIAL == (int)PHYSMEM_PARTIAL &&
                   (int)WIRE_ALLOCATE_SQUASH == (int)PHYSMEM_SQUASH &&
                   (int)WIRE_ALLOCATE_EXTRA == (int)PHYSMEM_EXTRA &&
                   (int)WIRE_ALLOCATE_ZERO == (int)PHYSMEM_ZERO,
               "the same flags");
_Static_assert((int)WIRE_NOTICE_EXPIRING == (int)PHYSMEM_EXPIRING &&
                   (int)WIRE_NOTICE_EXPIRED == (int)PHYSMEM_EXPIRED &&
                   (int)WIRE_NOTICE_AVAILABLE == (int)PHYSMEM_AVAILABLE,
               "the same notices");

/* The encoder fills what is behind the text with zeros. */
static void text_set(char text[WIRE_TEXT], const char *from)
{
    if (from != NULL)
        snprintf(text, WIRE_TEXT, "%s", from);
    else
        text[0] = '\0';
}

static void fill_availability(struct wire_message *message, const struct physmem_effect *effect)
{
    message->availability.available = effect->availability.available;
    message->availability.held = effect->availability.held;
    message->availability.promised = effect->availability.promised;
    message->availability.pressure = effect->availability.pressure;
}

static void reply(struct service *service, const struct physmem_effect *effect)
{
    struct seat *seat = seat_of(effect);
    struct wire_message *message = &service->message;
    const struct physmem_map_item *items;

    if (effect->seq == 0)
        return;
    switch (effect->kind) {
    case PHYSMEM_REPLY_ALLOCATED:
        send_begin(service, WIRE_ALLOCATED, 0);
        message->allocated.count = effect->allocated.count;
        message->allocated.zeroed = effect->allocated.zeroed;
        break;
    case PHYSMEM_REPLY_MAPPED:
        items = physmem_map_items(service->physmem, effect->mapped.first);
        for (uint32_t i = 0; service->relet != NULL && i < effect->mapped.count; i++)
            giving_use(service, seat, items[i].descriptor, items[i].offset, items[i].count);
        send_begin(service, WIRE_MAPPED, 0);
        message->mapped.items_count = (uint16_t)effect->mapped.count;
        for (uint32_t i = 0; i < effect->mapped.count; i++)
            message->mapped.items[i] = (struct wire_map){
                items[i].slot, items[i].count, items[i].extent, items[i].offset, items[i].rights};
        break;
    case PHYSMEM_REPLY_CONTAINER:
        send_begin(service, WIRE_CONTAINER, 0);
        message->container.container = effect->container.container;
        message->container.extent_pages = EXTENT_PAGES;
        break;
    case PHYSMEM_REPLY_AVAILABILITY:
        send_begin(service, WIRE_AVAILABILITY, 0);
        fill_availability(message, effect);
        break;
    case PHYSMEM_REPLY_PART:
        send_begin(service, WIRE_PART, 0);
        message->part.token = effect->part.part.token;
        message->part.part = effect->part.part.part;
        message->part.contract = effect->part.part.contract;
        message->part.frames = effect->part.part.frames;
        message->part.left = effect->part.part.left;
        message->part.change = effect->part.change;
        break;
    case PHYSMEM_REPLY_SHARED:
    case PHYSMEM_REPLY_ADOPTED:
    case PHYSMEM_REPLY_VERSION:
        weak_reply(service, effect);
        break;
    case PHYSMEM_REPLY_SWAPPED:
        send_begin(service, WIRE_SWAPPED, 0);
        message->swapped.pages_count = (uint16_t)effect->swapped.count;
        for (uint32_t i = 0; i < effect->swapped.count; i++)
            message->swapped.pages[i].value = effect->swapped.numbers[i];
        break;
    case PHYSMEM_REPLY_OFFER:
        send_begin(service, WIRE_OFFER, 0);
        message->offer.change = effect->offer.change;
        message->offer.answer = effect->offer.offer.answer;
        message->offer.reason = effect->offer.offer.reason;
        message->offer.state = effect->offer.state;
        message->offer.contract = effect->offer.offer.contract;
        message->offer.retry_ns = effect->offer.offer.retry_ns;
        WIRE_COPY_TERMS(&message->offer, &effect->offer.offer.terms);
        break;
    default:
        send_begin(service, WIRE_DONE, 0);
        message->done.count = effect->count;
        text_set(message->done.text, effect->text);
        break;
    }
    message->seq = effect->seq;
    message->error = effect->error;
    seat_reply(service, seat, effect->control);
}

static void send_recall(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = send_begin(service, WIRE_RECALL, 0);
    uint64_t pass = service->server.counters.passes + 1;

    if (service->recall_pass != pass)
        service->recall_passes++;
    service->recall_pass = pass;
    message->recall.id = effect->recall.id;
    message->recall.frames = effect->recall.frames;
    message->recall.may_clean = effect->recall.may_clean;
    message->recall.grace_unit = effect->recall.unit;
    message->recall.grace = effect->recall.grace;
    send_to(service, seat_of(effect)->control, -1);
}

static void send_unmap(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = send_begin(service, WIRE_UNMAP, 0);

    message->unmap.id = effect->unmap.id;
    message->unmap.grace_ns = effect->unmap.grace_ns;
    message->unmap.container = effect->unmap.container;
    message->unmap.rights = effect->unmap.rights;
    message->unmap.ranges_count = 1;
    message->unmap.ranges[0] =
        (struct wire_range){effect->unmap.range.start, effect->unmap.range.count};
    send_to(service, seat_of(effect)->control, -1);
}

static void send_notice(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = send_begin(service, WIRE_NOTICE, 0);

    message->notice.what = effect->notice.what;
    message->notice.contract = effect->notice.contract;
    message->notice.guaranteed = effect->notice.guaranteed;
    message->notice.extra = effect->notice.extra;
    message->notice.change = effect->notice.change;
    send_to(service, seat_of(effect)->control, -1);
}

static void send_availability(struct service *service, const struct physmem_effect *effect)
{
    fill_availability(send_begin(service, WIRE_AVAILABILITY, 0), effect);
    send_to(service, seat_of(effect)->control, -1);
}

static void send_changed(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = send_begin(service, WIRE_CHANGED, 0);

    message->changed.contract = effect->changed.contract;
    message->changed.part = effect->changed.part;
    message->changed.frames = effect->changed.frames;
    message->changed.change = effect->changed.change;
    message->changed.state = effect->changed.state;
    message->changed.why = effect->changed.why;
    send_to(service, seat_of(effect)->control, -1);
}

static void send_warned(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    struct wire_message *message = send_begin(service, WIRE_WARNED, 0);

    log_line(
        &service->server.log, "warning",
        "task %s (process %u) was warned: %u frames are overdue, and it may miss %u more deadlines",
        identity->name, identity->pid, effect->warned.missing, effect->warned.left);
    message->warned.id = effect->warned.id;
    message->warned.missing = effect->warned.missing;
    message->warned.left = effect->warned.left;
    message->warned.charged = effect->warned.charged;
    message->warned.grace_unit = effect->warned.unit;
    message->warned.grace = effect->warned.grace;
    send_to(service, seat_of(effect)->control, -1);
}

static void send_repossessed(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    const struct physmem_map_item *items =
        physmem_map_items(service->physmem, effect->repossessed.first);
    struct wire_message *message = send_begin(service, WIRE_REPOSSESSED, 0);

    log_line(&service->server.log, "repossess",
             "%u frames of task %s (process %u) were repossessed: %s", effect->repossessed.frames,
             identity->name, identity->pid,
             effect->repossessed.id != 0 ? "a recall was missed"
                                         : "an extent had more pages than frames");
    message->repossessed.id = effect->repossessed.id;
    message->repossessed.container = effect->repossessed.container;
    message->repossessed.frames = effect->repossessed.frames;
    message->repossessed.ranges_count = (uint16_t)effect->repossessed.count;
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        message->repossessed.ranges[i] = (struct wire_range){items[i].slot, items[i].count};
    send_to(service, seat_of(effect)->control, -1);
}

/* The numbers of a breach, in words. */
static void breach_text(const struct physmem_effect *effect, char *text, size_t size)
{
    const char *reason = print_reason_text(effect->revoked.reason);
    unsigned asked = effect->revoked.asked;
    unsigned missing = effect->revoked.missing;

    switch (effect->revoked.reason) {
    case SP_REASON_RECALL_MISSED:
        snprintf(text, size, "%s: %u of %u frames were not returned", reason, missing, asked);
        break;
    case SP_REASON_OVERDRAFT:
        snprintf(text, size,
                 "%s: %u pages in an extent that may have %u (mlockall after sp_attach does that: "
                 "call it before)",
                 reason, asked + missing, asked);
        break;
    case SP_REASON_UNMAP_MISSED:
        snprintf(text, size, "%s: %u pages", reason, asked);
        break;
    default:
        snprintf(text, size, "%s: %u frames were recalled", reason, missing);
        break;
    }
}

static void send_revoked(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    struct wire_message *message = send_begin(service, WIRE_REVOKED, 0);
    char text[WIRE_TEXT];

    breach_text(effect, text, sizeof(text));
    log_line(&service->server.log, "breach", "task %s (process %u) revoked: %s; it held %u frames",
             identity->name, identity->pid, text, effect->revoked.lost);
    message->revoked.reason = effect->revoked.reason;
    text_set(message->revoked.text, text);
    send_to(service, seat_of(effect)->control, -1);
}

static void close_control(const struct physmem_effect *effect)
{
    struct connection *control = seat_of(effect)->control;

    if (control != NULL)
        connection_close(control, CONNECTION_LOCAL, "revoked");
}

/* Kill the process that has opened the request connection, and no other: process numbers are used
 * again. Returns 0 or a negative errno. */
static int peer_kill(const struct connection *connection)
{
    int code = 0, pidfd;

    if (connection == NULL)
        return -ESRCH;
    if (connection->peer.pid == 1 || connection->peer.pid == getpid())
        return -EPERM;
    pidfd = sock_peer_pidfd(connection->fd);
    if (pidfd < 0)
        return pidfd;
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) != 0)
        code = -errno;
    close(pidfd);
    return code;
}

static void kill_task(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    int code = peer_kill(seat_of(effect)->request);

    if (code < 0)
        log_line(&service->server.log, "kill", "cannot kill task %s (process %u): %s",
                 identity->name, identity->pid, strerror(-code));
}

void effect_run(struct service *service, const struct physmem_effect *effect)
{
    switch (effect->kind) {
    case PHYSMEM_REPLY_DONE:
    case PHYSMEM_REPLY_ALLOCATED:
    case PHYSMEM_REPLY_MAPPED:
    case PHYSMEM_REPLY_CONTAINER:
    case PHYSMEM_REPLY_AVAILABILITY:
    case PHYSMEM_REPLY_PART:
    case PHYSMEM_REPLY_SHARED:
    case PHYSMEM_REPLY_ADOPTED:
    case PHYSMEM_REPLY_VERSION:
    case PHYSMEM_REPLY_SWAPPED:
    case PHYSMEM_REPLY_OFFER:
        reply(service, effect);
        break;
    case PHYSMEM_REPLY_STACK:
        stack_send(service, effect);
        break;
    case PHYSMEM_STACK_CREATE:
        stack_make(service, effect);
        break;
    case PHYSMEM_STACK_DESTROY:
        stack_unmap(effect);
        break;
    case PHYSMEM_SEND_RECALL:
        send_recall(service, effect);
        break;
    case PHYSMEM_SEND_UNMAP:
        send_unmap(service, effect);
        break;
    case PHYSMEM_SEND_NOTICE:
        send_notice(service, effect);
        break;
    case PHYSMEM_SEND_AVAILABILITY:
        send_availability(service, effect);
        break;
    case PHYSMEM_SEND_CHANGED:
        send_changed(service, effect);
        break;
    case PHYSMEM_SEND_WARNED:
        send_warned(service, effect);
        break;
    case PHYSMEM_SEND_REPOSSESSED:
        send_repossessed(service, effect);
        break;
    case PHYSMEM_SEND_REVOKED:
        send_revoked(service, effect);
        break;
    case PHYSMEM_CLOSE_CONTROL:
        close_control(effect);
        break;
    case PHYSMEM_KILL:
        kill_task(service, effect);
        break;
    case PHYSMEM_EXTENT_CREATE:
        backing_make(service, effect);
        break;
    case PHYSMEM_EXTENT_SEND:
        giving_send(service, effect);
        break;
    case PHYSMEM_EXTENT_PUNCH:
        clear_punch(service, effect);
        break;
    case PHYSMEM_EXTENT_KEEP:
        clear_keep(service, effect);
        break;
    case PHYSMEM_EXTENT_COPY:
        moving_copy(service, effect);
        break;
    case PHYSMEM_EXTENT_AUDIT:
        reading_audit(service, effect);
        break;
    case PHYSMEM_EXTENT_CUT:
        clear_cut(service, effect);
        break;
    case PHYSMEM_EXTENT_DESTROY:
        clear_destroy(service, effect);
        break;
    case PHYSMEM_SWAP_STORE:
        swapper_store(service, effect);
        break;
    case PHYSMEM_SWAP_LOAD:
        swapper_load(service, effect);
        break;
    case PHYSMEM_SWAP_RETURN:
        swapper_return(service, effect);
        break;
    case PHYSMEM_SWAP_END:
        swapper_end(service, effect);
        break;
    case PHYSMEM_UPSTREAM_ASK:
        lease_ask(&service->relet->leases, effect->upstream.frames, effect->upstream.extra);
        break;
    case PHYSMEM_UPSTREAM_RETURN:
        lease_return(&service->relet->leases, effect->upstream.frames);
        break;
    case PHYSMEM_UPSTREAM_UNMAPPED:
        passed_answered(service, effect->unmapped.token, effect->unmapped.referenced,
                        effect->unmapped.dirty);
        break;
    case PHYSMEM_POLICYSERVER_RING:
        policyserver_ring(service, effect->ring);
        break;
    case PHYSMEM_POLICYSERVER_GROW:
        policyserver_grow(service);
        break;
    }
}
