/* Connections to physmem: which peer calls, in which role, and what its messages ask the core. */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "observer.h"
#include "os/clock.h"
#include "policyserver.h"
#include "run.h"
#include "seat.h"
#include "send.h"
#include "trace.h"
#include "weak.h"

/* connection->user of observers and policy servers, which have no seat. */
static struct seat observer_seat;
static struct seat policy_seat;

static struct service *service_of(const struct connection *connection)
{
    return connection->server->user;
}

/* ---- HELLO ---- */

/* Refuse a HELLO: say why, log it, end the connection. */
static void hello_refuse(struct connection *connection, const struct wire_message *message,
                         int error, const char *text)
{
    connection_send_done(connection, message, error, 0, text);
    connection_close(connection, CONNECTION_VIOLATION, "HELLO refused: %s", text);
}

static void welcome(struct service *service, struct connection *connection, uint32_t seq,
                    const struct physmem_task *task)
{
    struct wire_message *message = send_begin(service, WIRE_WELCOME, seq);
    struct physmem_status status;

    physmem_get_status(service->physmem, &status);
    message->welcome.version = WIRE_VERSION;
    message->welcome.id = task != NULL ? physmem_task_id(task) : 0;
    message->welcome.key = task != NULL ? physmem_task_identity(task)->key : 0;
    message->welcome.page_size = service->page_size;
    message->welcome.total = status.frames;
    message->welcome.available =
        status.frames - service->options->reserve - status.guaranteed - status.leased;
    connection_greet(connection, false);
    send_to(service, connection, -1);
}

static void hello_task(struct service *service, struct connection *connection,
                       const struct wire_message *message)
{
    struct physmem_identity identity = {
        .pid = (uint32_t)connection->peer.pid,
        .uid = (uint32_t)connection->peer.uid,
        .can_be_killed = connection->peer.pid > 1,
    };
    struct seat *seat = seat_new(connection);

    if (seat == NULL) {
        hello_refuse(connection, message, -ENOMEM, "physmem has no memory for a task");
        return;
    }
    identity.peer = seat;
    snprintf(identity.name, sizeof(identity.name), "%s",
             message->hello.name[0] != '\0' ? message->hello.name : "task");
    if (getrandom(&identity.key, sizeof(identity.key), 0) != sizeof(identity.key) ||
        physmem_task_add(service->physmem, service_received_ns(service), &identity, &seat->task) !=
            0) {
        seat_release(seat);
        hello_refuse(connection, message, -ENOMEM, "physmem has no memory for a task");
        return;
    }
    connection->user = seat;
    welcome(service, connection, message->seq, seat->task);
}

static void hello_control(struct service *service, struct connection *connection,
                          const struct wire_message *message)
{
    struct physmem_task *task = physmem_task_find(service->physmem, message->hello.id);
    const struct physmem_identity *identity;
    struct seat *seat;

    if (task == NULL) {
        hello_refuse(connection, message, -ENOENT, "there is no task of this number");
        return;
    }
    identity = physmem_task_identity(task);
    seat = identity->peer;
    if (identity->key != message->hello.key || identity->uid != (uint32_t)connection->peer.uid ||
        identity->pid != (uint32_t)connection->peer.pid) {
        hello_refuse(connection, message, -EPERM,
                     "the task belongs to another process, or the "
                     "key is wrong");
        return;
    }
    if (seat->control != NULL) {
        hello_refuse(connection, message, -EBUSY, "the task has a control connection");
        return;
    }
    seat->control = connection;
    seat->references++;
    connection->user = seat;
    physmem_task_connected(service->physmem, task);
    welcome(service, connection, message->seq, task);
}

static void on_hello(struct service *service, struct connection *connection,
                     const struct wire_message *message)
{
    if (message->type != WIRE_HELLO) {
        connection_close(connection, CONNECTION_VIOLATION, "the first message was %s, not HELLO",
                         message_type_name(message->type));
    } else if (message->hello.version != WIRE_VERSION) {
        hello_refuse(connection, message, -EPROTO, "this physmem speaks another version");
    } else if (message->hello.role == WIRE_ROLE_TASK) {
        hello_task(service, connection, message);
    } else if (message->hello.role == WIRE_ROLE_CONTROL) {
        hello_control(service, connection, message);
    } else if (message->hello.role == WIRE_ROLE_POLICY && !service_is_administrator(connection)) {
        hello_refuse(connection, message, -EPERM, "only physmem's own user may control it");
    } else {
        connection->user = message->hello.role == WIRE_ROLE_POLICY ? &policy_seat : &observer_seat;
        welcome(service, connection, message->seq, NULL);
    }
}

/* ---- Requests of tasks ---- */

