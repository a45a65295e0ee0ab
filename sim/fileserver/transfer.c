#include "transfer.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "jobs.h"
#include "places.h"

#define CHUNK_BYTES ((uint32_t)CHUNKS_PAGES * SP_PAGE_SIZE)

/* How long a client's container is locked at most. */
#define LOCK_NS UINT64_C(1000000000)

/* ---- The client's container ---- */

void transfer_end(struct service *service, struct session *session)
{
    struct session **link = &service->givers;

    if (session->container == 0)
        return;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    if (!session->over)
        (void)sp_container_drop(service->task, session->container, NULL);
    session->container = 0;
    check(session->slots > 0);
}

/* The client gives a container. Physmem gives numbers of containers again, and a task has a container once: if the number
 * is that of another client's, that one's container is gone, and what it asks for must not come to this one. */
static void begin(struct service *service, struct session *session, const struct sp_weak *weak)
{
    check(session->container == 0 && weak->container != 0);
    for (struct session *other = service->givers; other != NULL; other = other->next)
        other->over = other->over || other->container == weak->container;
    session->container = weak->container;
    session->slots = weak->pages;
    session->over = false;
    session->next = service->givers;
    service->givers = session;
}

void transfer_on_buffer(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct sp_weak weak;
    struct sp_error error;
    int result;

    transfer_end(service, session);
    /* What another client has shared with this task by its number is nothing that this one may name. */
    if (message->file_buffer.token == 0)
        result = error_set(&error, EPERM, "a client shows the token of its container");
    else
        result = sp_container_adopt(service->task, message->file_buffer.container,
                                    message->file_buffer.token, &weak, &error);
    if (result == 0)
        begin(service, session, &weak);
    check(session->greeted && !session->observer);
    connection_send_done(connection, message, result, 0, result != 0 ? error.text : NULL);
}

/* Whether 16 pages of a file from `page`, and slots from `slot`, can be asked for. */
static int check_places(const struct session *session, uint32_t page, uint32_t slot)
{
    check(session->slots > 0 || session->container == 0);
    if (session->container == 0)
        return -ENOTCONN;
    if (page % CHUNKS_PAGES != 0 || session->slots < CHUNKS_PAGES ||
        slot > session->slots - CHUNKS_PAGES)
        return -EINVAL;
    return 0;
}

/* ---- Reading ---- */

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

    check(part->page + copy.count <= CHUNKS_PAGES);
    if (session->over)
        return -ENOENT;
    return copy.count == 0 ? 0 : sp_container_copy_locked(service->task, &copy, NULL);
}

