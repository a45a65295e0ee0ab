/* A connection: its life, and what is sent over it. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/allotment.h"
#include "io/discard.h"
#include "io/private.h"
#include "io/watch.h"
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

void connection_watch(struct connection *connection)
{
    bool hung_up = connection->hung_up;

    watch_for(connection, !hung_up && !connection->paused && !connection->unwatched,
              !hung_up && connection->blocked);
}

/* ---- Turns ---- */

void connection_defer_user(struct server *server, struct user *user)
{
    if (user->deferred)
        return;
    user->deferred = true;
    user->references++;
    user->deferred_next = NULL;
    if (server->deferred_first == NULL) {
        server->deferred_first = user;
        server->wait_for_turns(server);
    } else {
        server->deferred_last->deferred_next = user;
    }
    server->deferred_last = user;
}

void connection_defer(struct connection *connection)
{
    struct server *server = connection->server;
    struct user *user = connection->owner;

    if (connection->deferred)
        return;
    connection->deferred = true;
    connection->next_deferred = NULL;
    connection->prev_deferred = user->deferred_last;
    if (user->deferred_first == NULL)
        user->deferred_first = connection;
    else
        user->deferred_last->next_deferred = connection;
    user->deferred_last = connection;
    /* It may have waited unseen since its user fell behind. */
    connection->deferral = user->behind > 0 ? user->behind_since : ++server->deferrals;
    connection_defer_user(server, user);
}

/* Its user stays listed until its turn comes; see input_turns. */
void connection_undefer(struct connection *connection)
{
    struct user *user = connection->owner;

    if (!connection->deferred)
        return;
    if (connection->prev_deferred == NULL)
        user->deferred_first = connection->next_deferred;
    else
        connection->prev_deferred->next_deferred = connection->next_deferred;
    if (connection->next_deferred == NULL)
        user->deferred_last = connection->prev_deferred;
    else
        connection->next_deferred->prev_deferred = connection->prev_deferred;
    connection->deferred = false;
}

/* ---- Life ---- */

struct connection *connection_new(struct server *server, struct user *owner, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    connection->server = server;
    connection->owner = owner;
    connection->fd = fd;
    if (watch_add(connection) != 0) {
        free(connection);
        return NULL;
    }
    connection->received_fd = -1;
    connection->queue_max = server->queue_max;
    connection->bare =
        server->descriptors != SERVER_DESCRIPTORS_ALWAYS && sock_passes_no_descriptors(fd);
    if (server->greet_ms > 0) {
        connection->greet_by_ns = clock_now_ns() + server->greet_ms * CLOCK_NS_PER_MS;
        server->ungreeted++;
    }
    owner->connections++;
    list_insert(server, connection);
    return connection;
}

void connection_greet(struct connection *connection, bool descriptors)
{
    if (connection->greet_by_ns != 0)
        connection->server->ungreeted--;
    connection->greet_by_ns = 0;
    if (descriptors && connection->bare &&
        connection->server->descriptors == SERVER_DESCRIPTORS_GREETED &&
        sock_pass_descriptors(connection->fd, true) == 0)
        connection->bare = false;
}

void connection_discard(struct connection *connection, int consume_fd)
{
    discard_descriptors(connection->server, connection->owner, &consume_fd, 1);
}

static void clear_away(struct connection *connection)
{
    struct server *server = connection->server;

    list_remove(server, connection);
    if (connection->kept && server->handlers.on_close != NULL)
        server->handlers.on_close(connection, connection->end,
                                  connection->reason != NULL ? connection->reason
                                                             : "out of memory");
    discard_connection(connection);
}

void connection_clear_ended(struct server *server, uint64_t until_ns)
{
    struct connection *connection;

    do {
        connection = server->ended_first;
        if (connection == NULL)
            return;
        server->ended_first = connection->next_ended;
        clear_away(connection);
    } while (clock_now_ns() < until_ns);
}