typedef void ranges_function(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t container,
                             const struct physmem_range *ranges, uint32_t count);

/* The requests about ranges all have a body of this shape. */
static void on_ranges(struct service *service, const struct physmem_request *request,
                      ranges_function *function, uint32_t container, const struct wire_range *wire,
                      uint32_t count)
{
    struct physmem_range ranges[WIRE_RANGES];

    for (uint32_t i = 0; i < count; i++)
        ranges[i] = (struct physmem_range){wire[i].start, wire[i].count};
    function(service->physmem, service_received_ns(service), request, container, ranges, count);
}

static const char *why_not_killed(int code)
{
    switch (code) {
    case -ENOPROTOOPT:
        return "breach=kill needs Linux 6.5 or later: this kernel cannot signal a process without "
               "the danger that its number is another one's by then";
    case -EPERM:
        return "breach=kill: physmem may not end the process that has connected";
    default:
        return "breach=kill: the process that has connected cannot be found";
    }
}

/* Whether physmem can kill this task's process without any danger that it is another one: process
 * numbers are used again. Refuses the request if not. */
static bool may_be_killed(struct connection *connection, const struct wire_message *message)
{
    int pidfd = sock_peer_pidfd(connection->fd);

    if (pidfd >= 0) {
        close(pidfd);
        return true;
    }
    connection_send_done(connection, message, pidfd == -ENOPROTOOPT ? -EOPNOTSUPP : pidfd, 0,
                         why_not_killed(pidfd));
    return false;
}

/* Say once, of the first contract that has it, what is without effect under the arbiter. */
static void tell_no_effect(struct service *service, const struct physmem_request *request,
                           const struct sp_terms *terms)
{
    const struct sp_arbiter *arbiter = service->arbiter.choice.arbiter;
    const char *name = physmem_task_identity(request->task)->name;

    if (terms->weight > 1 && (arbiter->flags & SP_ARBITER_NO_WEIGHTS) != 0 &&
        !service->told_no_weights) {
        service->told_no_weights = true;
        log_line(&service->server.log, "no-effect",
                 "task %s: weight=%u has no effect, since arbiter %s does not look at weights",
                 name, terms->weight, arbiter->name);
    }
    if (terms->bid > 0 && terms->on_breach != SP_BREACH_PENALTY &&
        (arbiter->flags & SP_ARBITER_NO_BIDS) != 0 && !service->told_no_bids) {
        service->told_no_bids = true;
        log_line(&service->server.log, "no-effect",
                 "task %s: bid=%llu has no effect, since arbiter %s does not look at bids", name,
                 (unsigned long long)terms->bid, arbiter->name);
    }
}

static void on_propose(struct service *service, struct connection *connection,
                       const struct physmem_request *request, const struct wire_message *message)
{
    struct sp_terms terms;

    WIRE_COPY_TERMS(&terms, &message->propose);
    if (terms.on_breach == SP_BREACH_KILL && !may_be_killed(connection, message))
        return;
    tell_no_effect(service, request, &terms);
    physmem_contract_propose(service->physmem, service_received_ns(service), request, &terms);
}

static void on_split(struct service *service, const struct physmem_request *request,
                     const struct wire_message *message)
{
    uint64_t token = 0; /* which the core refuses, in words */

    if (getrandom(&token, sizeof(token), 0) != sizeof(token))
        token = 0;
    physmem_part_split(service->physmem, clock_now_ns(), request, message->split.contract,
                       message->split.frames, token);
}

static void on_allocate(struct service *service, const struct physmem_request *request,
                        const struct wire_message *message)
{
    const struct physmem_allocation allocation = {
        .container = message->allocate.container,
        .start = message->allocate.start,
        .count = message->allocate.count,
        .flags = message->allocate.flags,
        .order = message->allocate.order,
        .ceiling = message->allocate.ceiling,
    };

    physmem_allocate(service->physmem, service_received_ns(service), request, &allocation);
}

static void on_exchange(struct service *service, const struct physmem_request *request,
                        const struct wire_message *message)
{
    const struct physmem_exchange exchange = {
        .from = message->exchange.from,
        .to = message->exchange.to,
        .from_start = message->exchange.from_start,
        .to_start = message->exchange.to_start,
        .count = message->exchange.count,
    };

    physmem_exchange(service->physmem, service_received_ns(service), request, &exchange);
}

static void on_copy(struct service *service, const struct physmem_request *request,
                    const struct wire_message *message)
{
    struct physmem_piece pieces[WIRE_PIECES];

    for (uint16_t i = 0; i < message->copy.pieces_count; i++)
        pieces[i] = (struct physmem_piece){message->copy.pieces[i].from, message->copy.pieces[i].to,
                                           message->copy.pieces[i].count};
    physmem_copy(service->physmem, service_received_ns(service), request, message->copy.from,
                 message->copy.to, pieces, message->copy.pieces_count);
}

