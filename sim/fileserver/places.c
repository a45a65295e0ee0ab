#include "places.h"

#include <errno.h>
#include <string.h>

#include "base/allotment.h"
#include "base/assert.h"
#include "io/discard.h"
#include "jobs.h"

/* The flags, WIRE_FILE_*, of a request to open. */
static unsigned flags_asked(const struct wire_message *message)
{
    check(message->type == WIRE_FILE_OPEN || message->type == WIRE_FILE_OPEN_AS);
    return message->type == WIRE_FILE_OPEN ? 0 : message->file_open_as.flags;
}

static bool are_flags(unsigned flags)
{
    return flags < WIRE_FILE_OPEN_FLAGS && (flags == 0 || (flags & WIRE_FILE_WRITING) != 0) &&
           (flags & (WIRE_FILE_CREATE | WIRE_FILE_EXCLUSIVE)) != WIRE_FILE_EXCLUSIVE;
}

/* The path of a request, NUL-terminated; false if it is none, or the flags are not. */
static bool take_path(char *path, const struct wire_message *message)
{
    bool plain = message->type == WIRE_FILE_OPEN;
    const struct wire_number *words = plain ? message->file_open.path : message->file_open_as.path;
    uint32_t count = plain ? message->file_open.path_count : message->file_open_as.path_count;
    uint32_t bytes = plain ? message->file_open.bytes : message->file_open_as.bytes;

    if (bytes > 4u * count || !are_flags(flags_asked(message)))
        return false;
    for (uint32_t i = 0; i < bytes; i++)
        path[i] = (char)(words[i / 4].value >> i % 4 * 8 & 0xff);
    path[bytes] = '\0';
    check(bytes <= WIRE_PATH_WORDS * 4);
    return strlen(path) == bytes;
}

/* Close a file that a client of this user had open; in a thread, if that may block. */
static void let_go(struct service *service, struct user *user, struct file *file)
{
    int fd = file->distant ? file->fd : -1;

    if (fd >= 0)
        file->fd = -1;
    files_close(file);
    check(file->list == NULL);
    if (fd >= 0)
        discard_descriptors(&service->server, user, &fd, 1);
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

/* Whether this client's user may have one file more open. */
static bool may_open(const struct connection *connection)
{
    const struct service *service = service_of(connection);

    check(service->counters.files <= service->files_max);
    return allotment_may(connection->owner->files, 1, service->counters.files, service->files_max,
                         SESSION_SHARE);
}

/* Open in the loop what the kernel has at hand. False: a thread must. */
static bool open_now(struct job *job)
{
    job->result = flags_asked(&job->request) == 0 && job->service->near
                      ? files_open_now(job->service->root, job->path, &job->opened)
                      : -EAGAIN;
    check(job->result <= 0);
    return job->result == 0;
}

/* In a thread. */
static void run_open(struct job *job)
{
    struct file file;

    job->result = files_open(job->service->root, job->path, flags_asked(&job->request), &file);
    check(job->result <= 0);
    job->opened = file;
}

/* A file is open in this place from now on. */
static void take_place(struct job *job, uint32_t place)
{
    struct connection *connection = job->connection;
    struct session *session = connection->user;
    struct wire_message reply = {.type = WIRE_FILE_OPENED, .seq = job->request.seq};
    const struct file *file = &job->opened;

    check(!session->place[place].open);
    session->place[place].file = *file;
    session->place[place].open = true;
    connection->owner->files++;
    job->service->counters.files++;
    job->service->counters.opens++;
    reply.file_opened.file = place + 1;
    reply.file_opened.form = file->fd < 0 ? WIRE_FORM_DIRECTORY : WIRE_FORM_FILE;
    reply.file_opened.size = file->size;
    connection_send(connection, &reply, -1);
}

static void end_open(struct job *job)
{
    struct session *session = job->connection != NULL ? job->connection->user : NULL;
    int result = (int)job->result;
    uint32_t place = 0;

    if (result == 0 && (flags_asked(&job->request) & WIRE_FILE_TRUNCATE) != 0)
        cache_drop(&job->service->cache, &job->opened.key, true);
    while (session != NULL && place < SESSION_FILES && session->place[place].open)
        place++;
    if (result == 0 && session != NULL &&
        (place == SESSION_FILES || !may_open(job->connection) ||
         (job->opened.fd < 0 && count_lists(session) == SESSION_LISTS)))
        result = -EMFILE;
    if (result == 0 && session != NULL) {
        take_place(job, place);
        return;
    }
    if (job->result == 0)
        let_go(job->service, job->user != NULL ? job->user : job->connection->owner, &job->opened);
    if (session != NULL)
        connection_send_done(job->connection, &job->request, result, 0, strerror(-result));
    check(result != 0 || session == NULL);
}

void places_on_open(struct connection *connection, const struct wire_message *message)
{
    const struct service *service = service_of(connection);
    struct job *job;
    int result;

    job = jobs_new(connection, message, NULL, &result);
    if (job != NULL && !take_path(job->path, message))
        result = -EINVAL;
    else if (job != NULL && flags_asked(message) != 0 && service->options->read_only)
        result = -EROFS;
    else if (job != NULL && !may_open(connection))
        result = -EMFILE;
    else if (job != NULL && open_now(job)) {
        end_open(job);
        jobs_drop(job);
        return;
    } else if (job != NULL) {
        jobs_start(job, run_open, end_open);
        return;
    }
    connection_send_done(connection, message, result, 0,
                         result == -EINVAL   ? "this is not a path, or there are no such flags"
                         : result == -EMFILE ? "the user has as many files open as it may"
                                             : strerror(-result));
    if (job != NULL)
        jobs_drop(job);
}

struct file *places_find(struct session *session, uint32_t number)
{
    if (number == 0 || number > SESSION_FILES || !session->place[number - 1].open)
        return NULL;
    check(session->greeted);
    return &session->place[number - 1].file;
}

/* Close what is open in a place of a session. */
static void close_place(struct connection *connection, uint32_t place)
{
    struct service *service = service_of(connection);
    struct session *session = connection->user;

    check(session->place[place].open && service->counters.files > 0);
    ensure(connection->owner->files > 0);
    let_go(service, connection->owner, &session->place[place].file);
    session->place[place].open = false;
    connection->owner->files--;
    service->counters.files--;
}

void places_on_close(struct connection *connection, const struct wire_message *message)
{
    if (places_find(connection->user, message->file_close.file) == NULL) {
        connection_send_done(connection, message, -EBADF, 0, "no such file is open");
        return;
    }
    close_place(connection, message->file_close.file - 1);
    connection_send_done(connection, message, 0, 0, NULL);
}

void places_close_all(struct connection *connection)
{
    const struct session *session = connection->user;

    for (uint32_t i = 0; i < SESSION_FILES; i++)
        if (session->place[i].open)
            close_place(connection, i);
    check(count_lists(session) == 0);
}
