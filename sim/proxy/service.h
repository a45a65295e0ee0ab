/* The proxy as a server: each connection that comes is passed on over one of its own to physmem.
 *
 *     main
 *     service        start, end, what comes from tasks
 *     flow           one connection, and the one behind it
 *     limit  outbox  what a task may ask for; what a socket does not take
 *     options */
#ifndef PROXY_SERVICE_H
#define PROXY_SERVICE_H

#include "io/server.h"

#include "flow.h"
#include "options.h"

struct service {
    struct server server;
    const struct proxy_options *options;
    struct flow *first;
    int log; /* descriptor; -1: standard error */
    bool started;
};

/* Start on `loop`. Returns 0, or a negative errno with `error` filled; run the loop and call
 * service_fini in both cases. */
int service_start(struct service *service, uv_loop_t *loop, const struct proxy_options *options,
                  struct sp_error *error);

/* Free everything after the loop has ended. */
void service_fini(struct service *service);

#endif