/* The numbers of pages in swap that a message names. */
static void numbers_of(const struct wire_number *from, uint32_t count, uint32_t *numbers)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = from[i].value;
}

static void on_swap(struct service *service, const struct physmem_request *request,
                    const struct wire_message *message)
{
    struct physmem *physmem = service->physmem;
    uint64_t now = service_received_ns(service);
    uint32_t numbers[WIRE_BATCH];

    if (message->type == WIRE_SWAP_OUT) {
        physmem_swap_out(physmem, now, request, message->swap_out.container,
                         message->swap_out.start, message->swap_out.count);
    } else if (message->type == WIRE_SWAP_IN) {
        numbers_of(message->swap_in.pages, message->swap_in.pages_count, numbers);
        physmem_swap_in(physmem, now, request, message->swap_in.container, message->swap_in.start,
                        numbers, message->swap_in.pages_count);
    } else {
        numbers_of(message->swap_drop.pages, message->swap_drop.pages_count, numbers);
        physmem_swap_drop(physmem, now, request, numbers, message->swap_drop.pages_count);
    }
}

static void on_ask_availability(struct service *service, const struct physmem_request *request,
                                const struct wire_message *message)
{
    uint8_t watch = message->ask_availability.watch;

    if (watch == WIRE_WATCH_ASK)
        physmem_availability_ask(service->physmem, clock_now_ns(), request);
    else
        physmem_availability_watch(service->physmem, clock_now_ns(), request,
                                   watch == WIRE_WATCH_ON, message->ask_availability.hysteresis);
}

static void on_unmapped(struct service *service, struct connection *connection,
                        struct physmem_task *task, const struct wire_message *message)
{
    physmem_unmap_status(task, message->unmapped.id, message->unmapped.referenced,
                         message->unmapped.dirty);
    if (physmem_unmap_answered(service->physmem, service_received_ns(service), task,
                               message->unmapped.id) != 0)
        connection_close(connection, CONNECTION_VIOLATION,
                         "UNMAPPED answers number %llu, which was not asked",
                         (unsigned long long)message->unmapped.id);
}

#define ON_RANGES(function, body)                                                                  \
    on_ranges(service, &request, function, (body).container, (body).ranges, (body).ranges_count)

static void violation(struct connection *connection, const struct wire_message *message,
                      const char *role)
{
    connection_close(connection, CONNECTION_VIOLATION, "%s may not be sent by %s",
                     message_type_name(message->type), role);
}

/* A message over a task's request connection. */
static void on_request(struct service *service, struct connection *connection,
                       const struct wire_message *message)
{
    struct physmem *physmem = service->physmem;
    const struct seat *seat = connection->user;
    const struct physmem_request request = {seat->task, message->seq, false};
    uint64_t now = service_received_ns(service);

    switch (message->type) {
    case WIRE_PROPOSE:
        on_propose(service, connection, &request, message);
        break;
    case WIRE_ACCEPT:
        physmem_contract_accept(physmem, now, &request, message->accept.contract);
        break;
    case WIRE_RENEW:
        physmem_contract_renew(physmem, now, &request, message->renew.contract,
                               message->renew.term_ns);
        break;
    case WIRE_CLOSE:
        physmem_contract_close(physmem, now, &request, message->close.contract);
        break;
    case WIRE_RESIZE:
        physmem_contract_resize(physmem, now, &request, message->resize.contract,
                                message->resize.frames);
        break;
    case WIRE_SPLIT:
        on_split(service, &request, message);
        break;
    case WIRE_CLAIM:
        physmem_part_claim(physmem, now, &request, message->claim.token);
        break;
    case WIRE_REABSORB:
        physmem_part_reabsorb(physmem, now, &request, message->reabsorb.part);
        break;
    case WIRE_CONTAINER_CREATE:
        physmem_container_create(physmem, now, &request, message->container_create.slots);
        break;
    case WIRE_CONTAINER_DESTROY:
        physmem_container_destroy(physmem, now, &request, message->container_destroy.container);
        break;
    case WIRE_ALLOCATE:
        on_allocate(service, &request, message);
        break;
    case WIRE_DEALLOCATE:
        ON_RANGES(physmem_frames_deallocate, message->deallocate);
        break;
    case WIRE_RELEASE:
        ON_RANGES(physmem_frames_release, message->release);
        break;
    case WIRE_RECOVER:
        ON_RANGES(physmem_frames_recover, message->recover);
        break;
    case WIRE_ORPHAN:
        ON_RANGES(physmem_orphan, message->orphan);
        break;
    case WIRE_UNMAP_OWN:
        ON_RANGES(physmem_unmap_own, message->unmap_own);
        break;
    case WIRE_VITAL:
        ON_RANGES(physmem_vital, message->vital);
        break;
    case WIRE_MAP:
        physmem_map(physmem, now, &request, message->map.container, message->map.start,
                    message->map.count, message->map.rights);
        break;
    case WIRE_EXCHANGE:
        on_exchange(service, &request, message);
        break;
    case WIRE_COPY:
        on_copy(service, &request, message);
        break;
    case WIRE_SWAP_OUT:
    case WIRE_SWAP_IN:
    case WIRE_SWAP_DROP:
        on_swap(service, &request, message);
        break;
    case WIRE_ASK_AVAILABILITY:
        on_ask_availability(service, &request, message);
        break;
    case WIRE_STACK_OPEN:
        physmem_stack_open(physmem, now, &request, message->stack_open.container,
                           message->stack_open.places);
        break;
    case WIRE_STATUS:
        observer_status(service, connection, message);
        break;
    default:
        if (!weak_request(service, &request, message))
            violation(connection, message, "a task");
    }
}

