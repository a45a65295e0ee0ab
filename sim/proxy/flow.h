/* One connection of a task, and the one to physmem that carries on what it says. */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include <uv.h>

#include "client/link.h"
#include "io/server.h"
#include "limit.h"
#include "outbox.h"

struct flow;

/* A flow writes down each message that passes, with the sign of its direction, unless this is NULL. */
typedef void flow_trace(void *context, const char *sign, const struct flow *flow,
                        const struct wire_message *message);

struct flow {
    struct flow *next; /* of all */
    struct flow *prev;
    struct connection *connection; /* to the task; NULL: ended */
    struct link link;              /* to physmem */
    struct outbox outbox;
    uv_poll_t poll;
    struct limit limit;
    uint32_t id;  /* of the task, once physmem has told it */
    bool is_task; /* the request connection of it */
    char name[WIRE_NAME];
    flow_trace *trace;
    void *context;
    /* What physmem says over another connection of this task is about the contracts of this one. */
    struct limit *(*limit_of)(void *context, uint32_t id);
    unsigned char in[LINK_BUFFER];
};

/* Connect to physmem for a connection that has come. NULL, and a negative errno in *codep. */
struct flow *flow_new(struct connection *connection, const char *physmem, int *codep);

/* A message came from the task. */
void flow_pass(struct flow *flow, struct wire_message *message);

/* The task's connection has ended: end the other one. The flow is freed by and by. */
void flow_end(struct flow *flow);

#endif
