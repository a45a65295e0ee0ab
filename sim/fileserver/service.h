/* The file server: a task of physmem whose page cache lies in a container, and a server to other
 * tasks.
 *
 * A READ: the client has shared a container with this task (FILE_BUFFER). The server locks it,
 * copies a chunk of its cache to it logically, unlocks it, and compares the version that it finds
 * with the one that it must find: what the client did in between fails the client's read. Nothing
 * is mapped that a client can write; a client that dies, hangs or lies harms only itself.
 *
 * A WRITE: the client has filled its container. The server locks it, copies from it logically to its
 * cache, unlocks it and compares the version. What it has then nobody can change any more: it goes
 * to the file, and whole pages of it stay in the cache.
 *
 * What is asked of files and their devices is done in threads (jobs.h): no client waits for those of
 * another. Only the state of a file on a device of this machine, which the kernel knows, is looked at in the loop.
 *
 * What physmem is asked is waited for: physmem waits for no task, and the lock here takes no rights
 * away. */
#ifndef FILESERVER_SERVICE_H
#define FILESERVER_SERVICE_H

#include <stdatomic.h>

#include <uv.h>

#include <selfpage/counters.h>

#include "cache.h"
#include "files.h"
#include "io/server.h"
#include "options.h"

/* Files that one client may have open. */
#define SESSION_FILES 64u

/* Files are shared out by user id: see base/allotment.h. */
#define SESSION_SHARE 4u

/* Of these, directories, whose lists lie in the server's memory. */
#define SESSION_LISTS 4u

struct job;     /* jobs.h */
struct waiting; /* jobs.c */

/* One client; connection->user. */
struct session {
    sp_container container; /* where it wants what it reads; 0: it has not said yet */
    bool over;              /* the container is gone, and another one may have its number */
    uint32_t slots;
    struct session *next; /* of those that have a container */
    bool greeted;
    bool observer;           /* it reads counters, and nothing else */
    struct job *job;         /* that is under way, or NULL */
    struct waiting *waiting; /* requests that came meanwhile, oldest first */
    struct {
        bool open;
        struct file file;
    } place[SESSION_FILES];
};

/* What is counted here; the rest is the cache's and the server's. */
struct fileserver_counters {
    SP_FILESERVER_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

struct service {
    struct server server;
    const struct fileserver_options *options;
    struct sp_task *task;
    struct cache cache;
    int root;
    bool near; /* the root is on a device of this machine: see files_near */
    struct fileserver_counters counters;
    _Atomic uint32_t recalled; /* frames that physmem wants back */
    uv_async_t shrink;
    bool started;                                  /* the handle above exists */
    struct session *givers;                        /* that have a container: transfer.c */
    struct job *turns;                             /* that read or write chunks of files: jobs.h */
    uint32_t files_max;                            /* that all clients may have open */
    void (*resume)(struct connection *connection); /* handle the requests of a client that wait */
};

static inline struct service *service_of(const struct connection *connection)
{
    return connection->server->user;
}

/* Start on `loop`. Returns 0, or a negative errno with a text; run the loop and call service_fini
 * in both cases. */
int service_start(struct service *service, uv_loop_t *loop,
                  const struct fileserver_options *options, struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct service *service);

#endif
