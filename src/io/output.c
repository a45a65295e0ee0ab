/* A connection's output: gathered in chunks, offered to the socket together.
 *
 * In the steady state one large chunk, which belongs to the server, goes round: the connection that
 * is being handled fills it, sends it whole, and gives it back. Small chunks are allocated only for
 * what goes to other connections meanwhile, for messages with descriptors (a descriptor goes with
 * the first byte of a send, and its message must therefore be the first of a chunk), and for peers
 * that do not receive. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/private.h"

/* Capacity of small chunks: a page with malloc's and the chunk's own header. */
#define CHUNK_SMALL (4096u - 16u - (uint32_t)sizeof(struct connection_chunk))

static struct connection_chunk *chunk_new(uint32_t capacity)
{
    struct connection_chunk *chunk = malloc(sizeof(*chunk) + capacity);

    if (chunk != NULL)
        *chunk = (struct connection_chunk){.capacity = capacity, .fd = -1};
    return chunk;
}

struct connection_chunk *output_large_new(void)
{
    struct connection_chunk *chunk = chunk_new(BUFFER_SIZE);

    if (chunk != NULL)
        chunk->large = true;
    return chunk;
}

/* Give back a chunk whose bytes are no longer needed. The server owns only its one large chunk; a
 * chunk of the same size may have been made for a large message meanwhile. */
static void chunk_release(struct server *server, struct connection_chunk *chunk)
{
    if (chunk->fd >= 0)
        close(chunk->fd); /* a duplicate of our own */
    if (!chunk->large) {
        free(chunk);
        return;
    }
    chunk->next = NULL;
    chunk->size = 0;
    chunk->sent = 0;
    chunk->fd = -1;
    server->spare = chunk;
}

/* The server's large chunk. It is kept for the connection that is being handled, and not given to one
 * that is blocked: NULL. */
static struct connection_chunk *large_take(const struct connection *connection)
{
    struct server *server = connection->server;
    struct connection_chunk *chunk = server->spare;

    if (chunk == NULL || connection->blocked ||
        (server->handling != NULL && server->handling != connection))
        return NULL;
    server->spare = NULL;
    return chunk;
}

/* An empty chunk for a connection; NULL: no memory. */
static struct connection_chunk *chunk_take(const struct connection *connection, uint32_t size)
{
    struct connection_chunk *chunk = large_take(connection);

    return chunk != NULL ? chunk : chunk_new(size > CHUNK_SMALL ? size : CHUNK_SMALL);
}

static void output_pop(struct connection *connection)
{
    struct connection_chunk *chunk = connection->output;

    connection->output = chunk->next;
    if (connection->output == NULL)
        connection->output_last = NULL;
    chunk_release(connection->server, chunk);
}

/* The server's large chunk as the first of a connection without output; NULL: it may not have it. */
static struct connection_chunk *large_begin(struct connection *connection)
{
    struct connection_chunk *chunk = large_take(connection);

    check(connection->output == NULL);
    connection->output = chunk;
    connection->output_last = chunk;
    return chunk;
}

uint8_t *output_room(struct connection *connection, uint32_t size)
{
    struct connection_chunk *chunk = connection->output_last;

    if (chunk == NULL)
        chunk = large_begin(connection);
    if (chunk == NULL || chunk->capacity - chunk->size < size)
        return NULL;
    return chunk->bytes + chunk->size;
}

void output_count(struct connection *connection, uint32_t size)
{
    connection->output_last->size += size;
    if (connection->output_last->size == 0) {
        output_pop(connection); /* nothing was put into the large one */
        return;
    }
    connection->queued += size;
    connection->owner->output += size;
    connection->server->output += size;
}

/* `size` bytes fewer wait. */
static void output_uncount(struct connection *connection, uint32_t size)
{
    connection->queued -= size;
    connection->owner->output -= size;
    connection->server->output -= size;
}

/* Put a new chunk behind the output. Returns its bytes; NULL: no memory. */
static uint8_t *chunk_append(struct connection *connection, uint32_t size, int consume_fd)
{
    struct connection_chunk *chunk = chunk_take(connection, size);

    if (chunk == NULL)
        return NULL;
    chunk->fd = consume_fd;
    if (connection->output_last != NULL)
        connection->output_last->next = chunk;
    else
        connection->output = chunk;
    connection->output_last = chunk;
    return chunk->bytes;
}

int output_append(struct connection *connection, const uint8_t *bytes, uint32_t size,
                  int consume_fd)
{
    uint8_t *room = consume_fd < 0 ? output_room(connection, size) : NULL;

    if (room == NULL)
        room = chunk_append(connection, size, consume_fd);
    if (room == NULL)
        return -ENOMEM;
    memcpy(room, bytes, size);
    output_count(connection, size);
    connection->queued_fds += consume_fd >= 0;
    return 0;
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
        output_uncount(connection, (uint32_t)sent);
        if (chunk->sent == chunk->size)
            output_pop(connection);
    }
    return 0;
}

void output_discard(struct connection *connection)
{
    while (connection->output != NULL)
        output_pop(connection);
    output_uncount(connection, connection->queued);
    connection->queued_fds = 0;
}

/* Swap the large chunk, if it is among the output, for one of the size of what is left in it: a
 * peer that does not receive must not keep more memory than it is owed, nor keep others from using
 * that chunk. Without memory for the copy it keeps the chunk. */
void output_shrink(struct connection *connection)
{
    struct connection_chunk *last = NULL;
    struct connection_chunk *large = connection->output;
    struct connection_chunk *small;
    uint32_t left;

    while (large != NULL && !large->large) {
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
