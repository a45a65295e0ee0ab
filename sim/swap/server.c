/* The swap server's side of the protocol: which message may come when, and its answer. */
#include "base/allotment.h"
#include "base/assert.h"
#include "making.h"
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/extent.h"
#include "os/limits.h"

/* Descriptors kept for the device, the loop and the libraries. */
#define FDS_OWN (64 + SOCK_FDS_MAX)

/* See base/allotment.h. */
#define SHARE_EXTENTS 8u

/* A connection on which HELLO has not come for so long is closed. */
#define HELLO_MS 10000

static struct swap_service *service_of(const struct connection *connection)
{
    check(connection->server->user != NULL);
    return connection->server->user;
}

static int on_accept(struct connection *connection, const struct sock_peer *peer)
{
    struct swap_session *session = calloc(1, sizeof(*session));

    (void)peer;
    if (session == NULL)
        return -ENOMEM;
    session->service = service_of(connection);
    session->connection = connection;
    session->references = 1;
    check(connection->user == NULL);
    connection->user = session;
    return 0;
}

static void on_close(struct connection *connection, enum connection_end end, const char *reason)
{
    struct swap_session *session = connection->user;
    struct swap_service *service = session->service;

    (void)end;
    check(session->connection == connection && session->references > 0);
    session->connection = NULL;
    if (session->controls)
        control_closed(service, connection);
    if (session->client != NULL) {
        if (service->options->verbose)
            log_line(&service->server.log, "leave", "client %u (%s) leaves: %s",
                     session->client->id, session->client->name, reason);
        client_leave(&service->clients, session->client);
    }
    making_session_unref(session);
}

/* Refuse a HELLO: say why, log it, end the connection. */
static void hello_refuse(struct connection *connection, const struct wire_message *message,
                         int error, const char *text)
{
    check(error < 0);
    connection_send_done(connection, message, error, 0, text);
    connection_close(connection, CONNECTION_VIOLATION, "HELLO refused: %s", text);
}

static void welcome_send(struct swap_session *session, uint32_t seq)
{
    const struct swap_service *service = session->service;
    struct wire_message reply = {.type = WIRE_WELCOME, .seq = seq};

    check(service->map.reserved <= service->map.slots);
    reply.welcome.version = WIRE_VERSION;
    reply.welcome.id = session->client != NULL ? session->client->id : 0;
    reply.welcome.key = session->client != NULL ? session->client->key : 0;
    reply.welcome.page_size = SWAP_PAGE;
    reply.welcome.total = service->map.slots;
    reply.welcome.available = service->map.slots - service->map.reserved;
    connection_send(session->connection, &reply, -1);
}

/* Find or make the client that a HELLO is about. Returns NULL if it was refused. */
static struct client *hello_client(struct connection *connection,
                                   const struct wire_message *message)
{
    struct swap_service *service = service_of(connection);
    struct client *client = NULL;
    int error;

    if (message->hello.key != 0) {
        client = client_find(&service->clients, message->hello.key, message->hello.id);
        if (client == NULL) {
            hello_refuse(connection, message, -ENOENT, "no client has this id and key");
        } else if (client->uid != connection->peer.uid) {
            hello_refuse(connection, message, -EACCES, "this client is another user's");
            client = NULL;
        }
        check(client == NULL || client->uid == connection->peer.uid);
        return client;
    }
    error = client_new(&service->clients, connection->peer.uid, message->hello.name, &client);
    if (error < 0)
        hello_refuse(connection, message, error,
                     error == -EMFILE ? "too many clients, of this user or in all; those of a kept "
                                        "device: see selfpage-swap --list-clients"
                                      : strerror(-error));
    return client;
}

