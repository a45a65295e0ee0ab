#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void close_task(struct flow *flow, const char *why)
{
    if (flow->connection != NULL)
        connection_close(flow->connection, CONNECTION_LOCAL, "%s", why);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct flow *flow)
{
    uv_poll_start(&flow->poll, UV_READABLE | (outbox_waits(&flow->outbox) ? UV_WRITABLE : 0),
                  on_poll);
}

/* ---- From physmem ---- */

static void on_message(struct flow *flow, const struct wire_message *message, int borrowed_fd)
{
    struct limit *limit = &flow->limit;

    flow->trace(flow->context, "<", flow, message);
    if (message->type == WIRE_WELCOME) {
        flow->id = flow->is_task ? message->welcome.id : flow->id;
        connection_greet(flow->connection, false);
    }
    if (message->type == WIRE_CHANGED)
        limit = flow->limit_of(flow->context, flow->id);
    if (limit != NULL)
        limit_note(limit, message);
    connection_send(flow->connection, message, borrowed_fd);
}

static void receive(struct flow *flow)
{
    struct wire_message message;
    int code = 0, fd;

    while (flow->connection != NULL && !flow->connection->closing &&
           (code = link_next(&flow->link, &message, &fd)) > 0) {
        on_message(flow, &message, fd);
        if (fd >= 0)
            close(fd);
    }
    if (code < 0)
        close_task(flow, "physmem has ended the connection");
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct flow *flow = poll->data;

    if (status < 0 ||
        ((events & UV_WRITABLE) != 0 && outbox_flush(&flow->outbox, &flow->link) != 0)) {
        close_task(flow, "physmem does not receive");
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        watch(flow);
    if ((events & UV_READABLE) != 0)
        receive(flow);
}

/* ---- From the task ---- */

void flow_pass(struct flow *flow, struct wire_message *message)
{
    struct wire_message answer;

    flow->trace(flow->context, ">", flow, message);
    if (message->type == WIRE_HELLO) {
        memcpy(flow->name, message->hello.name, sizeof(flow->name));
        flow->is_task = message->hello.role == WIRE_ROLE_TASK;
        flow->id = message->hello.id;
    }
    if (limit_request(&flow->limit, message, &answer) == LIMIT_ANSWER) {
        flow->trace(flow->context, "=", flow, &answer);
        if (answer.seq != 0)
            connection_send(flow->connection, &answer, -1);
        return;
    }
    if (outbox_send(&flow->outbox, &flow->link, message) != 0)
        close_task(flow, "physmem does not receive");
    else if (outbox_waits(&flow->outbox))
        watch(flow);
}

/* ---- Life ---- */

struct flow *flow_new(struct connection *connection, const char *physmem, int *codep)
{
    struct flow *flow = calloc(1, sizeof(*flow));
    int fd = flow != NULL ? link_connect(physmem, NULL) : -ENOMEM;

    if (fd < 0) {
        free(flow);
        *codep = fd;
        return NULL;
    }
    link_init(&flow->link, fd, flow->in, sizeof(flow->in));
    *codep = uv_poll_init(connection->server->loop, &flow->poll, fd);
    if (*codep < 0) {
        link_close(&flow->link);
        free(flow);
        return NULL;
    }
    flow->poll.data = flow;
    flow->connection = connection;
    watch(flow);
    return flow;
}

static void on_closed(uv_handle_t *handle)
{
    struct flow *flow = handle->data;

    link_close(&flow->link);
    outbox_fini(&flow->outbox);
    free(flow);
}

void flow_end(struct flow *flow)
{
    flow->connection = NULL;
    uv_close((uv_handle_t *)&flow->poll, on_closed);
}