/* Have it cleared away by the loop. */
static void list_ended(struct connection *connection)
{
    struct server *server = connection->server;

    connection->next_ended = NULL;
    if (server->ended_first == NULL)
        server->ended_first = connection;
    else
        server->ended_last->next_ended = connection;
    server->ended_last = connection;
    server->wait_for_turns(server);
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

/* Forget what was received and not handled. */
static void input_forget(struct connection *connection)
{
    connection->owner->input -= connection->input_size;
    connection->input_size = 0;
    free(connection->input);
    connection->input = NULL;
    if (connection->received_fd >= 0)
        connection_discard(connection, connection->received_fd);
    connection->received_fd = -1;
    connection_undefer(connection);
    if (connection->paused)
        connection->owner->paused--;
    connection->paused = false;
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

    output_offer(connection); /* its failure no longer matters */
    output_discard(connection);
    dirty_remove(connection->server, connection);
    input_forget(connection);
    connection_greet(connection, false);
    watch_remove(connection);
    shutdown(connection->fd, SHUT_RDWR); /* the peer is told now, whenever it is closed */
    list_ended(connection);
}

/* ---- Sending ---- */

/* Whether `more_bytes` more must not wait for this peer, or for all peers of its user. */
static bool is_over_bound(const struct connection *connection, uint32_t more_bytes,
                          unsigned more_fds)
{
    const struct server *server = connection->server;

    return (uint64_t)connection->queued + more_bytes > connection->queue_max ||
           connection->queued_fds + more_fds > CONNECTION_FDS_MAX ||
           !allotment_may(connection->owner->output, more_bytes, server->output, server->output_max,
                          SHARE_OUTPUT);
}

static void close_not_receiving(struct connection *connection)
{
    connection_close(connection, CONNECTION_NOT_RECEIVING,
                     "it does not receive: %u bytes and %u descriptors wait, %u bytes and %u "
                     "descriptors may; %llu bytes wait for all its user's connections",
                     connection->queued, connection->queued_fds, connection->queue_max,
                     CONNECTION_FDS_MAX, (unsigned long long)connection->owner->output);
}

/* A system call only when something changes. */
static void set_blocked(struct connection *connection, bool blocked)
{
    if (connection->blocked == blocked)
        return;
    connection->blocked = blocked;
    connection_watch(connection);
}

void connection_flush(struct connection *connection)
{
    int result;

    if (connection->closing || connection->output == NULL)
        return;
    result = output_offer(connection);
    if (result == 0) {
        set_blocked(connection, false);
    } else if (result == -EAGAIN) {
        if (is_over_bound(connection, 0, 0)) {
            close_not_receiving(connection);
            return;
        }
        output_shrink(connection);
        set_blocked(connection, true);
    } else if (result == -EPIPE) {
        connection_close(connection, CONNECTION_PEER, "the peer is gone");
    } else {
        connection_close(connection, CONNECTION_FAILED, "sendmsg failed: %s", strerror(-result));
    }
}

void connection_flush_dirty(struct server *server)
{
    struct connection *connection;

    while ((connection = server->dirty) != NULL) {
        server->dirty = connection->next_dirty;
        connection->is_dirty = false;
        connection_flush(connection);
    }
}

/* Have the output offered before the loop waits. The connection being handled needs nothing,
 * since it is flushed at the end of that; nor do blocked ones, which wait to be writable. */
static void mark_dirty(struct connection *connection)
{
    struct server *server = connection->server;

    if (connection->is_dirty || connection->blocked || server->handling == connection)
        return;
    connection->is_dirty = true;
    connection->next_dirty = server->dirty;
    server->dirty = connection;
}

static int close_failed(struct connection *connection, const char *call, int error)
{
    connection_close(connection, CONNECTION_FAILED, "%s failed: %s", call, strerror(-error));
    return error;
}

/* The common case, a message without a descriptor where there is ample room: encode it behind the
 * output in place. Returns its size; 0: nothing is done. */
static uint32_t encode_in_place(struct connection *connection, const struct wire_message *message)
{
    uint8_t *room;
    uint32_t size;

    if (connection->blocked || connection->queued + WIRE_MESSAGE_MAX > BUFFER_SIZE)
        return 0;
    room = output_room(connection, WIRE_MESSAGE_MAX);
    if (room == NULL)
        return 0;
    size = (uint32_t)wire_encode(message, room, WIRE_MESSAGE_MAX);
    output_count(connection, size);
    return size;
}

/* Any case: encode the message, flush if it is one too many, and find room for it. */
static int encode_and_append(struct connection *connection, const struct wire_message *message,
                             int borrowed_fd)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    uint32_t size;
    int fd = -1;
    int result;

    size = (uint32_t)wire_encode(message, bytes, sizeof(bytes));
    if (size == 0)
        return -EINVAL;
    if (!connection->blocked && connection->queued + size > BUFFER_SIZE) {
        connection_flush(connection);
        if (connection->closing)
            return -EPIPE;
    }
    if (connection->blocked && is_over_bound(connection, size, borrowed_fd >= 0)) {
        close_not_receiving(connection);
        return -ENOBUFS;
    }
    if (borrowed_fd >= 0) {
        fd = fcntl(borrowed_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return close_failed(connection, "duplicating a descriptor", -errno);
    }
    result = output_append(connection, bytes, size, fd);
    if (result != 0) {
        if (fd >= 0)
            close(fd);
        return close_failed(connection, "allocating output", result);
    }
    return 0;
}

int connection_send(struct connection *connection, const struct wire_message *message,
                    int borrowed_fd)
{
    int result;

    if (connection->closing)
        return -EPIPE;
    if ((borrowed_fd >= 0) != (message_type_fds(message->type) == 1))
        return -EINVAL;
    if (borrowed_fd >= 0 || encode_in_place(connection, message) == 0) {
        result = encode_and_append(connection, message, borrowed_fd);
        if (result != 0)
            return result;
    }
    mark_dirty(connection);
    connection->server->counters.sent++;
    return 0;
}

int connection_send_done(struct connection *connection, const struct wire_message *request,
                         int error, uint32_t count, const char *text)
{
    struct wire_message done; /* of which only this little is set: the union has kilobytes */
    size_t i;

    if (request->seq == 0)
        return 0;
    done.type = WIRE_DONE;
    done.seq = request->seq;
    done.error = (uint32_t)-error;
    done.done.count = count;
    memset(done.done.text, 0, sizeof(done.done.text));
    for (i = 0; text != NULL && text[i] != '\0' && i < WIRE_TEXT - 1; i++)
        done.done.text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    return connection_send(connection, &done, -1);
}

void connection_set_queue_max(struct connection *connection, uint32_t bytes)
{
    connection->queue_max = bytes;
}