static void on_hello(struct connection *connection, const struct wire_message *message)
{
    struct swap_session *session = connection->user;
    struct swap_service *service = session->service;

    check(!session->greeted && session->client == NULL);
    if (message->hello.version != WIRE_VERSION) {
        hello_refuse(connection, message, -EPROTO, "this server speaks another protocol version");
        return;
    }
    if (message->hello.role == WIRE_ROLE_CONTROL) {
        hello_refuse(connection, message, -EINVAL, "tasks have no control connections to swap");
        return;
    }
    if (message->hello.role == WIRE_ROLE_POLICY && !control_may(connection)) {
        hello_refuse(connection, message, -EPERM, "only swap's own user may control it");
        return;
    }
    session->controls = message->hello.role == WIRE_ROLE_POLICY;
    if (message->hello.role == WIRE_ROLE_TASK) {
        session->client = hello_client(connection, message);
        if (session->client == NULL)
            return;
        client_join(&service->clients, session->client);
        if (service->options->verbose)
            log_line(&service->server.log, "join", "client %u (%s) joins: pid %d, uid %u",
                     session->client->id, session->client->name, (int)connection->peer.pid,
                     (unsigned)connection->peer.uid);
    }
    check(session->client == NULL || session->client->connections > 0);
    session->greeted = true;
    connection_greet(connection, session->client != NULL);
    welcome_send(session, message->seq);
}

static void on_give_extent(struct connection *connection, const struct wire_message *message,
                           int consume_fd)
{
    struct swap_session *session = connection->user;
    struct swap_service *service = session->service;
    const char *text = NULL;
    int error = extent_check(consume_fd, message->give_extent.pages);

    check(session->client != NULL);
    if (error < 0)
        text =
            "not an extent of that many pages or fewer, sealed against growing, not against shrinking";
    else if (!allotment_may(connection->owner->extents, 1, service->extents.extents,
                            service->extents_max, SHARE_EXTENTS))
        error = -EMFILE;
    else
        error = extent_table_add(&session->client->extents, message->give_extent.extent, consume_fd,
                                 message->give_extent.pages, &service->server, connection->owner,
                                 &service->extents);
    if (error == -EEXIST)
        text = "an extent of this number is here already: FORGET_EXTENT it first";
    else if (error == -E2BIG)
        text = "an extent has at most 65536 pages here";
    else if (error == -EMFILE)
        text = "too many extents";
    if (error < 0)
        connection_discard(connection, consume_fd);
    connection_send_done(connection, message, error, error == 0 ? 1 : 0, text);
}

/* Whether clients read by themselves here. Not where reads are to fail on purpose: the server does that. */
static int own_judge(const struct swap_service *service, const struct client *client,
                     const struct wire_message *message, const char **text)
{
    const struct swap_client *books = swap_map_client(&service->map, client->number);

    check(books != NULL);
    *text = "this device has no files of clients' own";
    if (service->options->fail_reads > 0 || service->device.index != NULL)
        return -EOPNOTSUPP;
    /* A client without a contract, too, would take the device from those that have one. */
    *text = "this server has bandwidth under contract: it loads pages itself";
    if (service->clients.capacity > 0)
        return -EOPNOTSUPP;
    *text = "pages have another size here";
    if (message->own_file_open.page_size != SWAP_PAGE)
        return -EINVAL;
    *text = "the client has a file of its own, or has reserved slots";
    return client->own != NULL || books->reserved > 0 ? -EBUSY : 0;
}

static void on_own_file_open(struct connection *connection, const struct wire_message *message)
{
    struct swap_session *session = connection->user;
    struct swap_service *service = session->service;
    struct client *client = session->client;
    struct wire_message reply = {.type = WIRE_OWN_FILE};
    const char *text;
    int reader = -1, error = own_judge(service, client, message, &text);

    check(client != NULL);
    if (error == 0 && session->jobs > 0)
        error = -EBUSY;
    if (error == 0) {
        error = own_open(&service->own, connection->owner, &client->own, &reader);
        text = error < 0 ? strerror(-error) : NULL;
    }
    if (error == 0) {
        reply.own_file.direct = service->device.facts.waits;
        connection_send(connection, &reply, reader);
        close(reader);
    }
    connection_send_done(connection, message, error, error == 0 ? 1 : 0, text);
}

static void on_account(struct connection *connection, const struct wire_message *message)
{
    struct swap_session *session = connection->user;
    uid_t uid = connection->peer.uid;
    bool trusted = uid == geteuid() || uid == 0 || uid == message->account.uid;
    int error =
        trusted ? client_account(&session->service->clients, session->client, message->account.uid)
                : -EPERM;

    check(session->client != NULL);
    connection_send_done(connection, message, error, error == 0 ? 1 : 0,
                         error == -EPERM   ? "only root and the server's own user act for others"
                         : error == -EBUSY ? "the client has reserved slots already"
                         : error < 0       ? strerror(-error)
                                           : NULL);
}

