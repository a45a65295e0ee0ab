/* What a connection receives, from accept to the last byte; and whose turn it is.
 *
 * A pass of the loop: each connection that is readable has its turn at once, if its user has not had
 * INPUT_PASS_NS in this pass and nobody waits whose turn it is first. The others wait in lists, and
 * input_turns serves them, one turn of each user in rotation. */
#include <errno.h>
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

/* The most to read at once; and while this much of a user is not handled, one message at a time. */
#define READ_MAX  (16u * 1024u)
#define INPUT_MAX (1024u * 1024u)

/* How often a user's connections are looked at in a pass. */
#define LOOKS 8u

/* Messages between two looks at the clock. */
#define CLOCK_EVERY 4u

_Static_assert(READ_MAX + WIRE_MESSAGE_MAX <= BUFFER_SIZE, "what is kept, and what is read");

/* Deliver the decoded message, with the descriptor that it announces if that has come. */
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
                             message_type_name(server->message.type));
            return;
        }
    }
    server->counters.messages++;
    server->handlers.on_message(connection, &server->message, fd);
}

/* Handle messages in the first `size` bytes of the receive buffer until `until_ns`. Returns how many
 * bytes were used; *morep: whole messages may be left. */
static uint32_t handle_messages(struct connection *connection, uint32_t size, uint64_t until_ns,
                                bool *morep)
{
    struct server *server = connection->server;
    enum wire_verdict verdict = WIRE_OK;
    uint32_t used = 0, count = 0;
    size_t length;

    *morep = false;
    server->handling = connection;
    server->received_ns = connection->received_ns;
    while (used < size && !connection->closing) {
        if (count++ % CLOCK_EVERY == CLOCK_EVERY - 1 && clock_now_ns() >= until_ns) {
            *morep = true;
            break;
        }
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
                         print_verdict_text(verdict));
    return used;
}

/* Keep what is not handled, which lies in the receive buffer from `used` to `size`. */
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
    connection->owner->input += size - used;
    connection->owner->input -= connection->input_size;
    connection->input_size = size - used;
}

/* Take care of descriptors that came with bytes just received: at most one may. */
static bool keep_descriptors(struct connection *connection, const int *fds, unsigned count)
{
    if (count == 0)
        return true;
    if (count == 1 && connection->received_fd < 0) {
        connection->received_fd = fds[0];
        return true;
    }
    discard_descriptors(connection->server, connection->owner, fds, count);
    connection_close(connection, CONNECTION_VIOLATION, "two descriptors came for one message");
    return false;
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
        connection_close(connection, CONNECTION_VIOLATION, "there was no room for its descriptors");
    else
        connection_close(connection, CONNECTION_FAILED, "recvmsg failed: %s", strerror(-error));
}

/* Receive where descriptors may come. */
static __attribute__((noinline)) ssize_t receive_with_descriptors(struct connection *connection,
                                                                  uint8_t *to, uint32_t room)
{
    int fds[SOCK_FDS_MAX];
    unsigned count;
    ssize_t received = sock_receive_all(connection->fd, to, room, fds, &count);

    return keep_descriptors(connection, fds, count) ? received : -ECANCELED;
}

/* Receive behind what is kept. Returns the number of bytes in the receive buffer; 0: nothing has
 * come, or the connection is closed.
 *
 * Reading stops at a send with a descriptor: the descriptor belongs to one of the messages of that
 * send, unless the buffer was full before their end. While one still waits for the end of its
 * message no more is read than that message, and no second one can come. */
static uint32_t receive(struct connection *connection)
{
    struct server *server = connection->server;
    uint32_t size = connection->input_size;
    uint32_t limit = connection->received_fd >= 0           ? connection->input_wanted
                     : connection->owner->input > INPUT_MAX ? size + WIRE_MESSAGE_MAX
                                                            : size + READ_MAX;
    ssize_t received;

    if (connection->bare)
        received = sock_receive_bytes(connection->fd, server->buffer + size, limit - size);
    else
        received = receive_with_descriptors(connection, server->buffer + size, limit - size);
    if (connection->closing || (received == -EAGAIN && !connection->hung_up))
        return 0;
    if (received <= 0) {
        close_unreceivable(connection, received == -EAGAIN ? -EPIPE : (int)received);
        return 0;
    }
    connection->received_ns = server->turn_begun_ns;
    server->fed = true;
    return size + (uint32_t)received;
}

