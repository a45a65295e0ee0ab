/* A connection's life, and what it receives. */
#include "io/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

/* Longest reason of closing, with its NUL. */
#define REASON_MAX 256

static void list_insert(struct server *server, struct connection *connection)
{
    connection->next = server->first;
    if (server->first != NULL)
        server->first->prev = connection;
    server->first = connection;
    server->connections++;
}

static void list_remove(struct server *server, struct connection *connection)
{
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        server->first = connection->next;
    server->connections--;
}

/* The list of dirty connections is short, and closing is rare: it is walked. */
static void dirty_remove(struct server *server, struct connection *connection)
{
    struct connection **link = &server->dirty;

    if (!connection->is_dirty)
        return;
    while (*link != connection)
        link = &(*link)->next_dirty;
    *link = connection->next_dirty;
    connection->is_dirty = false;
}

/* uv_close callback: the only place where connections are freed. */
static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct server *server = connection->server;

    list_remove(server, connection);
    if (connection->kept && server->handlers.on_close != NULL)
        server->handlers.on_close(connection, connection->end,
                                  connection->reason != NULL ? connection->reason
                                                             : "out of memory");
    free(connection->reason);
    free(connection);
}

/* Count an ending and say what went wrong. */
static void report_end(struct connection *connection, enum connection_end end, const char *reason)
{
    struct server *server = connection->server;
    const char *cause = LOG_FAILURE;

    if (end == CONNECTION_LOCAL || end == CONNECTION_PEER)
        return;
    if (end == CONNECTION_VIOLATION) {
        server->counters.violations++;
        cause = LOG_VIOLATION;
    } else if (end == CONNECTION_NOT_RECEIVING) {
        server->counters.dropped++;
        cause = LOG_SLOW;
    }
    log_line(&server->log, cause, "connection of process %ld (user %ld) ended: %s",
             (long)connection->peer.pid, (long)connection->peer.uid, reason);
}

void connection_close(struct connection *connection, enum connection_end end, const char *reason,
                      ...)
{
    char text[REASON_MAX];
    va_list arguments;

    if (connection->closing)
        return;
    connection->closing = true;
    connection->end = (uint8_t)end;
    va_start(arguments, reason);
    vsnprintf(text, sizeof(text), reason, arguments);
    va_end(arguments);
    connection->reason = strdup(text);
    report_end(connection, end, text);

    output_offer(connection); /* its failure changes nothing any more */
    output_discard(connection);
    dirty_remove(connection->server, connection);
    free(connection->input);
    connection->input = NULL;
    if (connection->received_fd >= 0)
        close(connection->received_fd);
    connection->received_fd = -1;
    uv_close((uv_handle_t *)&connection->poll, on_closed);
    close(connection->fd); /* only after uv_close, which tells epoll */
    connection->fd = -1;
}

/* Hand on the decoded message with the descriptor it announces, if that has come. */
static void hand_on(struct connection *connection)
{
    struct server *server = connection->server;
    int fd = -1;

    if (server->message.nfds > 0) {
        fd = connection->received_fd;
        connection->received_fd = -1;
        if (fd < 0) {
            connection_close(connection, CONNECTION_VIOLATION,
                             "%s came without the descriptor it announces",
                             wire_type_name(server->message.type));
            return;
        }
    }
    server->counters.messages++;
    server->handlers.on_message(connection, &server->message, fd);
}

/* Handle the messages in the first `size` bytes of the receive buffer. Returns how many bytes were
 * used; the rest is the beginning of a message. */
static uint32_t handle_messages(struct connection *connection, uint32_t size)
{
    struct server *server = connection->server;
    enum wire_verdict verdict = WIRE_OK;
    uint32_t used = 0;
    size_t length;

    server->handling = connection;
    server->received_ns = clock_now_ns();
    while (used < size && !connection->closing) {
        verdict = wire_decode(server->buffer + used, size - used, &server->message, &length);
        if (verdict != WIRE_OK)
            break;
        used += (uint32_t)length;
        hand_on(connection);
    }
    server->handling = NULL;
    if (verdict == WIRE_MORE)
        connection->input_wanted = (uint32_t)length;
    else if (verdict != WIRE_OK)
        connection_close(connection, CONNECTION_VIOLATION, "it sent %s",
                         wire_verdict_text(verdict));
    return used;
}

/* Keep the unfinished message, which lies in the receive buffer from `used` to `size`. */
static void keep_input(struct connection *connection, uint32_t used, uint32_t size)
{
    uint8_t *input = NULL;

    if (size > used) {
        input = realloc(connection->input, size - used);
        if (input == NULL) {
            connection_close(connection, CONNECTION_FAILED, "no memory for a message's beginning");
            return;
        }
        memcpy(input, connection->server->buffer + used, size - used);
    } else {
        free(connection->input);
    }
    connection->input = input;
    connection->input_size = size - used;
}

