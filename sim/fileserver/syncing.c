#include "syncing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "places.h"

struct syncing {
    uv_work_t work;
    struct connection *connection; /* NULL: the client has gone */
    struct wire_message request;
    int fd;
    int result;
};

/* On a thread of libuv's pool. */
static void run(uv_work_t *work)
{
    struct syncing *syncing = work->data;

    syncing->result = fsync(syncing->fd) == 0 ? 0 : -errno;
    check(syncing->fd >= 0);
}

static void finish(uv_work_t *work, int status)
{
    struct syncing *syncing = work->data;
    int result = status != 0 ? -EINTR : syncing->result;

    check(status <= 0);
    if (syncing->connection != NULL) {
        ((struct session *)syncing->connection->user)->syncing = NULL;
        connection_send_done(syncing->connection, &syncing->request, result, 0,
                             result != 0 ? strerror(-result) : NULL);
    }
    close(syncing->fd);
    free(syncing);
}

/* Begin. Returns 0 or a negative errno. */
static int begin(struct connection *connection, const struct wire_message *message,
                 const struct file *file)
{
    struct session *session = connection->user;
    struct syncing *syncing = calloc(1, sizeof(*syncing));
    int result = 0;

    if (syncing == NULL)
        return -ENOMEM;
    syncing->work.data = syncing;
    syncing->connection = connection;
    syncing->request = *message;
    syncing->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
    if (syncing->fd < 0)
        result = -errno;
    else
        result = uv_queue_work(connection->server->loop, &syncing->work, run, finish);
    if (result != 0) {
        if (syncing->fd >= 0)
            close(syncing->fd);
        free(syncing);
        return result;
    }
    check(session->syncing == NULL);
    session->syncing = syncing;
    return 0;
}

void syncing_on_sync(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;
    const struct file *file = places_find(session, message->file_sync.file);
    int result = 0;

    check(session->greeted);
    if (file == NULL)
        result = -EBADF;
    else if (session->syncing != NULL)
        result = -EBUSY;
    else if (file->fd >= 0)
        result = begin(connection, message, file);
    if (result != 0)
        connection_send_done(connection, message, result, 0, strerror(-result));
    else if (session->syncing == NULL)
        connection_send_done(connection, message, 0, 0, NULL); /* a list is nowhere */
}

void syncing_leave(struct session *session)
{
    check(session != NULL);
    if (session->syncing != NULL)
        session->syncing->connection = NULL;
    session->syncing = NULL;
}
