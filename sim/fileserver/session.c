#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "counting.h"

/* How long a client's container is locked at most. */
#define LOCK_NS UINT64_C(1000000000)

static struct service *service_of(const struct connection *connection)
{
    return connection->server->user;
}

static int on_accept(struct connection *connection, const struct sock_peer *peer)
{
    (void)peer;
    connection->user = calloc(1, sizeof(struct session));
    return connection->user != NULL ? 0 : -ENOMEM;
}

/* Close what is open in a place of a session. */
static void close_place(struct service *service, struct session *session, uint32_t place)
{
    check(session->place[place].open && service->counters.files > 0);
    files_close(&session->place[place].file);
    session->place[place].open = false;
    service->counters.files--;
}

static void on_close(struct connection *connection, enum connection_end end, const char *reason)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;

    (void)end;
    if (service->options->verbose)
        log_line(&service->server.log, "leave", "process %ld leaves: %s",
                 (long)connection->peer.pid, reason);
    for (uint32_t i = 0; i < SESSION_FILES; i++)
        if (session->place[i].open)
            close_place(service, session, i);
    service->counters.clients -= session->greeted && !session->observer;
    if (session->container != 0)
        (void)sp_container_drop(service->task, session->container, NULL);
    check(session->greeted || session->container == 0);
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

/* The path of an OPEN, NUL-terminated; false if it is none. */
static bool take_path(const struct wire_message *message, char path[WIRE_PATH_WORDS * 4 + 1])
{
    uint32_t bytes = message->file_open.bytes;

    if (bytes > 4u * message->file_open.path_count)
        return false;
    for (uint32_t i = 0; i < bytes; i++)
        path[i] = (char)(message->file_open.path[i / 4].value >> i % 4 * 8 & 0xff);
    path[bytes] = '\0';
    check(bytes <= WIRE_PATH_WORDS * 4);
    return strlen(path) == bytes;
}

/* Directories that a client has open. */
static uint32_t count_lists(const struct session *session)
{
    uint32_t lists = 0;

    for (uint32_t i = 0; i < SESSION_FILES; i++)
        lists += session->place[i].open && session->place[i].file.fd < 0;
    check(lists <= SESSION_LISTS);
    return lists;
}

static void on_open(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct wire_message reply = {.type = WIRE_FILE_OPENED, .seq = message->seq};
    char path[WIRE_PATH_WORDS * 4 + 1];
    uint32_t place = 0;
    int result;

    while (place < SESSION_FILES && session->place[place].open)
        place++;
    if (place == SESSION_FILES || !take_path(message, path)) {
        connection_send_done(connection, message, place == SESSION_FILES ? -EMFILE : -EINVAL, 0,
                             place == SESSION_FILES ? "64 files are open" : "this is not a path");
        return;
    }
    result = files_open(service->root, path, &session->place[place].file);
    if (result == 0 && session->place[place].file.fd < 0 && count_lists(session) == SESSION_LISTS) {
        files_close(&session->place[place].file);
        result = -EMFILE;
    }
    if (result != 0) {
        connection_send_done(connection, message, result, 0, strerror(-result));
        return;
    }
    session->place[place].open = true;
    service->counters.files++;
    service->counters.opens++;
    reply.file_opened.file = place + 1;
    reply.file_opened.form =
        session->place[place].file.fd < 0 ? WIRE_FORM_DIRECTORY : WIRE_FORM_FILE;
    reply.file_opened.size = session->place[place].file.size;
    connection_send(connection, &reply, -1);
}

/* The open file of this number, or NULL. */
static struct file *find(struct session *session, uint32_t number)
{
    if (number == 0 || number > SESSION_FILES || !session->place[number - 1].open)
        return NULL;
    return &session->place[number - 1].file;
}

static void on_file_close(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;
    struct file *file = find(session, message->file_close.file);

    if (file == NULL) {
        connection_send_done(connection, message, -EBADF, 0, "no such file is open");
        return;
    }
    close_place(service_of(connection), session, message->file_close.file - 1);
    connection_send_done(connection, message, 0, 0, NULL);
}

static void on_buffer(struct connection *connection, const struct wire_message *message)
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
    connection_send_done(connection, message, result, 0, result != 0 ? error.text : NULL);
}

struct reading {
    const struct file *file;
    uint64_t number;
};

static int64_t fill(void *arg, char *buffer)
{
    const struct reading *reading = arg;

    return files_read(reading->file, reading->number, buffer);
}

/* Copy a chunk to the client's container, and see that the client did nothing with it meanwhile. */
static int deliver(struct service *service, const struct session *session,
                   const struct chunk *chunk, uint32_t slot)
{
    const struct sp_locked_copy copy = {
        .locked = session->container,
        .from = service->cache.container,
        .to = session->container,
        .from_first = chunk->first,
        .to_first = slot,
        .count = (chunk->bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE,
        .lock_ns = LOCK_NS,
    };

    check(copy.count <= CACHE_CHUNK);
    return copy.count == 0 ? 0 : sp_container_copy_locked(service->task, &copy, NULL);
}

static int read_chunk(struct service *service, const struct session *session,
                      const struct wire_message *message, struct file *file, uint32_t *bytesp)
{
    struct reading reading = {file, message->file_read.page / CACHE_CHUNK};
    struct chunk_key key;
    const struct chunk *chunk;
    int result = files_look(file);

    if (result != 0)
        return result;
    if (session->container == 0)
        return -ENOTCONN;
    if (message->file_read.page % CACHE_CHUNK != 0 || session->slots < CACHE_CHUNK ||
        message->file_read.slot > session->slots - CACHE_CHUNK)
        return -EINVAL;
    key = file->key;
    key.number = reading.number;
    chunk = cache_get(&service->cache, &key, fill, &reading, &result);
    if (chunk == NULL)
        return result;
    *bytesp = chunk->bytes;
    return deliver(service, session, chunk, message->file_read.slot);
}

static void on_read(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct file *file = find(session, message->file_read.file);
    struct wire_message reply = {.type = WIRE_FILE_DATA, .seq = message->seq};
    int result = -EBADF;

    service->counters.reads++;
    if (file != NULL)
        result = read_chunk(service, session, message, file, &reply.file_data.bytes);
    if (result != 0) {
        service->counters.refused++;
        connection_send_done(connection, message, result, 0, strerror(-result));
        return;
    }
    service->counters.bytes += reply.file_data.bytes;
    reply.file_data.size = file->size;
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
        on_open(connection, message);
        return true;
    case WIRE_FILE_CLOSE:
        on_file_close(connection, message);
        return true;
    case WIRE_FILE_BUFFER:
        on_buffer(connection, message);
        return true;
    case WIRE_FILE_READ:
        on_read(connection, message);
        return true;
    default:
        return false;
    }
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
    else if (session->observer || !take_request(connection, message))
        connection_close(connection, CONNECTION_VIOLATION, "%s may not be sent by %s",
                         message_type_name(message->type),
                         session->observer ? "an observer" : "a client of files");
}

const struct server_handlers session_handlers = {
    .on_accept = on_accept,
    .on_message = on_message,
    .on_close = on_close,
};