static void on_control(struct service *service, struct connection *connection,
                       const struct wire_message *message)
{
    const struct seat *seat = connection->user;
    const struct physmem_request request = {seat->task, message->seq, true};

    if (message->type == WIRE_DEALLOCATE)
        ON_RANGES(physmem_frames_deallocate, message->deallocate);
    else if (message->type == WIRE_RELEASE)
        ON_RANGES(physmem_frames_release, message->release);
    else if (message->type == WIRE_VITAL)
        ON_RANGES(physmem_vital, message->vital);
    else if (message->type == WIRE_UNMAP_OWN)
        ON_RANGES(physmem_unmap_own, message->unmap_own);
    else if (message->type == WIRE_SWAP_OUT)
        on_swap(service, &request, message);
    else if (message->type == WIRE_UNMAPPED)
        on_unmapped(service, connection, seat->task, message);
    else if (message->type == WIRE_AVAILABILITY_HEARD)
        physmem_availability_heard(service->physmem, clock_now_ns(), seat->task);
    else
        violation(connection, message, "a control connection");
}

static void on_message(struct connection *connection, const struct wire_message *message,
                       int consume_fd)
{
    struct service *service = service_of(connection);
    const struct seat *seat = connection->user;

    if (consume_fd >= 0) /* no message to physmem carries one */
        connection_discard(connection, consume_fd);
    trace_message(service, "<", connection, message);
    if (seat == NULL)
        on_hello(service, connection, message);
    else if (seat == &observer_seat && message->type == WIRE_STATUS)
        observer_status(service, connection, message);
    else if (seat == &observer_seat && message->type == WIRE_ASK_TASK_DETAIL)
        observer_detail(service, connection, message);
    else if (seat == &observer_seat && message->type == WIRE_RECALL_TASK)
        observer_recall_from(service, connection, message);
    else if (seat == &observer_seat)
        violation(connection, message, "an observer");
    else if (seat == &policy_seat)
        policyserver_message(service, connection, message);
    else if (seat->control == connection)
        on_control(service, connection, message);
    else
        on_request(service, connection, message);
    run_effects(service);
}

/* ---- Ends ---- */

static void on_close(struct connection *connection, enum connection_end end, const char *reason)
{
    struct service *service = service_of(connection);
    struct seat *seat = connection->user;

    if (seat == NULL || seat == &observer_seat)
        return;
    if (seat == &policy_seat) {
        policyserver_closed(service, connection);
        run_effects(service);
        return;
    }
    if (service->options->verbose)
        log_trace(&service->server.log, "a connection of process %ld ended: %s",
                  (long)connection->peer.pid, reason);
    if (connection == seat->control) {
        seat->control = NULL;
        if (seat->task != NULL && end == CONNECTION_NOT_RECEIVING)
            physmem_task_stuck(service->physmem, clock_now_ns(), seat->task);
        else if (seat->task != NULL)
            physmem_task_disconnected(service->physmem, clock_now_ns(), seat->task);
    } else {
        seat->request = NULL;
        physmem_task_gone(service->physmem, clock_now_ns(), seat->task);
        if (service->server.stopping)
            physmem_bury(service->physmem);
        seat->task = NULL;
        if (seat->control != NULL)
            connection_close(seat->control, CONNECTION_LOCAL, "the task is gone");
    }
    run_effects(service);
    seat_release(seat);
}

const struct server_handlers session_handlers = {
    .on_message = on_message,
    .on_close = on_close,
};
