/* A connection of a task of the benchmark: a link under a libuv loop. All links share one buffer; a
 * link has memory of its own only while the rest of a message is missing. */
#include "selfpage/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/hello.h"

struct wire_message *bench_link_message(struct bench_task *task, enum wire_type type)
{
    struct wire_message *message = &task->load->out;

    message->type = (uint8_t)type;
    message->error = 0;
    message->seq = ++task->seq;
    return message;
}

void bench_link_send(struct bench_link *link)
{
    struct bench_load *load = link->task->load;
    int result;

    if (link->poll == NULL)
        return;
    /* A task has one request outstanding, so that its socket always has room. */
    result = link_send(&link->link, &load->out, -1);
    if (result != 0 && result != -EPIPE) /* what is left to receive says why it is gone */
        bench_meter_fail(load, "cannot send %s: %s", message_type_name(load->out.type),
                         result == -EAGAIN ? "the socket is full" : strerror(-result));
}

/* The answer to HELLO is like any other, once its version is right. */
static bool greet(struct bench_link *link)
{
    struct bench_load *load = link->task->load;
    struct sp_error error;

    if (link->greeted || load->in.type != WIRE_WELCOME)
        return true;
    link->greeted = true;
    if (hello_check(&load->in, "physmem", &error) == 0)
        return true;
    bench_meter_fail(load, "%s", error.text);
    return false;
}

/* Hand on the messages that are complete. */
static void take_messages(struct bench_link *link)
{
    struct bench_load *load = link->task->load;
    int result = 1, fd;

    while (link->poll != NULL && !load->failed &&
           (result = link_take(&link->link, &load->in, &fd)) > 0) {
        if (greet(link))
            load->on_message(link, &load->in, fd);
        else if (fd >= 0)
            close(fd);
    }
    if (result < 0)
        bench_meter_fail(load, "physmem sent %s", link->link.problem);
}

/* Give the shared buffer back, and keep what is left over. */
static void keep_rest(struct bench_link *link)
{
    size_t size = link_pending(&link->link);
    uint8_t *rest = NULL;

    if (size > 0) {
        rest = malloc(size);
        if (rest == NULL) {
            bench_meter_fail(link->task->load, "out of memory");
            return;
        }
    }
    link_lend(&link->link, rest, size);
    link->rest = rest;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bench_link *link = poll->data;
    struct bench_load *load = link->task->load;
    int result;

    (void)status; /* errors show when we receive */
    (void)events;
    link_lend(&link->link, load->buffer, sizeof(load->buffer));
    free(link->rest);
    link->rest = NULL;
    result = link_pull(&link->link);
    if (result > 0)
        take_messages(link);
    else if (result == -EPIPE)
        load->on_ended(link);
    else if (result < 0)
        bench_meter_fail(load, "cannot receive from physmem: %s", strerror(-result));
    if (link->poll != NULL)
        keep_rest(link);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Watch the socket. Returns false if there is no memory for it. */
static bool watch(struct bench_link *link, uv_loop_t *loop)
{
    link->poll = calloc(1, sizeof(*link->poll));
    if (link->poll != NULL && uv_poll_init(loop, link->poll, link->link.fd) == 0) {
        link->poll->data = link;
        uv_poll_start(link->poll, UV_READABLE, on_poll);
        return true;
    }
    free(link->poll);
    link->poll = NULL;
    return false;
}

static void send_hello(struct bench_link *link)
{
    struct bench_task *task = link->task;
    bool control = link->role == WIRE_ROLE_CONTROL;
    char name[WIRE_NAME];
    const struct hello hello = {.role = link->role,
                                .id = control ? task->id : 0,
                                .key = control ? task->key : 0,
                                .name = name};

    snprintf(name, sizeof(name), "bench%u", task->index + task->load->options->first);
    hello_fill(&task->load->out, &hello);
    task->load->out.seq = ++task->seq;
    bench_link_send(link);
}

void bench_link_open(struct bench_link *link, struct bench_task *task, enum wire_role role)
{
    struct bench_load *load = task->load;
    struct sp_error error;
    int fd = link_connect(load->path, &error);

    link->task = task;
    link->role = (uint8_t)role;
    link->greeted = false;
    if (fd < 0) {
        bench_meter_fail(load, "%s", error.text);
        return;
    }
    link_init(&link->link, fd, NULL, 0);
    if (watch(link, &load->loop)) {
        send_hello(link);
    } else {
        link_close(&link->link);
        bench_meter_fail(load, "out of memory");
    }
}

void bench_link_close(struct bench_link *link)
{
    if (link->poll == NULL)
        return;
    uv_close((uv_handle_t *)link->poll, on_closed);
    link->poll = NULL;
    link_close(&link->link); /* only after uv_close, which tells epoll */
    free(link->rest);
    link->rest = NULL;
}
