/* Effects of the core, as messages and system calls. */
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/extent.h"
#include "os/shared.h"

_Static_assert(WIRE_MAPS == PHYSMEM_MAPS_MAX, "one reply holds what the core maps at once");
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

struct seat *effect_seat(const struct physmem_effect *effect)
{
    return physmem_task_identity(effect->task)->peer;
}

/* Send service->message. Failures end the connection, which comes back as an input. */
void effect_send(struct service *service, struct connection *connection, int borrowed_fd)
{
    if (connection == NULL)
        return;
    session_trace(service, ">", connection, &service->message);
    connection_send(connection, &service->message, borrowed_fd);
}

struct wire_message *effect_message(struct service *service, enum wire_type type)
{
    service->message.type = (uint8_t)type;
    service->message.seq = 0;
    service->message.error = 0;
    return &service->message;
}

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
    const struct seat *seat = effect_seat(effect);
    struct wire_message *message = &service->message;
    const struct physmem_map_item *items;

    if (effect->seq == 0)
        return;
    switch (effect->kind) {
    case PHYSMEM_REPLY_ALLOCATED:
        effect_message(service, WIRE_ALLOCATED);
        message->allocated.count = effect->allocated.count;
        message->allocated.zeroed = effect->allocated.zeroed;
        break;
    case PHYSMEM_REPLY_MAPPED:
        effect_message(service, WIRE_MAPPED);
        items = physmem_map_items(service->physmem, effect->mapped.first);
        message->mapped.items_count = (uint16_t)effect->mapped.count;
        for (uint32_t i = 0; i < effect->mapped.count; i++)
            message->mapped.items[i] =
                (struct wire_map){items[i].slot, items[i].count, items[i].extent, items[i].offset,
                                  effect->mapped.rights};
        break;
    case PHYSMEM_REPLY_CONTAINER:
        effect_message(service, WIRE_CONTAINER);
        message->container.container = effect->container.container;
        message->container.extent_pages = EXTENT_PAGES;
        break;
    case PHYSMEM_REPLY_AVAILABILITY:
        effect_message(service, WIRE_AVAILABILITY);
        fill_availability(message, effect);
        break;
    case PHYSMEM_REPLY_PART:
        effect_message(service, WIRE_PART);
        message->part.token = effect->part.part.token;
        message->part.part = effect->part.part.part;
        message->part.contract = effect->part.part.contract;
        message->part.frames = effect->part.part.frames;
        message->part.left = effect->part.part.left;
        message->part.change = effect->part.change;
        break;
    case PHYSMEM_REPLY_OFFER:
        effect_message(service, WIRE_OFFER);
        message->offer.change = effect->offer.change;
        message->offer.answer = effect->offer.offer.answer;
        message->offer.reason = effect->offer.offer.reason;
        message->offer.state = effect->offer.state;
        message->offer.contract = effect->offer.offer.contract;
        message->offer.retry_ns = effect->offer.offer.retry_ns;
        WIRE_COPY_TERMS(&message->offer, &effect->offer.offer.terms);
        break;
    default:
        effect_message(service, WIRE_DONE);
        message->done.count = effect->count;
        text_set(message->done.text, effect->text);
        break;
    }
    message->seq = effect->seq;
    message->error = effect->error;
    effect_send(service, effect->control ? seat->control : seat->request, -1);
}

