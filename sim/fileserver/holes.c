#include "holes.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "jobs.h"
#include "places.h"

/* In a thread: a file system of another machine is asked. Nothing else uses the place of a descriptor in its file. */
static void run(struct job *job)
{
    uint64_t offset = job->request.file_seek_hole.offset;

    check(job->file.fd >= 0 && offset <= INT64_MAX);
    job->result = lseek(job->file.fd, (off_t)offset, SEEK_HOLE);
    if (job->result < 0)
        job->result = -errno;
}

static void end(struct job *job)
{
    struct wire_message reply = {.type = WIRE_FILE_HOLE, .seq = job->request.seq};

    if (job->connection == NULL)
        return;
    if (job->result < 0) {
        connection_send_done(job->connection, &job->request, (int)job->result, 0,
                             job->result == -ENXIO ? "the file ends before that"
                                                   : strerror((int)-job->result));
        return;
    }
    reply.file_hole.offset = (uint64_t)job->result;
    check(reply.file_hole.offset >= job->request.file_seek_hole.offset);
    connection_send(job->connection, &reply, -1);
}

void holes_on_seek(struct connection *connection, const struct wire_message *message)
{
    const struct file *file = places_find(connection->user, message->file_seek_hole.file);
    struct job *job = NULL;
    int result = file == NULL                                           ? -EBADF
                 : file->fd < 0                                         ? -EISDIR
                 : message->file_seek_hole.offset > (uint64_t)INT64_MAX ? -EFBIG
                                                                        : 0;

    check(((const struct session *)connection->user)->greeted);
    if (result == 0)
        job = jobs_new(connection, message, file, &result);
    if (job != NULL)
        jobs_start(job, run, end);
    else
        connection_send_done(connection, message, result, 0, strerror(-result));
}