/* Take care of a descriptor that came with bytes just received. */
static bool keep_descriptor(struct connection *connection, int consume_fd)
{
    if (consume_fd < 0)
        return true;
    if (connection->received_fd >= 0) {
        close(consume_fd);
        connection_close(connection, CONNECTION_VIOLATION, "two descriptors came for one message");
        return false;
    }
    connection->received_fd = consume_fd;
    return true;
}

static void close_unreceivable(struct connection *connection, int error)
{
    if (error == 0)
        connection_close(connection, CONNECTION_PEER, "%s",
                         connection->input_size > 0 ? "the peer closed in the middle of a message"
                                                    : "the peer closed");
    else if (error == -EPIPE)
        connection_close(connection, CONNECTION_PEER, "the peer is gone");
    else if (error == -EPROTO)
        connection_close(connection, CONNECTION_VIOLATION,
                         "several descriptors came at once, or there was no room for one");
    else
        connection_close(connection, CONNECTION_FAILED, "recvmsg failed: %s", strerror(-error));
}

/* Receive once and handle what came. Returns false when there was nothing.
 *
 * Reading stops at a send with a descriptor, so that the descriptor belongs to one of the messages
 * of that send, unless the buffer was full before their end. So that no second descriptor can come
 * while one still waits for the end of its message, no more is read then than that message. */
static bool receive(struct connection *connection)
{
    struct server *server = connection->server;
    uint32_t size = connection->input_size;
    uint32_t limit = connection->received_fd >= 0 ? connection->input_wanted : BUFFER_SIZE;
    uint32_t used;
    ssize_t received;
    int fd;

    received = sock_receive(connection->fd, server->buffer + size, limit - size, &fd);
    if (received == -EAGAIN)
        return false;
    if (received <= 0) {
        close_unreceivable(connection, (int)received);
        return false;
    }
    if (!keep_descriptor(connection, fd))
        return false;
    if (size > 0)
        memcpy(server->buffer, connection->input, size);
    size += (uint32_t)received;
    used = handle_messages(connection, size);
    if (connection->closing)
        return false;
    if (used == size && connection->received_fd >= 0) {
        connection_close(connection, CONNECTION_VIOLATION,
                         "a descriptor came that no message announces");
        return false;
    }
    if (used < size || connection->input != NULL)
        keep_input(connection, used, size);
    if (!connection->blocked)
        connection_flush(connection);
    return !connection->closing;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct connection *connection = handle->data;

    if (status < 0) {
        /* libuv has stopped watching: the peer closed without receiving all. What it sent before
         * that counts. */
        while (receive(connection))
            continue;
        if (!connection->closing)
            connection_close(connection, CONNECTION_PEER, "the peer is gone");
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        connection_flush(connection);
    if ((events & UV_READABLE) != 0 && !connection->closing)
        receive(connection);
}

void connection_watch(struct connection *connection)
{
    int events = connection->blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE;

    /* Cannot fail: the handle is open, and epoll took the descriptor in uv_poll_init. */
    uv_poll_start(&connection->poll, events, on_poll);
}

/* A connection with an open handle, not watched yet; NULL if there was no memory for it. */
static struct connection *connection_new(struct server *server, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    if (uv_poll_init(server->loop, &connection->poll, fd) != 0) {
        free(connection);
        return NULL;
    }
    connection->poll.data = connection;
    connection->server = server;
    connection->fd = fd;
    connection->received_fd = -1;
    connection->queue_max = server->queue_max;
    return connection;
}

void connection_open(struct server *server, int consume_fd)
{
    struct connection *connection;
    int result;

    if (server->connections_max != 0 && server->connections >= server->connections_max) {
        log_line(&server->log, LOG_REFUSED, "connection refused: there are %u, as many as may be",
                 server->connections);
        server->counters.refused++;
        close(consume_fd);
        return;
    }
    connection = connection_new(server, consume_fd);
    if (connection == NULL) {
        log_line(&server->log, LOG_FAILURE, "connection refused: no memory for it");
        server->counters.refused++;
        close(consume_fd);
        return;
    }
    list_insert(server, connection);
    result = sock_peer(consume_fd, &connection->peer);
    if (result == 0 && server->handlers.on_accept != NULL)
        result = server->handlers.on_accept(connection, &connection->peer);
    if (result == 0) {
        connection->kept = true;
        server->counters.accepted++;
        if (!connection->closing)
            connection_watch(connection);
        return;
    }
    log_line(&server->log, LOG_REFUSED, "connection of process %ld (user %ld) refused: %s",
             (long)connection->peer.pid, (long)connection->peer.uid, strerror(-result));
    server->counters.refused++;
    connection_close(connection, CONNECTION_LOCAL, "refused");
}