static void send_recall(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_RECALL);
    uint64_t pass = service->server.counters.passes + 1;

    if (service->recall_pass != pass)
        service->recall_passes++;
    service->recall_pass = pass;
    message->recall.id = effect->recall.id;
    message->recall.frames = effect->recall.frames;
    message->recall.may_clean = effect->recall.may_clean;
    message->recall.grace_unit = effect->recall.unit;
    message->recall.grace = effect->recall.grace;
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_unmap(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_UNMAP);

    message->unmap.id = effect->unmap.id;
    message->unmap.container = effect->unmap.container;
    message->unmap.rights = effect->unmap.rights;
    message->unmap.ranges_count = 1;
    message->unmap.ranges[0] =
        (struct wire_range){effect->unmap.range.start, effect->unmap.range.count};
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_notice(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_NOTICE);

    message->notice.what = effect->notice.what;
    message->notice.contract = effect->notice.contract;
    message->notice.guaranteed = effect->notice.guaranteed;
    message->notice.extra = effect->notice.extra;
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_availability(struct service *service, const struct physmem_effect *effect)
{
    fill_availability(effect_message(service, WIRE_AVAILABILITY), effect);
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_changed(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_CHANGED);

    message->changed.contract = effect->changed.contract;
    message->changed.part = effect->changed.part;
    message->changed.frames = effect->changed.frames;
    message->changed.change = effect->changed.change;
    message->changed.state = effect->changed.state;
    message->changed.why = effect->changed.why;
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_warned(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    struct wire_message *message = effect_message(service, WIRE_WARNED);

    log_line(&service->server.log, "warning",
             "task %s (process %u) was warned: %u frames are overdue, %u more misses are forborne",
             identity->name, identity->pid, effect->warned.missing, effect->warned.left);
    message->warned.id = effect->warned.id;
    message->warned.missing = effect->warned.missing;
    message->warned.left = effect->warned.left;
    message->warned.charged = effect->warned.charged;
    message->warned.grace_unit = effect->warned.unit;
    message->warned.grace = effect->warned.grace;
    effect_send(service, effect_seat(effect)->control, -1);
}

static void send_repossessed(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    const struct physmem_map_item *items =
        physmem_map_items(service->physmem, effect->repossessed.first);
    struct wire_message *message = effect_message(service, WIRE_REPOSSESSED);

    log_line(&service->server.log, "repossess",
             "%u frames of task %s (process %u) were repossessed: a recall was missed",
             effect->repossessed.frames, identity->name, identity->pid);
    message->repossessed.id = effect->repossessed.id;
    message->repossessed.container = effect->repossessed.container;
    message->repossessed.frames = effect->repossessed.frames;
    message->repossessed.ranges_count = (uint16_t)effect->repossessed.count;
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        message->repossessed.ranges[i] = (struct wire_range){items[i].slot, items[i].count};
    effect_send(service, effect_seat(effect)->control, -1);
}

/* The numbers of a breach, in words. */
static void breach_text(const struct physmem_effect *effect, char *text, size_t size)
{
    const char *reason = wire_reason_text(effect->revoked.reason);
    unsigned asked = effect->revoked.asked;
    unsigned missing = effect->revoked.missing;

    switch (effect->revoked.reason) {
    case SP_REASON_RECALL_MISSED:
        snprintf(text, size, "%s: %u of %u frames were not returned", reason, missing, asked);
        break;
    case SP_REASON_OVERDRAFT:
        snprintf(text, size, "%s: %u pages in an extent that may have %u", reason, asked + missing,
                 asked);
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
    struct wire_message *message = effect_message(service, WIRE_REVOKED);
    char text[WIRE_TEXT];

    breach_text(effect, text, sizeof(text));
    log_line(&service->server.log, "breach", "task %s (process %u) revoked: %s; it held %u frames",
             identity->name, identity->pid, text, effect->revoked.lost);
    message->revoked.reason = effect->revoked.reason;
    text_set(message->revoked.text, text);
    effect_send(service, effect_seat(effect)->control, -1);
}

static void close_control(const struct physmem_effect *effect)
{
    struct connection *control = effect_seat(effect)->control;

    if (control != NULL)
        connection_close(control, CONNECTION_LOCAL, "revoked");
}

static void kill_task(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    pid_t pid = (pid_t)identity->pid;

    /* A process in a namespace that is not seen from here has number 0. */
    if (pid <= 1 || pid == getpid() || kill(pid, SIGKILL) != 0)
        log_line(&service->server.log, "kill", "cannot kill task %s (process %u)", identity->name,
                 identity->pid);
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
    case PHYSMEM_REPLY_OFFER:
        reply(service, effect);
        break;
    case PHYSMEM_REPLY_STACK:
        memory_stack_send(service, effect);
        break;
    case PHYSMEM_STACK_CREATE:
        memory_stack_make(service, effect);
        break;
    case PHYSMEM_STACK_DESTROY:
        memory_stack_unmap(effect);
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
        memory_extent_make(service, effect);
        break;
    case PHYSMEM_EXTENT_SEND:
        memory_extent_send(service, effect);
        break;
    case PHYSMEM_EXTENT_PUNCH:
    case PHYSMEM_EXTENT_AUDIT:
    case PHYSMEM_EXTENT_DESTROY:
        memory_extent_change(service, effect);
        break;
    case PHYSMEM_POLICYSERVER_RING:
        policyserver_ring(service, effect->ring);
        break;
    case PHYSMEM_POLICYSERVER_GROW:
        policyserver_grow(service);
        break;
    }
}
