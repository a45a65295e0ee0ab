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

static struct seat *seat_of(const struct physmem_effect *effect)
{
    return physmem_task_identity(effect->task)->peer;
}

/* Send service->message. Failures end the connection, which comes back as an input. */
static void transmit(struct service *service, struct connection *connection, int borrowed_fd)
{
    if (connection == NULL)
        return;
    session_trace(service, ">", connection, &service->message);
    connection_send(connection, &service->message, borrowed_fd);
}

static struct wire_message *message_new(struct service *service, enum wire_type type)
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
    const struct seat *seat = seat_of(effect);
    struct wire_message *message = &service->message;
    const struct physmem_map_item *items;

    if (effect->seq == 0)
        return;
    switch (effect->kind) {
    case PHYSMEM_REPLY_ALLOCATED:
        message_new(service, WIRE_ALLOCATED);
        message->allocated.count = effect->allocated.count;
        message->allocated.zeroed = effect->allocated.zeroed;
        break;
    case PHYSMEM_REPLY_MAPPED:
        message_new(service, WIRE_MAPPED);
        items = physmem_map_items(service->physmem, effect->mapped.first);
        message->mapped.items_count = (uint16_t)effect->mapped.count;
        for (uint32_t i = 0; i < effect->mapped.count; i++)
            message->mapped.items[i] =
                (struct wire_map){items[i].slot, items[i].count, items[i].extent, items[i].offset,
                                  effect->mapped.rights};
        break;
    case PHYSMEM_REPLY_CONTAINER:
        message_new(service, WIRE_CONTAINER);
        message->container.container = effect->container.container;
        message->container.extent_pages = EXTENT_PAGES;
        break;
    case PHYSMEM_REPLY_AVAILABILITY:
        message_new(service, WIRE_AVAILABILITY);
        fill_availability(message, effect);
        break;
    case PHYSMEM_REPLY_PART:
        message_new(service, WIRE_PART);
        message->part.token = effect->part.part.token;
        message->part.part = effect->part.part.part;
        message->part.contract = effect->part.part.contract;
        message->part.frames = effect->part.part.frames;
        message->part.left = effect->part.part.left;
        message->part.change = effect->part.change;
        break;
    case PHYSMEM_REPLY_OFFER:
        message_new(service, WIRE_OFFER);
        message->offer.change = effect->offer.change;
        message->offer.answer = effect->offer.offer.answer;
        message->offer.reason = effect->offer.offer.reason;
        message->offer.state = effect->offer.state;
        message->offer.contract = effect->offer.offer.contract;
        message->offer.retry_ns = effect->offer.offer.retry_ns;
        WIRE_COPY_TERMS(&message->offer, &effect->offer.offer.terms);
        break;
    default:
        message_new(service, WIRE_DONE);
        message->done.count = effect->count;
        text_set(message->done.text, effect->text);
        break;
    }
    message->seq = effect->seq;
    message->error = effect->error;
    transmit(service, effect->control ? seat->control : seat->request, -1);
}

static void send_recall(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_RECALL);
    uint64_t pass = service->server.counters.passes + 1;

    if (service->recall_pass != pass)
        service->recall_passes++;
    service->recall_pass = pass;
    message->recall.id = effect->recall.id;
    message->recall.frames = effect->recall.frames;
    message->recall.may_clean = effect->recall.may_clean;
    message->recall.grace_unit = effect->recall.unit;
    message->recall.grace = effect->recall.grace;
    transmit(service, seat_of(effect)->control, -1);
}

static void send_unmap(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_UNMAP);

    message->unmap.id = effect->unmap.id;
    message->unmap.container = effect->unmap.container;
    message->unmap.rights = effect->unmap.rights;
    message->unmap.ranges_count = 1;
    message->unmap.ranges[0] =
        (struct wire_range){effect->unmap.range.start, effect->unmap.range.count};
    transmit(service, seat_of(effect)->control, -1);
}

static void send_notice(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_NOTICE);

    message->notice.what = effect->notice.what;
    message->notice.contract = effect->notice.contract;
    message->notice.guaranteed = effect->notice.guaranteed;
    message->notice.extra = effect->notice.extra;
    transmit(service, seat_of(effect)->control, -1);
}

static void send_availability(struct service *service, const struct physmem_effect *effect)
{
    fill_availability(message_new(service, WIRE_AVAILABILITY), effect);
    transmit(service, seat_of(effect)->control, -1);
}

static void send_changed(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_CHANGED);

    message->changed.contract = effect->changed.contract;
    message->changed.part = effect->changed.part;
    message->changed.frames = effect->changed.frames;
    message->changed.change = effect->changed.change;
    message->changed.state = effect->changed.state;
    message->changed.why = effect->changed.why;
    transmit(service, seat_of(effect)->control, -1);
}

static void send_warned(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    struct wire_message *message = message_new(service, WIRE_WARNED);

    log_line(&service->server.log, "warning",
             "task %s (process %u) was warned: %u frames are overdue, %u more misses are forborne",
             identity->name, identity->pid, effect->warned.missing, effect->warned.left);
    message->warned.id = effect->warned.id;
    message->warned.missing = effect->warned.missing;
    message->warned.left = effect->warned.left;
    message->warned.charged = effect->warned.charged;
    message->warned.grace_unit = effect->warned.unit;
    message->warned.grace = effect->warned.grace;
    transmit(service, seat_of(effect)->control, -1);
}