static uint32_t pages_of(const struct chunk *chunk)
{
    check(chunk->bytes <= CHUNK_BYTES);
    return (chunk->bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
}

/* What a request wants of a file, or a negative errno. */
static int take_part(const struct session *session, const struct wire_message *message,
                     struct part *part)
{
    int result = 0;

    check(message->type == WIRE_FILE_READ || message->type == WIRE_FILE_FILL);
    if (message->type == WIRE_FILE_READ) {
        *part = (struct part){.number = message->file_read.page / CHUNKS_PAGES,
                              .slot = message->file_read.slot};
        return check_places(session, message->file_read.page, message->file_read.slot);
    }
    *part = (struct part){.number = message->file_fill.page / CHUNKS_PAGES,
                          .page = message->file_fill.page % CHUNKS_PAGES,
                          .count = message->file_fill.count,
                          .slot = message->file_fill.slot};
    if (session->container == 0)
        result = -ENOTCONN;
    else if (part->count == 0 || part->count > CHUNKS_PAGES - part->page ||
             part->count > session->slots || part->slot > session->slots - part->count)
        result = -EINVAL;
    return result;
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

/* A chunk is there: all of it for a read; the pages of it for a region, which cannot be filled with pages that the
 * file does not have any more. */
static void serve(struct connection *connection, const struct wire_message *message,
                  const struct file *file, const struct chunk *chunk)
{
    struct service *service = service_of(connection);
    uint32_t bytes = chunk->bytes;
    struct part part;
    int result = take_part(connection->user, message, &part);

    check(result == 0);
    if (message->type == WIRE_FILE_READ)
        part.count = pages_of(chunk);
    else if (part.page + part.count > pages_of(chunk))
        result = -ENXIO;
    else
        bytes = part.count * SP_PAGE_SIZE;
    if (result == 0)
        result = deliver(service, connection->user, chunk, &part);
    if (result == 0)
        service->counters.bytes += bytes;
    answer(connection, message, file, result, bytes);
}

static uint32_t file_asked(const struct wire_message *message)
{
    return message->type == WIRE_FILE_READ ? message->file_read.file : message->file_fill.file;
}

/* The key of the chunk that a request wants. */
static struct chunk_key key_asked(const struct session *session, const struct wire_message *message,
                                  const struct file *file)
{
    struct chunk_key key = file->key;
    struct part part;

    if (take_part(session, message, &part) == 0)
        key.number = part.number;
    check(key.size == file->size);
    return key;
}

/* In a thread. */
static void run_read(struct job *job)
{
    uint32_t page = job->request.type == WIRE_FILE_READ ? job->request.file_read.page
                                                        : job->request.file_fill.page;

    job->result = files_read(&job->file, page / CHUNKS_PAGES, job->bytes);
    check(job->result <= (int64_t)CHUNK_BYTES);
}

static void end_read(struct job *job)
{
    struct connection *connection = job->connection;
    struct service *service = job->service;
    const struct chunk *chunk;
    struct chunk_key key;
    int result = job->result < 0 ? (int)job->result : 0;

    if (connection == NULL)
        return;
    check(places_find(connection->user, file_asked(&job->request)) != NULL);
    key = key_asked(connection->user, &job->request, &job->file);
    chunk =
        result == 0 ? cache_find(&service->cache, &key) : NULL; /* others may have read it, too */
    if (chunk == NULL && result == 0)
        chunk = cache_fill(&service->cache, &key, job->bytes, (uint32_t)job->result,
                           job->forgotten == service->cache.forgotten, &result);
    if (chunk != NULL)
        serve(connection, &job->request, &job->file, chunk);
    else
        answer(connection, &job->request, &job->file, result, 0);
}

/* What can be read at once is: the list of a directory, which lies in memory, and what the kernel has at hand. False: a
 * thread must read it. */
static bool read_now(struct connection *connection, const struct wire_message *message,
                     const struct file *file, const struct chunk_key *key)
{
    static char buffer[CHUNKS_PAGES * SP_PAGE_SIZE];
    int64_t bytes = file->fd < 0 ? files_read(file, key->number, buffer)
                                 : files_read_now(file, key->number, buffer);
    const struct chunk *chunk;
    int result;

    check(file->fd >= 0 || bytes >= 0);
    if (bytes < 0)
        return false;
    chunk = cache_fill(&service_of(connection)->cache, key, buffer, (uint32_t)bytes, true, &result);
    if (chunk != NULL)
        serve(connection, message, file, chunk);
    else
        answer(connection, message, file, result, 0);
    return true;
}

/* The file is as it was looked at. */
static void read_looked(struct connection *connection, const struct wire_message *message,
                        const struct file *file)
{
    struct chunk_key key = key_asked(connection->user, message, file);
    const struct chunk *chunk = cache_find(&service_of(connection)->cache, &key);
    struct job *job;
    int result;

    if (chunk != NULL) {
        serve(connection, message, file, chunk);
        return;
    }
    if (!jobs_writing(service_of(connection), &key) && read_now(connection, message, file, &key))
        return;
    job = jobs_new(connection, message, file, &result);
    check(job != NULL || result < 0);
    if (job != NULL)
        jobs_start_in_turn(job, key.number, false, run_read, end_read);
    else
        answer(connection, message, file, result, 0);
}

/* In a thread. */
static void run_look(struct job *job)
{
    job->result = files_look(&job->file);
    check(job->result <= 0);
}

static void end_look(struct job *job)
{
    struct file *file;

    if (job->connection == NULL)
        return;
    file = places_find(job->connection->user, file_asked(&job->request));
    ensure(file != NULL);
    file->size = job->file.size;
    file->key = job->file.key;
    if (job->result == 0)
        read_looked(job->connection, &job->request, file);
    else
        answer(job->connection, &job->request, file, (int)job->result, 0);
}

static void on_read(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;
    struct file *file = places_find(session, file_asked(message));
    struct job *job = NULL;
    struct part part;
    int result = file == NULL ? -EBADF : take_part(session, message, &part);

    service_of(connection)->counters.reads++;
    if (result == 0 && file->distant)
        job = jobs_new(connection, message, file, &result);
    else if (result == 0)
        result = files_look(file);
    check(file != NULL || result != 0);
    if (job != NULL)
        jobs_start(job, run_look, end_look);
    else if (result == 0)
        read_looked(connection, message, file);
    else
        answer(connection, message, file, result, 0);
}

void transfer_on_read(struct connection *connection, const struct wire_message *message)
{
    check(message->type == WIRE_FILE_READ);
    on_read(connection, message);
}

void transfer_on_fill(struct connection *connection, const struct wire_message *message)
{
    check(message->type == WIRE_FILE_FILL);
    on_read(connection, message);
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
    *writing = (struct writing){.number = message->file_write.page / CHUNKS_PAGES,
                                .slot = message->file_write.slot,
                                .first = first,
                                .bytes = bytes,
                                .page = first / SP_PAGE_SIZE};
    writing->pages = (first + bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE - writing->page;
    check(writing->page + writing->pages <= CHUNKS_PAGES);
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

    check(chunk->first % CHUNKS_PAGES == 0);
    return session->over ? -ENOENT : sp_container_copy_locked(service->task, &copy, NULL);
}

/* The chunk is what the file holds there if whole pages were written from its beginning on, up to
 * its end or that of the file, and nobody else wrote meanwhile. Less than a page would bring bytes of the client's to
 * others. */
static void keep(const struct job *job, const struct writing *writing)
{
    struct cache *cache = &job->service->cache;
    struct chunk_key key = job->file.key;
    uint64_t end = writing->number * CHUNK_BYTES + writing->bytes;

    check(job->chunk != NULL);
    key.number = writing->number;
    if (job->forgotten == cache->forgotten && writing->first == 0 &&
        writing->bytes % SP_PAGE_SIZE == 0 &&
        (writing->bytes == CHUNK_BYTES || end == job->file.size))
        cache_keep(cache, job->chunk, job->stamp, &key, writing->bytes);
}

/* In a thread. */
static void run_write(struct job *job)
{
    const struct wire_message *message = &job->request;
    uint32_t first = message->file_write.first;

    job->result = files_write(
        &job->file, (uint64_t)(message->file_write.page / CHUNKS_PAGES) * CHUNK_BYTES + first,
        job->bytes + first % SP_PAGE_SIZE, message->file_write.bytes);
    check(job->result <= (int64_t)message->file_write.bytes);
    if (job->result >= 0 && files_look(&job->file) != 0)
        job->file.key.changed_ns = 0; /* nothing is known of it */
}

static void end_write(struct job *job)
{
    struct connection *connection = job->connection;
    struct service *service = job->service;
    struct session *session = connection != NULL ? connection->user : NULL;
    bool others = job->forgotten != service->cache.forgotten;
    struct chunk_key key = job->file.key;
    struct writing writing;
    struct file *file;

    key.number = job->request.file_write.page / CHUNKS_PAGES;
    cache_drop(&service->cache, &key, false); /* what was read meanwhile may be half of it */
    if (!others)
        job->forgotten = service->cache.forgotten;
    if (session == NULL)
        return;
    file = places_find(session, job->request.file_write.file);
    ensure(file != NULL);
    if (job->result < 0) {
        answer(connection, &job->request, file, (int)job->result, 0);
        return;
    }
    file->size = job->file.size;
    file->key = job->file.key;
    service->counters.bytes_written += (uint64_t)job->result;
    if (take_writing(session, &job->request, &writing) == 0 && job->file.key.changed_ns != 0 &&
        job->result == writing.bytes)
        keep(job, &writing);
    answer(connection, &job->request, file, 0, (uint32_t)job->result);
}

/* Have the client's bytes in the job. Returns 0 or a negative errno. */
static int take_bytes(struct job *job, const struct session *session, const struct writing *writing)
{
    struct service *service = job->service;
    struct chunk_key key = job->file.key;
    struct chunk *chunk;
    int result;

    chunk = cache_begin(&service->cache, &result);
    if (chunk != NULL)
        result = collect(service, session, writing, chunk);
    if (result == 0)
        result = cache_bytes(&service->cache, chunk, writing->page, writing->pages, job->bytes);
    if (result != 0)
        return result;
    key.number = writing->number;
    cache_drop(&service->cache, &key, false);
    job->forgotten = service->cache.forgotten;
    job->chunk = chunk;
    job->stamp = chunk->stamp;
    check(job->stamp > 0);
    return 0;
}

void transfer_on_write(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    const struct file *file = places_find(session, message->file_write.file);
    struct writing writing;
    struct job *job = NULL;
    int result =
        file == NULL || !file->writable ? -EBADF : take_writing(session, message, &writing);

    service->counters.writes++;
    if (result == 0)
        job = jobs_new(connection, message, file, &result);
    if (job != NULL)
        result = take_bytes(job, session, &writing);
    check(file != NULL || result != 0);
    if (job != NULL && result == 0) {
        jobs_start_in_turn(job, writing.number, true, run_write, end_write);
        return;
    }
    if (job != NULL)
        jobs_drop(job);
    answer(connection, message, file, result, 0);
}
