/* nbdkit, for tests: it gets its sockets from this process, which keeps them, so that a client finds them
 * whether the server runs, was killed, or has just been started again. These functions use CMocka's asserts. */
#ifndef TEST_NBD_SERVER_H
#define TEST_NBD_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "scratch.h"

#define NBD_SERVER_ARGUMENTS 12

struct nbd_server {
    struct scratch scratch;
    const char *argument
        [NBD_SERVER_ARGUMENTS]; /* after the options that are always the same; NULL at the end */
    int listener[2];            /* Unix, TCP */
    pid_t pid;                  /* 0: it does not run */
    char unix_uri[128];         /* "nbd+unix:///?socket=..." */
    char tcp_uri[64];           /* "nbd://127.0.0.1:..." */
};

/* Is nbdkit installed? */
bool nbd_server_exists(void);

/* Listen, and start nbdkit with these arguments (filters, a plug-in and its parameters; NULL at the end), which
 * are borrowed. */
void nbd_server_init(struct nbd_server *server, const char *const argument[]);

/* Start it (again), or kill it, and wait until it is gone. */
void nbd_server_start(struct nbd_server *server);
void nbd_server_kill(struct nbd_server *server);

/* Wait until it has ended by itself. */
void nbd_server_await(struct nbd_server *server);

/* Start it again if it has ended by itself: nbdkit 1.32 aborts where a client leaves while it delays many answers. */
void nbd_server_revive(struct nbd_server *server);

/* Kill it, and remove everything. */
void nbd_server_fini(struct nbd_server *server);

#endif