static void send_repossessed(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    const struct physmem_map_item *items =
        physmem_map_items(service->physmem, effect->repossessed.first);
    struct wire_message *message = message_new(service, WIRE_REPOSSESSED);

    log_line(&service->server.log, "repossess",
             "%u frames of task %s (process %u) were repossessed: a recall was missed",
             effect->repossessed.frames, identity->name, identity->pid);
    message->repossessed.id = effect->repossessed.id;
    message->repossessed.container = effect->repossessed.container;
    message->repossessed.frames = effect->repossessed.frames;
    message->repossessed.ranges_count = (uint16_t)effect->repossessed.count;
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        message->repossessed.ranges[i] = (struct wire_range){items[i].slot, items[i].count};
    transmit(service, seat_of(effect)->control, -1);
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
    struct wire_message *message = message_new(service, WIRE_REVOKED);
    char text[WIRE_TEXT];

    breach_text(effect, text, sizeof(text));
    log_line(&service->server.log, "breach", "task %s (process %u) revoked: %s; it held %u frames",
             identity->name, identity->pid, text, effect->revoked.lost);
    message->revoked.reason = effect->revoked.reason;
    text_set(message->revoked.text, text);
    transmit(service, seat_of(effect)->control, -1);
}

static void close_control(const struct physmem_effect *effect)
{
    struct connection *control = seat_of(effect)->control;

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

static void extent_make(struct service *service, const struct physmem_effect *effect)
{
    int fd = -EMFILE;

    if (service->extents < service->extents_max)
        fd = extent_create("selfpage", effect->extent.count, NULL);
    if (fd < 0) {
        log_line(&service->server.log, "extent", "cannot make an extent for task %s: %s",
                 physmem_task_identity(effect->task)->name, strerror(-fd));
        physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, 0,
                             (uint32_t)-fd);
        return;
    }
    service->extents++;
    physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, (uint32_t)fd, 0);
}

static void extent_send(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_EXTENT);

    message->extent.extent = effect->extent.extent;
    message->extent.pages = effect->extent.count;
    transmit(service, seat_of(effect)->request, (int)effect->extent.descriptor);
}

static void extent_fail(struct service *service, const char *what, int64_t code)
{
    log_line(&service->server.log, "extent", "cannot %s an extent: %s", what, strerror((int)-code));
}

static void extent_change(struct service *service, const struct physmem_effect *effect)
{
    int fd = (int)effect->extent.descriptor;
    int64_t code = 0;

    switch (effect->kind) {
    case PHYSMEM_EXTENT_PUNCH:
        code = extent_punch(fd, effect->extent.offset, effect->extent.count);
        if (code < 0)
            extent_fail(service, "clear pages of", code);
        break;
    case PHYSMEM_EXTENT_AUDIT:
        code = extent_blocks(fd);
        if (code < 0)
            extent_fail(service, "audit", code);
        else
            physmem_audited(service->physmem, clock_now_ns(), effect->extent.extent,
                            effect->extent.count, (uint64_t)code);
        break;
    default:
        code = extent_truncate(fd);
        if (code < 0)
            extent_fail(service, "revoke", code);
        close(fd);
        service->extents--;
        break;
    }
}

/* ---- Frame stacks ---- */

static void stack_make(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_request request = {effect->task, effect->seq, effect->control};
    size_t size = frame_stack_size(effect->stack.places);
    struct shared shared;
    struct sp_error error;
    int code;

    /* Whole pages: what would be left over is used, too. */
    size = (size + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE * SP_PAGE_SIZE;
    code = shared_create(&shared, "selfpage-stack", size, &error);
    if (code != 0) {
        log_line(&service->server.log, "stack", "no frame stack for task %s: %s",
                 physmem_task_identity(effect->task)->name, error.text);
        physmem_stack_ready(service->physmem, clock_now_ns(), &request, NULL, 0, 0,
                            (uint32_t)-code);
        return;
    }
    physmem_stack_ready(service->physmem, clock_now_ns(), &request, shared.memory,
                        frame_stack_places(size), (uint32_t)shared.fd, 0);
}

static void stack_send(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = message_new(service, WIRE_STACK);
    const struct seat *seat = seat_of(effect);
    struct connection *connection = effect->control ? seat->control : seat->request;

    message->stack.places = effect->stack.places;
    transmit(service, connection, (int)effect->stack.descriptor);
    /* The mapping is enough from now on. */
    close((int)effect->stack.descriptor);
    message_new(service, WIRE_DONE);
    message->seq = effect->seq;
    message->done.count = effect->stack.places;
    text_set(message->done.text, NULL);
    if (effect->seq != 0)
        transmit(service, connection, -1);
}

static void stack_unmap(const struct physmem_effect *effect)
{
    struct shared shared = {
        .memory = effect->stack.stack, .size = frame_stack_size(effect->stack.places), .fd = -1};

    shared_close(&shared);
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
        extent_make(service, effect);
        break;
    case PHYSMEM_EXTENT_SEND:
        extent_send(service, effect);
        break;
    case PHYSMEM_EXTENT_PUNCH:
    case PHYSMEM_EXTENT_AUDIT:
    case PHYSMEM_EXTENT_DESTROY:
        extent_change(service, effect);
        break;
    case PHYSMEM_CONTROL_RING:
        policyserver_ring(service, effect->ring);
        break;
    case PHYSMEM_CONTROL_GROW:
        policyserver_grow(service);
        break;
    }
}
