#include "places.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

/* What a client asks for. */
struct opening {
    char path[WIRE_PATH_WORDS * 4 + 1];
    unsigned flags; /* WIRE_FILE_* */
};

/* A path, NUL-terminated; false if it is none. */
static bool take_path(struct opening *opening, const struct wire_number *words, uint32_t count,
                      uint32_t bytes)
{
    if (bytes > 4u * count)
        return false;
    for (uint32_t i = 0; i < bytes; i++)
        opening->path[i] = (char)(words[i / 4].value >> i % 4 * 8 & 0xff);
    opening->path[bytes] = '\0';
    check(bytes <= WIRE_PATH_WORDS * 4);
    return strlen(opening->path) == bytes;
}

static bool take_opening(struct opening *opening, const struct wire_message *message)
{
    check(message->type == WIRE_FILE_OPEN || message->type == WIRE_FILE_OPEN_AS);
    opening->flags = 0;
    if (message->type == WIRE_FILE_OPEN)
        return take_path(opening, message->file_open.path, message->file_open.path_count,
                         message->file_open.bytes);
    opening->flags = message->file_open_as.flags;
    if (opening->flags >= WIRE_FILE_OPEN_FLAGS ||
        (opening->flags != 0 && (opening->flags & WIRE_FILE_WRITING) == 0) ||
        (opening->flags & (WIRE_FILE_CREATE | WIRE_FILE_EXCLUSIVE)) == WIRE_FILE_EXCLUSIVE)
        return false;
    return take_path(opening, message->file_open_as.path, message->file_open_as.path_count,
                     message->file_open_as.bytes);
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

static int open_file(struct service *service, const struct session *session,
                     const struct opening *opening, struct file *file)
{
    int result = opening->flags != 0 && service->options->read_only
                     ? -EROFS
                     : files_open(service->root, opening->path, opening->flags, file);

    check(result <= 0);
    if (result == 0 && file->fd < 0 && count_lists(session) == SESSION_LISTS) {
        files_close(file);
        result = -EMFILE;
    }
    if (result == 0 && (opening->flags & WIRE_FILE_TRUNCATE) != 0)
        cache_drop(&service->cache, &file->key, true);
    return result;
}

void places_on_open(struct connection *connection, const struct wire_message *message)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;
    struct wire_message reply = {.type = WIRE_FILE_OPENED, .seq = message->seq};
    struct opening opening;
    struct file *file;
    uint32_t place = 0;
    int result;

    while (place < SESSION_FILES && session->place[place].open)
        place++;
    if (place == SESSION_FILES || !take_opening(&opening, message)) {
        connection_send_done(connection, message, place == SESSION_FILES ? -EMFILE : -EINVAL, 0,
                             place == SESSION_FILES
                                 ? "64 files are open"
                                 : "this is not a path, or there are no such flags");
        return;
    }
    file = &session->place[place].file;
    result = open_file(service, session, &opening, file);
    if (result != 0) {
        connection_send_done(connection, message, result, 0, strerror(-result));
        return;
    }
    session->place[place].open = true;
    service->counters.files++;
    service->counters.opens++;
    reply.file_opened.file = place + 1;
    reply.file_opened.form = file->fd < 0 ? WIRE_FORM_DIRECTORY : WIRE_FORM_FILE;
    reply.file_opened.size = file->size;
    connection_send(connection, &reply, -1);
}

struct file *places_find(struct session *session, uint32_t number)
{
    if (number == 0 || number > SESSION_FILES || !session->place[number - 1].open)
        return NULL;
    check(session->greeted);
    return &session->place[number - 1].file;
}

/* Close what is open in a place of a session. */
static void close_place(struct service *service, struct session *session, uint32_t place)
{
    check(session->place[place].open && service->counters.files > 0);
    files_close(&session->place[place].file);
    session->place[place].open = false;
    service->counters.files--;
}

void places_on_close(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;

    if (places_find(session, message->file_close.file) == NULL) {
        connection_send_done(connection, message, -EBADF, 0, "no such file is open");
        return;
    }
    close_place(service_of(connection), session, message->file_close.file - 1);
    connection_send_done(connection, message, 0, 0, NULL);
}

void places_close_all(struct service *service, struct session *session)
{
    for (uint32_t i = 0; i < SESSION_FILES; i++)
        if (session->place[i].open)
            close_place(service, session, i);
    check(count_lists(session) == 0);
}
