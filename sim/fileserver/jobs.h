/* Work on files that may take for ever, in threads: a device that does not answer, or a file system of another
 * machine or program, keeps whoever asked, and nobody else.
 *
 * A client has one job at a time; what it asks meanwhile waits for its turn, JOBS_WAITING requests at most. A user
 * whose clients together have JOBS_USER jobs under way gets two threads for all others.
 *
 * A read of a chunk of a file and a write to it take turns, since the kernel lets a read see half of a write: a read
 * begins when the writes to the chunk that came before have ended, and a write when all that came before has. */
#ifndef FILESERVER_JOBS_H
#define FILESERVER_JOBS_H

#include "service.h"

#define JOBS_WAITING 64u
#define JOBS_USER    32u

struct job {
    struct errand errand; /* first */
    struct errand_lane lane;
    struct service *service;
    struct connection *connection; /* NULL: the client has gone */
    struct user *user;             /* one reference */
    struct wire_message request;
    void (*run)(struct job *job); /* in a thread */
    void (*end)(struct job *job); /* then, in the loop's; it may start another job */
    struct file file;             /* that it is about, with a descriptor of its own; fd -1: none */
    struct file opened;           /* or that it has opened */
    int64_t result;
    uint64_t forgotten; /* what the cache had forgotten when it began */
    enum { TURN_NONE, TURN_READS, TURN_WRITES } turn;
    struct chunk_key place; /* of the file, and number, the chunk that it takes its turn at */
    bool begun;             /* its turn has come */
    struct job *next;       /* of service->turns, in the order in which they came */
    const struct chunk *chunk;
    uint64_t stamp; /* of the chunk then */
    union {
        char path[WIRE_PATH_WORDS * 4 + 1];
        char bytes[CHUNKS_PAGES * SP_PAGE_SIZE];
    };
};

/* A job about a request, and about a file, or NULL. NULL, and *errorp is a negative errno: it cannot be had. */
struct job *jobs_new(struct connection *connection, const struct wire_message *message,
                     const struct file *file, int *errorp);

/* Start it; from then on it frees itself. */
void jobs_start(struct job *job, void (*run)(struct job *job), void (*end)(struct job *job));

/* The same when its turn has come: it reads chunk `number` of the file, or `writes` to it. */
void jobs_start_in_turn(struct job *job, uint64_t number, bool writes, void (*run)(struct job *job),
                        void (*end)(struct job *job));

/* Whether a job writes, or will, to the chunk key->number of the file. */
bool jobs_writing(const struct service *service, const struct chunk_key *key);

/* Nothing will begin any more: forget the jobs whose turn has not come. */
void jobs_forget(struct service *service);

/* It was not started. */
void jobs_drop(struct job *job);

/* Keep a request until the client's job has ended. False: there are too many. */
bool jobs_wait(struct session *session, const struct wire_message *message);

/* The next request that waits, if no job is under way. False: there is none. */
bool jobs_next(struct session *session, struct wire_message *message);

/* The client goes, and hears no answer any more. */
void jobs_leave(struct session *session);

#endif
