#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

struct waiting {
    struct waiting *next;
    struct wire_message message;
};

struct job *jobs_new(struct connection *connection, const struct wire_message *message,
                     const struct file *file, int *errorp)
{
    struct job *job = malloc(sizeof(*job));

    *errorp = -ENOMEM;
    if (job == NULL)
        return NULL;
    memset(job, 0, offsetof(struct job, bytes));
    job->service = service_of(connection);
    job->connection = connection;
    job->request = *message;
    job->file = (struct file){.fd = -1};
    if (file != NULL) {
        job->file = *file;
        job->file.list = NULL;
        job->file.fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
    }
    if (file != NULL && job->file.fd < 0) {
        *errorp = -errno;
        free(job);
        return NULL;
    }
    job->forgotten = job->service->cache.forgotten;
    *errorp = 0;
    check(job->file.fd < 0 || file != NULL);
    return job;
}

void jobs_drop(struct job *job)
{
    check(job->user == NULL);
    if (job->file.fd >= 0)
        close(job->file.fd);
    free(job);
}

/* On a thread of the pool. The descriptor is closed here, too: that may block. */
static void run(struct errand *errand)
{
    struct job *job = (struct job *)errand;
    bool borrowed = job->file.fd >= 0;

    job->run(job);
    if (borrowed)
        close(job->file.fd);
    check(job->service != NULL);
}

static void submit(struct job *job)
{
    struct errand_lane *lane = job->user->jobs > JOBS_USER ? &job->user->lane : &job->lane;

    job->begun = true;
    errand_submit(job->service->server.errands, lane, &job->errand);
}

/* ---- Turns ---- */

static bool is_at(const struct job *job, const struct chunk_key *key)
{
    return job->place.number == key->number && job->place.inode == key->inode &&
           job->place.device == key->device;
}

bool jobs_writing(const struct service *service, const struct chunk_key *key)
{
    const struct job *job = service->turns;

    while (job != NULL && !(job->turn == TURN_WRITES && is_at(job, key)))
        job = job->next;
    return job != NULL;
}

/* Begin what may begin now of those that want the same chunk. */
static void turns_begin(struct service *service, const struct chunk_key *key)
{
    bool any = false, writes = false; /* before */

    for (struct job *job = service->turns; job != NULL && !writes; job = job->next) {
        if (!is_at(job, key))
            continue;
        if (!job->begun && !(any && job->turn == TURN_WRITES))
            submit(job);
        any = true;
        writes = job->turn == TURN_WRITES;
    }
}

static void turns_end(struct job *job)
{
    struct job **link = &job->service->turns;

    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
}

void jobs_forget(struct service *service)
{
    struct job **link = &service->turns;

    while (*link != NULL) {
        struct job *job = *link;

        if (job->begun) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        job->user->jobs--;
        if (job->connection != NULL)
            ((struct session *)job->connection->user)->job = NULL;
        user_release(&service->server.users, job->user);
        job->user = NULL;
        jobs_drop(job);
    }
}

/* ---- Their life ---- */

static void done(struct errand *errand)
{
    struct job *job = (struct job *)errand;
    const struct chunk_key place = job->place;
    const bool in_turn = job->turn != TURN_NONE;
    struct service *service = job->service;
    struct connection *connection = job->connection;
    struct session *session = connection != NULL ? connection->user : NULL;

    if (session != NULL) {
        check(session->job == job);
        session->job = NULL;
    }
    ensure(job->user->jobs > 0);
    job->user->jobs--;
    if (in_turn)
        turns_end(job);
    job->end(job);
    if (in_turn)
        turns_begin(service, &place);
    user_release(&service->server.users, job->user);
    free(job);
    if (session != NULL && session->job == NULL)
        service->resume(connection);
}

/* It is the client's job from now on, and will begin. */
static void take_place(struct job *job, void (*work)(struct job *job), void (*end)(struct job *job))
{
    struct connection *connection = job->connection;
    struct session *session = connection->user;

    ensure(session->job == NULL);
    session->job = job;
    job->run = work;
    job->end = end;
    job->user = connection->owner;
    job->user->references++;
    job->user->jobs++;
    job->errand.run = run;
    job->errand.done = done;
}

void jobs_start(struct job *job, void (*work)(struct job *job), void (*end)(struct job *job))
{
    take_place(job, work, end);
    submit(job);
}

void jobs_start_in_turn(struct job *job, uint64_t number, bool writes,
                        void (*work)(struct job *job), void (*end)(struct job *job))
{
    struct job **link = &job->service->turns;

    check(job->turn == TURN_NONE && !job->begun);
    job->turn = writes ? TURN_WRITES : TURN_READS;
    job->place = job->file.key;
    job->place.number = number;
    while (*link != NULL)
        link = &(*link)->next;
    *link = job;
    take_place(job, work, end);
    turns_begin(job->service, &job->place);
}

bool jobs_wait(struct session *session, const struct wire_message *message)
{
    struct waiting **link = &session->waiting;
    struct waiting *waiting;
    uint32_t count = 0;

    for (; *link != NULL; link = &(*link)->next)
        count++;
    waiting = count < JOBS_WAITING ? malloc(sizeof(*waiting)) : NULL;
    if (waiting == NULL)
        return false;
    waiting->next = NULL;
    waiting->message = *message;
    *link = waiting;
    check(session->job != NULL || count > 0);
    return true;
}

bool jobs_next(struct session *session, struct wire_message *message)
{
    struct waiting *waiting = session->waiting;

    if (session->job != NULL || waiting == NULL)
        return false;
    *message = waiting->message;
    session->waiting = waiting->next;
    free(waiting);
    check(message->type != 0);
    return true;
}

void jobs_leave(struct session *session)
{
    if (session->job != NULL)
        session->job->connection = NULL;
    session->job = NULL;
    while (session->waiting != NULL) {
        struct waiting *next = session->waiting->next;

        free(session->waiting);
        session->waiting = next;
    }
    check(session->waiting == NULL);
}