/* One turn: receive, unless there is something to handle, and handle it. */
static void turn(struct connection *connection)
{
    struct server *server = connection->server;
    uint32_t size = connection->input_size, used;

    if (!connection->unhandled)
        size = receive(connection);
    if (size == 0 || connection->closing)
        return;
    if (connection->input_size > 0)
        memcpy(server->buffer, connection->input, connection->input_size);
    used = handle_messages(connection, size, server->turn_begun_ns + server->slice_ns,
                           &connection->unhandled);
    if (connection->closing)
        return;
    if (used == size && connection->received_fd >= 0) {
        connection_close(connection, CONNECTION_VIOLATION,
                         "a descriptor came that no message announces");
        return;
    }
    if (used < size || connection->input != NULL)
        keep_input(connection, used, size);
    if (!connection->blocked)
        connection_flush(connection);
}

/* Whether its user has used up its time in this pass, by what was accounted so far. */
static bool is_spent(struct server *server, struct user *user)
{
    if (user->pass != server->counters.passes) {
        user->pass = server->counters.passes;
        user->spent_ns = 0;
    }
    return user->spent_ns >= INPUT_PASS_NS;
}

/* Do not read from a user that has too many descriptors unclosed. */
static bool is_paused(struct connection *connection)
{
    if (connection->owner->unclosed < DISCARD_MAX || connection->bare || connection->paused)
        return connection->paused;
    connection->paused = true;
    connection->owner->paused++;
    connection_watch(connection);
    return true;
}

/* A turn of `user` begins (NULL: none), which is when the one before ends: one look at the clock. */
static void account(struct server *server, struct user *user)
{
    uint64_t now_ns = clock_now_ns();

    if (server->in_turn)
        server->pass_ns += now_ns - server->turn_begun_ns;
    if (server->users.turn != NULL)
        server->users.turn->spent_ns += now_ns - server->turn_begun_ns;
    server->users.turn = user;
    server->in_turn = user != NULL;
    server->turn_begun_ns = now_ns;
}

void input_pass_end(struct server *server)
{
    server->users.turn = NULL;
    server->in_turn = false;
    server->pass_ns = 0;
}

static void take_turn(struct connection *connection)
{
    account(connection->server, connection->owner);
    turn(connection);
    if (connection->closing)
        return;
    if (connection->unhandled || connection->hung_up) {
        connection_defer(connection);
    } else if (connection->unwatched) {
        connection->unwatched = false;
        connection_watch(connection);
    }
}

/* Do not watch one that waits for its turn. */
static void unwatch(struct connection *connection)
{
    if (connection->unwatched)
        return;
    connection->unwatched = true;
    connection_watch(connection);
}

static void on_event(const struct epoll_event *event)
{
    struct connection *connection = watch_connection(event);
    struct server *server = connection->server;

    if (connection->closing)
        return;
    if (watch_has_failed(event) && !connection->hung_up) {
        /* The peer closed without receiving all. What it sent before that counts. */
        connection->hung_up = true;
        connection_watch(connection);
    } else if (watch_has_room(event)) {
        connection_flush(connection);
    }
    if ((!watch_has_input(event) && !watch_has_failed(event)) || connection->closing)
        return;
    if (connection->deferred)
        unwatch(connection);
    if (connection->deferred || is_paused(connection))
        return;
    if (is_spent(server, connection->owner) || server->pass_ns >= 2 * INPUT_PASS_NS) {
        if (server->in_turn)
            account(server, NULL); /* what these take is not part of the turn before */
        connection_defer(connection);
    } else {
        take_turn(connection);
    }
}

/* `seen` more connections of a user have been looked at; *fewer* than could be asked for: all. */
static void catch_up(struct user *user, unsigned seen)
{
    user->behind = seen < WATCH_MOST || seen >= user->behind ? 0 : user->behind - seen;
}

/* There may be more connections with something to receive. The kernel names them in rotation, so
 * they have all been looked at when as many were as there are. */
static void fall_behind(struct server *server, struct user *user)
{
    if (user->behind > 0 || user->connections == 0)
        return;
    user->behind = user->connections;
    user->behind_since = ++server->deferrals;
}

void input_on_ready(struct server *server, struct user *user)
{
    struct epoll_event ready[WATCH_MOST];
    unsigned seen = WATCH_MOST;

    for (unsigned looks = 0; seen == WATCH_MOST && looks < LOOKS; looks++) {
        if (user->deferred_first != NULL &&
            (is_spent(server, user) || server->pass_ns >= 2 * INPUT_PASS_NS))
            break;
        seen = watch_take(user, ready);
        for (unsigned i = 0; i < seen; i++)
            on_event(&ready[i]);
        catch_up(user, seen);
    }
    if (seen == WATCH_MOST)
        fall_behind(server, user);
}

