#include "transfer.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "places.h"

#define CHUNK_BYTES ((uint32_t)CACHE_CHUNK * SP_PAGE_SIZE)

/* How long a client's container is locked at most. */
#define LOCK_NS UINT64_C(1000000000)

/* ---- The client's container ---- */

void transfer_on_buffer(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct sp_weak weak;
    struct sp_error error;
    int result;

    if (session->container != 0)
        (void)sp_container_drop(service->task, session->container, NULL);
    session->container = 0;
    result = sp_container_adopt(service->task, message->file_buffer.container,
                                message->file_buffer.token, &weak, &error);
    if (result == 0) {
        session->container = weak.container;
        session->slots = weak.pages;
    }
    check(session->greeted && !session->observer);
    connection_send_done(connection, message, result, 0, result != 0 ? error.text : NULL);
}

/* Whether 16 pages of a file from `page`, and slots from `slot`, can be asked for. */
static int check_places(const struct session *session, uint32_t page, uint32_t slot)
{
    check(session->slots > 0 || session->container == 0);
    if (session->container == 0)
        return -ENOTCONN;
    if (page % CACHE_CHUNK != 0 || session->slots < CACHE_CHUNK ||
        slot > session->slots - CACHE_CHUNK)
        return -EINVAL;
    return 0;
}

/* ---- Reading ---- */

struct reading {
    const struct file *file;
    uint64_t number;
};

static int64_t fill(void *arg, char *buffer)
{
    const struct reading *reading = arg;

    return files_read(reading->file, reading->number, buffer);
}

/* Pages of a chunk, and where they go. */
struct part {
    uint64_t number; /* of the chunk */
    uint32_t page;   /* of the chunk */
    uint32_t count;
    uint32_t slot;
};

/* Copy pages to the client's container, and see that the client did nothing with it meanwhile. */
static int deliver(struct service *service, const struct session *session,
                   const struct chunk *chunk, const struct part *part)
{
    const struct sp_locked_copy copy = {
        .locked = session->container,
        .from = service->cache.container,
        .to = session->container,
        .from_first = chunk->first + part->page,
        .to_first = part->slot,
        .count = part->count,
        .lock_ns = LOCK_NS,
    };

    check(part->page + copy.count <= CACHE_CHUNK);
    return copy.count == 0 ? 0 : sp_container_copy_locked(service->task, &copy, NULL);
}

/* The chunk of a file as it is now. */
static const struct chunk *find_chunk(struct service *service, struct file *file, uint64_t number,
                                      int *errorp)
{
    struct reading reading = {file, number};
    struct chunk_key key;

    *errorp = files_look(file);
    if (*errorp != 0)
        return NULL;
    key = file->key;
    key.number = number;
    check(key.size == file->size);
    return cache_get(&service->cache, &key, fill, &reading, errorp);
}

static uint32_t pages_of(const struct chunk *chunk)
{
    check(chunk->bytes <= CHUNK_BYTES);
    return (chunk->bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
}

static int read_chunk(struct service *service, const struct session *session,
                      const struct wire_message *message, struct file *file, uint32_t *bytesp)
{
    struct part part = {.number = message->file_read.page / CACHE_CHUNK,
                        .slot = message->file_read.slot};
    const struct chunk *chunk;
    int result = check_places(session, message->file_read.page, message->file_read.slot);

    if (result != 0)
        return result;
    chunk = find_chunk(service, file, part.number, &result);
    if (chunk == NULL)
        return result;
    part.count = pages_of(chunk);
    *bytesp = chunk->bytes;
    return deliver(service, session, chunk, &part);
}

/* The same for a region: pages that the file does not have any more cannot be filled. */
static int fill_slots(struct service *service, const struct session *session,
                      const struct wire_message *message, struct file *file, uint32_t *bytesp)
{
    struct part part = {.number = message->file_fill.page / CACHE_CHUNK,
                        .page = message->file_fill.page % CACHE_CHUNK,
                        .count = message->file_fill.count,
                        .slot = message->file_fill.slot};
    const struct chunk *chunk;
    int result = 0;

    if (session->container == 0)
        return -ENOTCONN;
    if (part.count == 0 || part.count > CACHE_CHUNK - part.page || part.count > session->slots ||
        part.slot > session->slots - part.count)
        return -EINVAL;
    chunk = find_chunk(service, file, part.number, &result);
    if (chunk == NULL)
        return result;
    if (part.page + part.count > pages_of(chunk))
        return -ENXIO;
    *bytesp = part.count * SP_PAGE_SIZE;
    check(*bytesp <= CHUNK_BYTES);
    return deliver(service, session, chunk, &part);
}

/* The answer to a read or a write. */
static void answer(struct connection *connection, const struct wire_message *message,
                   const struct file *file, int result, uint32_t bytes)
{
    struct wire_message reply = {.type = WIRE_FILE_DATA, .seq = message->seq};

    check(result <= 0 && bytes <= CHUNK_BYTES);
    if (result != 0) {
        service_of(connection)->counters.refused++;
        connection_send_done(connection, message, result, 0, strerror(-result));
        return;
    }
    reply.file_data.bytes = bytes;
    reply.file_data.size = file->size;
    connection_send(connection, &reply, -1);
}

typedef int read_how(struct service *service, const struct session *session,
                     const struct wire_message *message, struct file *file, uint32_t *bytesp);

static void serve_read(struct connection *connection, const struct wire_message *message,
                       uint32_t number, read_how *how)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct file *file = places_find(session, number);
    uint32_t bytes = 0;
    int result = -EBADF;

    service->counters.reads++;
    if (file != NULL)
        result = how(service, session, message, file, &bytes);
    if (result == 0)
        service->counters.bytes += bytes;
    check(file != NULL || result != 0);
    answer(connection, message, file, result, bytes);
}

