#include "syncing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "jobs.h"
#include "places.h"

static void run(struct job *job)
{
    job->result = fsync(job->file.fd) == 0 ? 0 : -errno;
    check(job->result <= 0);
}

static void end(struct job *job)
{
    int result = (int)job->result;

    check(result <= 0);
    if (job->connection != NULL)
        connection_send_done(job->connection, &job->request, result, 0,
                             result != 0 ? strerror(-result) : NULL);
}

void syncing_on_sync(struct connection *connection, const struct wire_message *message)
{
    struct session *session = connection->user;
    const struct file *file = places_find(session, message->file_sync.file);
    struct job *job = NULL;
    int result = file == NULL ? -EBADF : 0;

    check(session->greeted);
    if (file != NULL && file->fd >= 0)
        job = jobs_new(connection, message, file, &result);
    if (job != NULL)
        jobs_start(job, run, end);
    else
        connection_send_done(connection, message, result, 0,
                             result != 0 ? strerror(-result) : NULL); /* a list is nowhere */
}