void input_turns(struct server *server)
{
    uint64_t until_ns;
    struct user *user;

    if (server->deferred_first == NULL)
        return;
    account(server, NULL);
    until_ns = server->turn_begun_ns + INPUT_PASS_NS;
    do {
        user = server->deferred_first;
        server->deferred_first = user->deferred_next;
        user->deferred = false;
        if (user->deferred_first != NULL) {
            struct connection *connection = user->deferred_first;

            connection_undefer(connection);
            take_turn(connection);
            if (user->deferred_first != NULL)
                connection_defer_user(server, user);
        }
        user_release(&server->users, user);
        account(server, NULL);
    } while (server->deferred_first != NULL && server->turn_begun_ns < until_ns);
}

void input_resume(struct server *server, struct user *user)
{
    struct connection *connection, *next;

    for (connection = server->first; connection != NULL && user->paused > 0; connection = next) {
        next = connection->next;
        if (connection->owner != user || !connection->paused)
            continue;
        connection->paused = false;
        user->paused--;
        if (connection->hung_up)
            connection_defer(connection);
        else
            connection_watch(connection);
    }
}

bool input_close_silent(struct server *server)
{
    uint64_t now_ns = clock_now_ns();
    struct connection *connection, *next;

    if (server->ungreeted == 0)
        return false;
    for (connection = server->first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->greet_by_ns == 0 || connection->greet_by_ns > now_ns || connection->closing)
            continue;
        if (server->turn_begun_ns >= now_ns + INPUT_PASS_NS)
            return true;
        take_turn(connection); /* it may have come while this process was held up */
        if (connection->closing || connection->greet_by_ns == 0)
            continue;
        log_line(&server->log, LOG_SILENT,
                 "connection of process %ld (user %ld) ended: it has not said HELLO in %u ms",
                 (long)connection->peer.pid, (long)connection->peer.uid, server->greet_ms);
        connection_close(connection, CONNECTION_LOCAL, "it has not said HELLO in time");
    }
    return false;
}

/* ---- Beginnings ---- */

/* Tell a peer that has just come why it is sent away. It will take this for the answer to its first
 * request, which has number 1. */
static void refuse(struct server *server, struct user *user, int consume_fd, const char *text)
{
    struct wire_message message = {.type = WIRE_DONE, .seq = 1, .error = EMFILE};
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size;

    snprintf(message.done.text, sizeof(message.done.text), "%s", text);
    size = wire_encode(&message, bytes, sizeof(bytes));
    sock_send(consume_fd, bytes, size, -1); /* as far as it goes */
    server->counters.refused++;
    shutdown(consume_fd, SHUT_RDWR); /* the peer knows now, whenever it is closed */
    if (user == NULL || sock_passes_no_descriptors(consume_fd))
        close(consume_fd);
    else
        discard_descriptors(server, user, &consume_fd, 1);
    if (user != NULL)
        user_release(&server->users, user);
}

void input_open(struct server *server, int consume_fd)
{
    struct connection *connection;
    struct sock_peer peer;
    struct user *user;
    int result;

    if (server->descriptors != SERVER_DESCRIPTORS_ALWAYS)
        sock_pass_descriptors(consume_fd,
                              false); /* where the listener's setting is not inherited */
    result = sock_peer(consume_fd, &peer);
    user = result == 0 ? user_take(&server->users, peer.uid) : NULL;
    if (user == NULL) {
        log_line(&server->log, LOG_FAILURE, "connection refused: no memory for it");
        refuse(server, NULL, consume_fd, "the server has no memory for a connection");
        return;
    }
    if (server->connections_max != 0 &&
        !allotment_may(user->connections, 1, server->connections, server->connections_max,
                       SHARE_CONNECTIONS)) {
        log_line(&server->log, LOG_REFUSED,
                 "connection of process %ld (user %ld) refused: %u of %u connections are this "
                 "user's, %u in all; raise the limit of open files (ulimit -n) for more",
                 (long)peer.pid, (long)peer.uid, user->connections, server->connections_max,
                 server->connections);
        refuse(server, user, consume_fd,
               "the server has as many connections of this user as its limit of open files allows");
        return;
    }
    connection = connection_new(server, user, consume_fd);
    if (connection == NULL) {
        log_line(&server->log, LOG_FAILURE, "connection refused: no memory for it");
        refuse(server, user, consume_fd, "the server has no memory for a connection");
        return;
    }
    connection->peer = peer;
    if (server->handlers.on_accept != NULL)
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