static void on_bandwidth(struct connection *connection, const struct wire_message *message)
{
    struct swap_session *session = connection->user;
    const struct bandwidth_terms terms = {.shares = message->bandwidth.shares,
                                          .rate = message->bandwidth.rate,
                                          .extra = message->bandwidth.extra != 0};
    int error = client_contract(&session->service->clients, session->client, &terms);
    const char *text = NULL;

    check(session->client != NULL);
    if (error == -EOPNOTSUPP)
        text = "this server makes no contracts for bandwidth (start it with --bandwidth)";
    else if (error == -EDQUOT)
        text = "less bandwidth is left than this rate";
    else if (error == -EPERM)
        text = "the policy server allows this client less bandwidth";
    else if (error != 0)
        text = "a contract for bandwidth has 1 to 64 shares, or a rate; extra only with a rate";
    connection_send_done(connection, message, error, error == 0 ? 1 : 0, text);
}

/* What a client says that it has loaded by itself. */
static void on_own_loads(struct connection *connection, const struct wire_message *message)
{
    const struct swap_session *session = connection->user;
    struct swap_counters *counters = &service_of(connection)->counters;

    check(session->client != NULL);
    if (session->client->own == NULL)
        return;
    counters->loads += message->own_loads.pages;
    counters->reads += message->own_loads.reads;
    counters->own_loads += message->own_loads.pages;
}

static void on_forget_extent(struct connection *connection, const struct wire_message *message)
{
    struct swap_session *session = connection->user;
    int error = extent_table_remove(&session->client->extents, message->forget_extent.extent);

    check(session->client != NULL);
    connection_send_done(connection, message, error, error == 0 ? 1 : 0,
                         error == 0 ? NULL : "no extent has this number");
}

static void on_status(struct connection *connection, const struct wire_message *message)
{
    const struct swap_service *service = service_of(connection);
    struct wire_message reply = {.type = WIRE_SWAP_STATUS, .seq = message->seq};
    struct swap_counters counters = service->counters;
    const struct swap_backend_counts device = swap_device_counts(&service->device);

    check(service->map.used <= service->map.reserved);
    counters.slots = service->map.slots;
    counters.used = client_table_used(&service->clients);
    counters.own_files = service->own.files;
    counters.queued = service->turns.jobs;
    counters.reserved = service->map.reserved;
    counters.clients = service->map.clients;
    counters.messages = service->server.counters.messages;
    counters.violations = service->server.counters.violations;
    counters.compressed = device.compressed;
    counters.incompressible = device.incompressible;
    counters.packed = device.packed;
    counters.compactions = device.compactions;
    counters.fast = (uint32_t)device.fast;
    counters.demoted = device.demoted;
    counters.promoted = device.promoted;
    counters.reconnects = device.reconnects;
    counters.in_flight = (uint32_t)device.in_flight;
#define COPY(type, name, unit, meaning) reply.swap_status.name = counters.name;
    SP_SWAP_STATUS(COPY, COPY)
#undef COPY
    if (message->seq != 0)
        connection_send(connection, &reply, -1);
}

/* Messages of sessions that have a client. */
static void on_request(struct connection *connection, const struct wire_message *message,
                       int consume_fd)
{
    check(((const struct swap_session *)connection->user)->client != NULL);
    switch (message->type) {
    case WIRE_STORE:
    case WIRE_LOAD:
        if (message->seq == 0) {
            connection_close(connection, CONNECTION_VIOLATION, "%s that wants no reply",
                             message_type_name(message->type));
            break;
        }
        service_submit(connection->user, message);
        break;
    case WIRE_FREE:
    case WIRE_RESERVE:
        service_submit(connection->user, message);
        break;
    case WIRE_GIVE_EXTENT:
        on_give_extent(connection, message, consume_fd);
        break;
    case WIRE_OWN_FILE_OPEN:
        on_own_file_open(connection, message);
        break;
    case WIRE_BANDWIDTH:
        on_bandwidth(connection, message);
        break;
    case WIRE_ACCOUNT:
        on_account(connection, message);
        break;
    case WIRE_OWN_LOADS:
        on_own_loads(connection, message);
        break;
    default:
        on_forget_extent(connection, message);
    }
}

