/* A connection of a task of the benchmark. */
#include "selfpage/bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/sock.h"

struct wire_message *bench_message(struct bench_task *task, enum wire_type type)
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
    uint8_t bytes[512]; /* requests here are short */
    size_t size = wire_encode(&load->out, bytes, sizeof(bytes));
    ssize_t sent;

    if (link->poll == NULL)
        return;
    /* A task has one request outstanding, so that its socket always has room. */
    sent = sock_send(link->fd, bytes, size, -1);
    if (sent == -EPIPE)
        return; /* what is left to receive says why */
    if (sent != (ssize_t)size)
        bench_fail(load, "cannot send %s: %s", wire_type_name(load->out.type),
                   sent < 0 ? strerror((int)-sent) : "the socket is full");
}

/* Hand on what is complete in the first `size` bytes of the buffer; keep the rest. */
static void take_messages(struct bench_link *link, uint32_t size)
{
    struct bench_load *load = link->task->load;
    enum wire_verdict verdict = WIRE_OK;
    uint32_t used = 0;
    uint8_t *rest;
    size_t length;

    while (used < size && link->poll != NULL && !load->failed) {
        verdict = wire_decode(load->buffer + used, size - used, &load->in, &length);
        if (verdict != WIRE_OK)
            break;
        used += (uint32_t)length;
        bench_task_receive(link, &load->in);
    }
    if (verdict != WIRE_OK && verdict != WIRE_MORE)
        bench_fail(load, "physmem sent %s", wire_verdict_text(verdict));
    if (link->poll == NULL || used == size || load->failed)
        return;
    rest = malloc(size - used);
    if (rest == NULL) {
        bench_fail(load, "out of memory");
        return;
    }
    memcpy(rest, load->buffer + used, size - used);
    link->input = rest;
    link->input_size = size - used;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct bench_link *link = poll->data;
    struct bench_load *load = link->task->load;
    uint32_t size = link->input_size;
    ssize_t got;
    int fd;

    (void)status; /* errors show when we receive */
    (void)events;
    if (size > 0)
        memcpy(load->buffer, link->input, size);
    got = sock_receive(link->fd, load->buffer + size, sizeof(load->buffer) - size, &fd);
    if (got == -EAGAIN)
        return;
    if (fd >= 0) {
        if (link->received_fd >= 0)
            close(link->received_fd);
        link->received_fd = fd;
    }
    free(link->input);
    link->input = NULL;
    link->input_size = 0;
    if (got <= 0)
        bench_task_ended(link);
    else
        take_messages(link, size + (uint32_t)got);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void bench_link_open(struct bench_link *link, struct bench_task *task, enum wire_role role)
{
    struct bench_load *load = task->load;
    struct wire_message *message;
    struct sp_error error;

    link->task = task;
    link->role = (uint8_t)role;
    link->received_fd = -1;
    link->fd = sock_connect(load->path, &error);
    if (link->fd < 0) {
        bench_fail(load, "%s", error.text);
        return;
    }
    link->poll = calloc(1, sizeof(*link->poll));
    if (link->poll == NULL || uv_poll_init(&load->loop, link->poll, link->fd) != 0) {
        bench_fail(load, "out of memory");
        free(link->poll);
        link->poll = NULL;
        close(link->fd);
        return;
    }
    link->poll->data = link;
    uv_poll_start(link->poll, UV_READABLE, on_poll);
    message = bench_message(task, WIRE_HELLO);
    message->hello.version = WIRE_VERSION;
    message->hello.role = (uint8_t)role;
    message->hello.id = role == WIRE_ROLE_CONTROL ? task->id : 0;
    message->hello.key = role == WIRE_ROLE_CONTROL ? task->key : 0;
    memset(message->hello.name, 0, sizeof(message->hello.name));
    snprintf(message->hello.name, sizeof(message->hello.name), "bench%u",
             task->index + load->options->first);
    bench_link_send(link);
}

void bench_link_close(struct bench_link *link)
{
    if (link->poll == NULL)
        return;
    uv_close((uv_handle_t *)link->poll, on_closed);
    close(link->fd); /* only after uv_close, which tells epoll */
    link->poll = NULL;
    if (link->received_fd >= 0)
        close(link->received_fd);
    link->received_fd = -1;
    free(link->input);
    link->input = NULL;
    link->input_size = 0;
}
