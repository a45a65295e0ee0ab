#include "session.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "counting.h"
#include "holes.h"
#include "jobs.h"
#include "places.h"
#include "syncing.h"
#include "transfer.h"

static int on_accept(struct connection *connection, const struct sock_peer *peer)
{
    (void)peer;
    connection->user = calloc(1, sizeof(struct session));
    return connection->user != NULL ? 0 : -ENOMEM;
}

static void on_close(struct connection *connection, enum connection_end end, const char *reason)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;

    (void)end;
    if (service->options->verbose)
        log_line(&service->server.log, "leave", "process %ld leaves: %s",
                 (long)connection->peer.pid, reason);
    places_close_all(connection);
    jobs_leave(session);
    service->counters.clients -= session->greeted && !session->observer;
    check(session->greeted || session->container == 0);
    transfer_end(service, session);
    free(session);
    connection->user = NULL;
}

/* ---- Requests ---- */

static void on_hello(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;
    struct wire_message reply = {.type = WIRE_WELCOME, .seq = message->seq};

    check(!session->greeted);
    if (message->hello.version != WIRE_VERSION ||
        (message->hello.role != WIRE_ROLE_TASK && message->hello.role != WIRE_ROLE_OBSERVER)) {
        connection_send_done(
            connection, message, -EPROTO, 0,
            "this server speaks another protocol version, or to tasks and observers only");
        connection_close(connection, CONNECTION_VIOLATION, "HELLO refused");
        return;
    }
    session->greeted = true;
    session->observer = message->hello.role == WIRE_ROLE_OBSERVER;
    service_of(connection)->counters.clients += !session->observer;
    connection_greet(connection, false);
    reply.welcome.version = WIRE_VERSION;
    reply.welcome.page_size = SP_PAGE_SIZE;
    reply.welcome.id = sp_task_number(service_of(connection)->task);
    connection_send(connection, &reply, -1);
}

static void on_status(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct wire_message reply = {.type = WIRE_FILES_STATUS, .seq = message->seq};

    counting_gather(service);
#define COPY(type, name, unit, meaning) reply.files_status.name = service->counters.name;
    SP_FILESERVER_STATUS(COPY, COPY)
#undef COPY
    check(reply.files_status.hits + reply.files_status.misses <= reply.files_status.reads);
    if (message->seq != 0)
        connection_send(connection, &reply, -1);
}

/* What a client of files asks, which is no observer. */
static bool take_request(struct connection *connection, const struct wire_message *message)
{
    check(!((const struct session *)connection->user)->observer);
    switch (message->type) {
    case WIRE_FILE_OPEN:
    case WIRE_FILE_OPEN_AS:
        places_on_open(connection, message);
        return true;
    case WIRE_FILE_CLOSE:
        places_on_close(connection, message);
        return true;
    case WIRE_FILE_BUFFER:
        transfer_on_buffer(connection, message);
        return true;
    case WIRE_FILE_READ:
        transfer_on_read(connection, message);
        return true;
    case WIRE_FILE_FILL:
        transfer_on_fill(connection, message);
        return true;
    case WIRE_FILE_WRITE:
        transfer_on_write(connection, message);
        return true;
    case WIRE_FILE_SYNC:
        syncing_on_sync(connection, message);
        return true;
    case WIRE_FILE_SEEK_HOLE:
        holes_on_seek(connection, message);
        return true;
    default:
        return false;
    }
}

static void refuse(struct connection *connection, const struct wire_message *message)
{
    connection_close(connection, CONNECTION_VIOLATION, "%s may not be sent by %s",
                     message_type_name(message->type),
                     ((const struct session *)connection->user)->observer ? "an observer"
                                                                          : "a client of files");
}

/* A job of the client is under way. */
static void wait_for_turn(struct connection *connection, const struct wire_message *message)
{
    if (!jobs_wait(connection->user, message))
        connection_close(connection, CONNECTION_VIOLATION,
                         "more than %u requests wait for an earlier one", JOBS_WAITING);
}

static void on_message(struct connection *connection, const struct wire_message *message,
                       int consume_fd)
{
    struct session *session = connection->user;

    if (consume_fd >= 0) /* no message to this server carries one */
        connection_discard(connection, consume_fd);
    if (!session->greeted && message->type == WIRE_HELLO)
        on_hello(connection, message);
    else if (!session->greeted)
        connection_close(connection, CONNECTION_VIOLATION, "the first message is not HELLO");
    else if (message->type == WIRE_STATUS && session->observer)
        on_status(connection, message);
    else if (!session->observer && (session->job != NULL || session->waiting != NULL))
        wait_for_turn(connection, message);
    else if (session->observer || !take_request(connection, message))
        refuse(connection, message);
}

void session_resume(struct connection *connection)
{
    struct session *session = connection->user;
    static struct wire_message message;

    check(!session->observer);
    while (!connection->closing && jobs_next(session, &message))
        if (!take_request(connection, &message))
            refuse(connection, &message);
}

const struct server_handlers session_handlers = {
    .on_accept = on_accept,
    .on_message = on_message,
    .on_close = on_close,
};
