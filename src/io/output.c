/* A connection's output: gathered in chunks, offered to the socket together.
 *
 * In the steady state one large chunk, which belongs to the server, goes round: the connection that
 * is being handled fills it, sends it whole, and gives it back. Small chunks are allocated only for
 * what goes to other connections meanwhile, for messages with descriptors (a descriptor goes with
 * the first byte of a send, so that its message must be the first of a chunk), and for peers that
 * do not receive. */
#include "io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Capacity of small chunks: a page with malloc's and the chunk's own header. */
#define CHUNK_SMALL (4096u - 16u - (uint32_t)sizeof(struct connection_chunk))

struct connection_chunk *chunk_new(uint32_t capacity)
{
    struct connection_chunk *chunk = malloc(sizeof(*chunk) + capacity);

    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->capacity = capacity;
    chunk->size = 0;
    chunk->sent = 0;
    chunk->fd = -1;
    return chunk;
}

/* Give back a chunk whose bytes are of no use any more. */
static void chunk_release(struct server *server, struct connection_chunk *chunk)
{
    if (chunk->fd >= 0)
        close(chunk->fd);
    if (chunk->capacity < BUFFER_SIZE) {
        free(chunk);
        return;
    }
    chunk->next = NULL;
    chunk->size = 0;
    chunk->sent = 0;
    chunk->fd = -1;
    server->spare = chunk;
}

/* An empty chunk for a connection. The large one is kept for the connection that is being handled,
 * and not given to one that is blocked. */
static struct connection_chunk *chunk_take(struct connection *connection, uint32_t size)
{
    struct server *server = connection->server;
    struct connection_chunk *chunk = server->spare;

    if (chunk != NULL && !connection->blocked &&
        (server->handling == NULL || server->handling == connection)) {
        server->spare = NULL;
        return chunk;
    }
    return chunk_new(size > CHUNK_SMALL ? size : CHUNK_SMALL);
}

static void output_count(struct connection *connection, uint32_t size, int consume_fd)
{
    connection->output_last->size += size;
    connection->queued += size;
    connection->queued_fds += consume_fd >= 0;
}

/* Put an encoded message behind the output. `consume_fd` (-1: none) is taken over on success. */
static int output_append(struct connection *connection, const uint8_t *bytes, uint32_t size,
                         int consume_fd)
{
    struct connection_chunk *chunk = connection->output_last;

    if (chunk == NULL || consume_fd >= 0 || chunk->capacity - chunk->size < size) {
        chunk = chunk_take(connection, size);
        if (chunk == NULL)
            return -ENOMEM;
        chunk->fd = consume_fd;
        if (connection->output_last != NULL)
            connection->output_last->next = chunk;
        else
            connection->output = chunk;
        connection->output_last = chunk;
    }
    memcpy(chunk->bytes + chunk->size, bytes, size);
    output_count(connection, size, consume_fd);
    return 0;
}

static void output_pop(struct connection *connection)
{
    struct connection_chunk *chunk = connection->output;

    connection->output = chunk->next;
    if (connection->output == NULL)
        connection->output_last = NULL;
    chunk_release(connection->server, chunk);
}

int output_offer(struct connection *connection)
{
    struct connection_chunk *chunk;
    ssize_t sent;

    while ((chunk = connection->output) != NULL) {
        sent = sock_send(connection->fd, chunk->bytes + chunk->sent, chunk->size - chunk->sent,
                         chunk->fd);
        if (sent < 0)
            return (int)sent;
        if (chunk->fd >= 0) {
            close(chunk->fd);
            chunk->fd = -1;
            connection->queued_fds--;
        }
        chunk->sent += (uint32_t)sent;
        connection->queued -= (uint32_t)sent;
        if (chunk->sent == chunk->size)
            output_pop(connection);
    }
    return 0;
}

void output_discard(struct connection *connection)
{
    while (connection->output != NULL)
        output_pop(connection);
    connection->queued = 0;
    connection->queued_fds = 0;
}

/* Swap the large chunk, if it is among the output, for one of the size of what is left in it: a
 * peer that does not receive is to keep neither more memory than it is owed, nor the others from
 * that chunk. Without memory for the copy it keeps it. */
static void output_shrink(struct connection *connection)
{
    struct connection_chunk *last = NULL;
    struct connection_chunk *large = connection->output;
    struct connection_chunk *small;
    uint32_t left;

    while (large != NULL && large->capacity < BUFFER_SIZE) {
        last = large;
        large = large->next;
    }
    if (large == NULL)
        return;
    left = large->size - large->sent;
    small = chunk_new(left);
    if (small == NULL)
        return;
    memcpy(small->bytes, large->bytes + large->sent, left);
    small->size = left;
    small->fd = large->fd;
    small->next = large->next;
    large->fd = -1;
    if (last != NULL)
        last->next = small;
    else
        connection->output = small;
    if (connection->output_last == large)
        connection->output_last = small;
    chunk_release(connection->server, large);
}

static bool is_over_bound(const struct connection *connection, uint32_t more_bytes,
                          unsigned more_fds)
{
    return (uint64_t)connection->queued + more_bytes > connection->queue_max ||
           connection->queued_fds + more_fds > CONNECTION_FDS_MAX;
}

static void close_not_receiving(struct connection *connection)
{
    connection_close(connection, CONNECTION_NOT_RECEIVING,
                     "it does not receive: %u bytes and %u descriptors wait, %u bytes and %u "
                     "descriptors may",
                     connection->queued, connection->queued_fds, connection->queue_max,
                     CONNECTION_FDS_MAX);
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

void output_flush_all(struct server *server)
{
    struct connection *connection;

    while ((connection = server->dirty) != NULL) {
        server->dirty = connection->next_dirty;
        connection->is_dirty = false;
        connection_flush(connection);
    }
}

/* Have the output offered before the loop waits. Nothing is to do for the connection being handled,
 * which is flushed at the end of that, and for blocked ones, which wait to be writable. */
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
    struct connection_chunk *chunk = connection->output_last;
    uint32_t size;

    if (chunk == NULL || chunk->capacity - chunk->size < WIRE_MESSAGE_MAX || connection->blocked ||
        connection->queued + WIRE_MESSAGE_MAX > BUFFER_SIZE)
        return 0;
    size = (uint32_t)wire_encode(message, chunk->bytes + chunk->size, WIRE_MESSAGE_MAX);
    output_count(connection, size, -1);
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
    if ((borrowed_fd >= 0) != (wire_type_fds(message->type) == 1))
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