void transfer_on_read(struct connection *connection, const struct wire_message *message)
{
    check(message->type == WIRE_FILE_READ);
    serve_read(connection, message, message->file_read.file, read_chunk);
}

void transfer_on_fill(struct connection *connection, const struct wire_message *message)
{
    check(message->type == WIRE_FILE_FILL);
    serve_read(connection, message, message->file_fill.file, fill_slots);
}

/* ---- Writing ---- */

/* A part of a chunk of a file, in the client's slots. */
struct writing {
    uint64_t number; /* of the chunk */
    uint32_t slot;
    uint32_t first; /* byte of the chunk */
    uint32_t bytes;
    uint32_t page, pages; /* of the chunk that have these bytes */
};

static int take_writing(const struct session *session, const struct wire_message *message,
                        struct writing *writing)
{
    uint32_t first = message->file_write.first, bytes = message->file_write.bytes;
    int result = check_places(session, message->file_write.page, message->file_write.slot);

    if (result != 0)
        return result;
    if (bytes == 0 || first >= CHUNK_BYTES || bytes > CHUNK_BYTES - first)
        return -EINVAL;
    *writing = (struct writing){.number = message->file_write.page / CACHE_CHUNK,
                                .slot = message->file_write.slot,
                                .first = first,
                                .bytes = bytes,
                                .page = first / SP_PAGE_SIZE};
    writing->pages = (first + bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE - writing->page;
    check(writing->page + writing->pages <= CACHE_CHUNK);
    return 0;
}

/* Copy the client's pages to a chunk. From then on they are what they are. */
static int collect(struct service *service, const struct session *session,
                   const struct writing *writing, const struct chunk *chunk)
{
    const struct sp_locked_copy copy = {
        .locked = session->container,
        .from = session->container,
        .to = service->cache.container,
        .from_first = writing->slot + writing->page,
        .to_first = chunk->first + writing->page,
        .count = writing->pages,
        .lock_ns = LOCK_NS,
    };

    check(chunk->state == CHUNK_EMPTY);
    return sp_container_copy_locked(service->task, &copy, NULL);
}

/* The chunk is what the file holds there if whole pages were written from its beginning on, up to
 * its end or that of the file. Less than a page would bring bytes of the client's to others. */
static void keep(struct service *service, struct chunk *chunk, const struct writing *writing,
                 const struct file *file)
{
    struct chunk_key key = file->key;
    uint64_t end = writing->number * CHUNK_BYTES + writing->bytes;

    check(chunk->state == CHUNK_EMPTY);
    key.number = writing->number;
    if (writing->first == 0 && writing->bytes % SP_PAGE_SIZE == 0 &&
        (writing->bytes == CHUNK_BYTES || end == file->size))
        cache_keep(&service->cache, chunk, &key, writing->bytes);
}

static int write_chunk(struct service *service, const struct session *session,
                       const struct wire_message *message, struct file *file, uint32_t *bytesp)
{
    static char buffer[CACHE_CHUNK * SP_PAGE_SIZE];
    struct writing writing;
    struct chunk_key key = file->key;
    struct chunk *chunk;
    int64_t written;
    int result = file->writable ? take_writing(session, message, &writing) : -EBADF;

    if (result != 0)
        return result;
    chunk = cache_begin(&service->cache, &result);
    if (chunk != NULL)
        result = collect(service, session, &writing, chunk);
    if (result == 0)
        result = cache_bytes(&service->cache, chunk, writing.page, writing.pages, buffer);
    if (result != 0)
        return result;
    key.number = writing.number;
    cache_drop(&service->cache, &key, false);
    written = files_write(file, writing.number * CHUNK_BYTES + writing.first,
                          buffer + writing.first % SP_PAGE_SIZE, writing.bytes);
    if (written < 0)
        return (int)written;
    check(written <= writing.bytes);
    *bytesp = (uint32_t)written;
    if (files_look(file) == 0 && written == writing.bytes)
        keep(service, chunk, &writing, file);
    return 0;
}

void transfer_on_write(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct file *file = places_find(session, message->file_write.file);
    uint32_t bytes = 0;
    int result = -EBADF;

    service->counters.writes++;
    if (file != NULL)
        result = write_chunk(service, session, message, file, &bytes);
    if (result == 0)
        service->counters.bytes_written += bytes;
    check(file != NULL || result != 0);
    answer(connection, message, file, result, bytes);
}