/* Is this a request that a client can make of swap? */
static bool is_request(uint8_t type)
{
    return type == WIRE_STORE || type == WIRE_LOAD || type == WIRE_FREE || type == WIRE_RESERVE ||
           type == WIRE_GIVE_EXTENT || type == WIRE_FORGET_EXTENT || type == WIRE_OWN_FILE_OPEN ||
           type == WIRE_OWN_LOADS || type == WIRE_BANDWIDTH || type == WIRE_ACCOUNT;
}

static void on_message(struct connection *connection, const struct wire_message *message,
                       int consume_fd)
{
    const struct swap_session *session = connection->user;

    check(session->client == NULL || session->greeted);
    if (message->type == WIRE_HELLO && !session->greeted) {
        on_hello(connection, message);
    } else if (session->controls && consume_fd < 0) {
        if (control_message(session->service, connection, message))
            service_look(session->service);
    } else if (message->type == WIRE_STATUS && session->greeted) {
        on_status(connection, message);
    } else if (session->client != NULL && is_request(message->type)) {
        on_request(connection, message, consume_fd);
    } else {
        if (consume_fd >= 0)
            connection_discard(connection, consume_fd);
        connection_close(connection, CONNECTION_VIOLATION, "unexpected %s from %s",
                         message_type_name(message->type),
                         !session->greeted         ? "a peer that has not said HELLO"
                         : session->client != NULL ? "a client"
                         : session->controls       ? "a policy server"
                                                   : "an observer");
    }
}

static void on_stop(struct server *server)
{
    struct swap_service *service = server->user;
    const struct swap_counters *counters = &service->counters;

    service_drop_queue(service);
    service_close_handles(service);
    check(service->turns.rota.count == 0);
    if (service->options->verbose)
        log_line(&server->log, "stop",
                 "%llu pages stored, %llu loaded, %llu freed, %llu failed, %llu corrupt; %u of %u "
                 "slots are used",
                 (unsigned long long)counters->stores, (unsigned long long)counters->loads,
                 (unsigned long long)counters->frees, (unsigned long long)counters->failed,
                 (unsigned long long)counters->corrupt, client_table_used(&service->clients),
                 service->map.slots);
}

/* Raise the limit on descriptors as far as it goes, and share them out: a fourth for connections,
 * the rest for extents, so that clients with many extents do not keep others from connecting. */
static uint32_t descriptors_share(struct swap_service *service)
{
    long limit = limits_raise_files();
    uint32_t many = limit > 1 << 20 ? 1u << 20 : limit > 64 ? (uint32_t)limit : 64;

    limits_make_room(many);
    many -= many > 4 * FDS_OWN ? FDS_OWN : many / 4;
    service->extents_max = many - many / 4 - many / 8;
    service->own.most = many / 8;
    check(service->extents_max + many / 4 <= many);
    return many / 4;
}

/* Log the facts about the device at the start. */
static void start_log(struct swap_service *service)
{
    const struct swap_options *options = service->options;

    check(service->restored >= 0);
    if (service->device.facts.fell_back)
        log_line(&service->server.log, "mode",
                 "%s is buffered: its file system does not take O_DIRECT", options->device);
    if (options->verbose)
        log_line(&service->server.log, "start", "%u slots in %s: %s%s%s%s", options->slots,
                 options->device, service->device.facts.how,
                 flight_is_open(&service->flight) ? ", by a ring" : "",
                 options->sync ? ", synced" : "", options->keep ? ", kept" : "");
    if (service->device.facts.existed)
        log_line(&service->server.log, "start", "%s was there: %u clients and %lld slots are back",
                 options->device, service->map.clients, (long long)service->restored);
}

int swap_server_start(struct swap_service *service, uv_loop_t *loop,
                      const struct swap_options *options, struct sp_error *error)
{
    struct server_options server = {
        .program = "selfpage-swap",
        .path = options->socket,
        .ready_fd = options->ready_fd,
        .signals = true,
        .greet_ms = HELLO_MS,
        .descriptors = SERVER_DESCRIPTORS_GREETED,
        .handlers = {.on_accept = on_accept,
                     .on_message = on_message,
                     .on_close = on_close,
                     .on_stop = on_stop},
        .user = service,
    };
    int code = service_open(service, options, error);

    if (code < 0)
        return code;
    check(service->map.slots == options->slots);
    server.connections_max = descriptors_share(service);
    code = server_start(&service->server, loop, &server, error);
    if (code == 0) {
        service_open_handles(service);
        start_log(service);
    }
    return code;
}
