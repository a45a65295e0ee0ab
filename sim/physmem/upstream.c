#include "upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* How long the physmem above may take to answer while this one starts: as long as frames may take to
 * come back there. */
#define START_MS 180000

/* A message that the socket did not take yet. */
struct upstream_queued {
    struct upstream_queued *next;
    bool control;
    struct wire_message message;
};

/* ---- Before the loop runs ---- */

int upstream_open(struct upstream *upstream, const char *path, const char *name,
                  struct sp_error *error)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = name};
    struct wire_message *welcome = &upstream->message;
    int code;

    caller_init(&upstream->request, "the physmem above", START_MS);
    caller_init(&upstream->control, "the physmem above", START_MS);
    code = caller_open(&upstream->request, path, &hello, welcome, error);
    if (code != 0)
        return code;
    upstream->page_size = welcome->welcome.page_size;
    hello.role = WIRE_ROLE_CONTROL;
    hello.id = welcome->welcome.id;
    hello.key = welcome->welcome.key;
    return caller_open(&upstream->control, path, &hello, welcome, error);
}

int upstream_ask_now(struct upstream *upstream, struct wire_message *request,
                     enum wire_type expected, struct sp_error *error)
{
    ensure(!upstream->watched);
    return caller_ask_for(&upstream->request, request, expected, request, NULL, error);
}

/* ---- In the loop ---- */

static struct upstream_ask *take_ask(struct upstream *upstream, uint32_t seq)
{
    for (struct upstream_ask **link = &upstream->asks; *link != NULL; link = &(*link)->next) {
        struct upstream_ask *ask = *link;

        if (ask->seq == seq) {
            *link = ask->next;
            return ask;
        }
    }
    return NULL;
}

static void handle(struct upstream *upstream, bool request, int consume_fd)
{
    const struct wire_message *message = &upstream->message;
    struct upstream_ask *ask =
        request && message->seq != 0 ? take_ask(upstream, message->seq) : NULL;

    if (ask != NULL)
        ask->answered(ask, message);
    else
        upstream->handlers.on_message(upstream->context, message, consume_fd);
}

static void end(struct upstream *upstream, const struct link *link, int code)
{
    if (upstream->ended)
        return;
    upstream_stop(upstream);
    upstream->handlers.on_end(upstream->context, code == -EPROTO  ? link->problem
                                                 : code == -EPIPE ? "it has ended"
                                                                  : strerror(-code));
}

/* Handle the messages that came over one of the connections. */
static void receive(struct upstream *upstream, struct link *link)
{
    bool request = link == &upstream->request.link;
    int code = 1, fd;

    while (!upstream->ended && (code = link_next(link, &upstream->message, &fd)) > 0)
        handle(upstream, request, fd);
    if (upstream->ended)
        return;
    upstream->handlers.on_pause(upstream->context);
    if (code < 0)
        end(upstream, link, code);
}

static int poll_events(const struct upstream *upstream)
{
    return UV_READABLE | (upstream->queued != NULL ? UV_WRITABLE : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch_both(struct upstream *upstream)
{
    uv_poll_start(&upstream->request_poll, poll_events(upstream), on_poll);
    uv_poll_start(&upstream->control_poll, poll_events(upstream), on_poll);
}

static struct link *link_of(struct upstream *upstream, bool control)
{
    return control ? &upstream->control.link : &upstream->request.link;
}

/* Send what waits, as far as the sockets take it. An error is found again when reading. */
static void send_queued(struct upstream *upstream)
{
    struct upstream_queued *first;

    while ((first = upstream->queued) != NULL) {
        if (link_send(link_of(upstream, first->control), &first->message, -1) == -EAGAIN)
            return;
        upstream->queued = first->next;
        free(first);
    }
    watch_both(upstream);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct upstream *upstream = poll->data;
    bool request = poll == &upstream->request_poll;
    struct link *link = link_of(upstream, !request);

    if (status < 0) {
        end(upstream, link, status);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        send_queued(upstream);
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0)
        receive(upstream, link);
}

int upstream_watch(struct upstream *upstream, uv_loop_t *loop,
                   const struct upstream_handlers *handlers, void *context)
{
    int code = uv_poll_init(loop, &upstream->request_poll, upstream->request.link.fd);

    if (code < 0)
        return code;
    upstream->request_poll.data = upstream;
    upstream->handlers = *handlers;
    upstream->context = context;
    code = uv_poll_init(loop, &upstream->control_poll, upstream->control.link.fd);
    if (code < 0) {
        uv_close((uv_handle_t *)&upstream->request_poll, NULL);
        return code;
    }
    upstream->control_poll.data = upstream;
    upstream->watched = true;
    watch_both(upstream);
    return 0;
}

static void out(struct upstream *upstream, bool control, const struct wire_message *message)
{
    struct upstream_queued **link = &upstream->queued;
    struct upstream_queued *queued;
    int code = -EAGAIN;

    if (upstream->ended)
        return;
    if (upstream->queued == NULL)
        code = link_send(link_of(upstream, control), message, -1);
    ensure(code != -EINVAL);
    if (code != -EAGAIN)
        return;
    queued = malloc(sizeof(*queued));
    if (queued == NULL) {
        end(upstream, link_of(upstream, control), -ENOMEM);
        return;
    }
    *queued = (struct upstream_queued){NULL, control, *message};
    while (*link != NULL)
        link = &(*link)->next;
    *link = queued;
    watch_both(upstream);
}

void upstream_ask(struct upstream *upstream, struct wire_message *request, struct upstream_ask *ask)
{
    struct upstream_ask **link = &upstream->asks;

    ask->seq = link_next_seq(&upstream->request.link);
    ask->next = NULL;
    request->seq = ask->seq;
    request->error = 0;
    while (*link != NULL)
        link = &(*link)->next;
    *link = ask;
    out(upstream, false, request);
}

void upstream_tell(struct upstream *upstream, const struct wire_message *message)
{
    out(upstream, true, message);
}

void upstream_stop(struct upstream *upstream)
{
    upstream->ended = true;
    if (!upstream->watched)
        return;
    upstream->watched = false;
    uv_close((uv_handle_t *)&upstream->request_poll, NULL);
    uv_close((uv_handle_t *)&upstream->control_poll, NULL);
}

void upstream_close(struct upstream *upstream)
{
    struct upstream_queued *queued;
    struct upstream_ask *ask;

    while ((queued = upstream->queued) != NULL) {
        upstream->queued = queued->next;
        free(queued);
    }
    while ((ask = upstream->asks) != NULL) {
        upstream->asks = ask->next;
        ask->answered(ask, NULL);
    }
    caller_close(&upstream->request);
    caller_close(&upstream->control);
}
