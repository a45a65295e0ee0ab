/* The connections to the physmem above: this server is a task there.
 *
 * Opening waits for the other side, for this server serves nobody yet. After upstream_watch nothing
 * waits: what the socket does not take is queued, answers go to whoever asked, and everything else to
 * the handlers. */
#ifndef PHYSMEM_UPSTREAM_H
#define PHYSMEM_UPSTREAM_H

#include <uv.h>

#include "client/caller.h"

struct upstream_ask;
struct upstream_queued;

/* An answer has come, once for each question. `reply` is valid during the call; NULL: the connections
 * are closed, and none will come. May ask. */
typedef void upstream_answered(struct upstream_ask *ask, const struct wire_message *reply);

/* A question; embedded in what the asker knows of it. */
struct upstream_ask {
    struct upstream_ask *next;
    uint32_t seq;
    upstream_answered *answered;
};

struct upstream_handlers {
    /* A message that answers no question; the callee owns `consume_fd`, or it is -1. */
    void (*on_message)(void *context, const struct wire_message *message, int consume_fd);
    /* All that was received at once has been handled. */
    void (*on_pause)(void *context);
    /* The connections are of no more use, for this reason; called once. */
    void (*on_end)(void *context, const char *why);
};

struct upstream {
    struct caller request;
    struct caller control;
    uv_poll_t request_poll;
    uv_poll_t control_poll;
    struct upstream_handlers handlers;
    void *context;
    struct upstream_ask *asks; /* not answered; the oldest first */
    struct upstream_queued *queued;
    uint32_t page_size; /* of the physmem above */
    bool watched;
    bool ended;
    struct wire_message message; /* being received; large */
};

/* Connect as the task `name`. Returns 0, or a negative errno with a text. */
int upstream_open(struct upstream *upstream, const char *path, const char *name,
                  struct sp_error *error);

/* Ask and wait, before upstream_watch; `request` becomes a reply of type `expected`. */
int upstream_ask_now(struct upstream *upstream, struct wire_message *request,
                     enum wire_type expected, struct sp_error *error);

/* Have the loop watch the connections from now on. Returns 0 or a negative errno. */
int upstream_watch(struct upstream *upstream, uv_loop_t *loop,
                   const struct upstream_handlers *handlers, void *context);

/* Ask, over the request connection. `ask` stays until it is answered. */
void upstream_ask(struct upstream *upstream, struct wire_message *request,
                  struct upstream_ask *ask);

/* Send something that wants no answer, over the control connection. */
void upstream_tell(struct upstream *upstream, const struct wire_message *message);

/* Stop watching; to be called from the loop. */
void upstream_stop(struct upstream *upstream);

/* Close the connections. The callers of questions without an answer are told so. */
void upstream_close(struct upstream *upstream);

#endif
