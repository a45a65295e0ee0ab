/* The raw wire client. */
#include "wire_client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server_process.h"

#define BUFFER_BYTES (4 * WIRE_MESSAGE_MAX)

int wire_client_connect(struct wire_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int error;

    memset(client, 0, sizeof(*client));
    client->fd = -1;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    client->buffer = malloc(BUFFER_BYTES);
    client->aside = calloc(WIRE_CLIENT_ASIDE, sizeof(*client->aside));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->buffer == NULL || client->aside == NULL || client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error = -errno;
        wire_client_close(client);
        return error;
    }
    return 0;
}

int wire_client_open(struct wire_client *client, const char *path, enum wire_role role, uint32_t id,
                     uint64_t key, const char *name, struct wire_message *welcome)
{
    struct wire_message hello = {.type = WIRE_HELLO}, reply;
    int error = wire_client_connect(client, path);

    if (error < 0)
        return error;
    hello.hello.version = WIRE_VERSION;
    hello.hello.role = (uint8_t)role;
    hello.hello.id = id;
    hello.hello.key = key;
    snprintf(hello.hello.name, sizeof(hello.hello.name), "%s", name);
    error = wire_client_call(client, &hello, -1, &reply);
    if (error == 0 && reply.error != 0)
        error = -(int)reply.error;
    if (error == 0 && reply.type != WIRE_WELCOME)
        error = -EPROTO;
    if (error < 0) {
        wire_client_close(client);
        return error;
    }
    client->id = reply.welcome.id;
    client->key = reply.welcome.key;
    if (welcome != NULL)
        *welcome = reply;
    return 0;
}

void wire_client_close(struct wire_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    for (unsigned i = 0; i < client->fd_count; i++)
        close(client->fds[i]);
    client->fd_count = 0;
    for (unsigned i = 0; i < client->aside_count; i++)
        if (client->aside[i].fd >= 0)
            close(client->aside[i].fd);
    client->aside_count = 0;
    free(client->aside);
    client->aside = NULL;
    free(client->buffer);
    client->buffer = NULL;
}

/* Send what the socket takes now, the descriptor with the first byte. */
static ssize_t bytes_push(int socket, const void *bytes, size_t count, int fd)
{
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;

    memset(&control, 0, sizeof(control));
    if (fd >= 0) {
        header.msg_control = &control;
        header.msg_controllen = sizeof(control);
        CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(fd));
    }
    return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int socket_wait(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};
    int got;

    do
        got = poll(&wait, 1, SERVER_PATIENCE_MS);
    while (got < 0 && errno == EINTR);
    return got > 0 ? 0 : got == 0 ? -ETIMEDOUT : -errno;
}

int wire_client_send_bytes(struct wire_client *client, const void *bytes, size_t count, int fd)
{
    const char *next = bytes;

    while (count > 0) {
        ssize_t sent = bytes_push(client->fd, next, count, fd);
        int error;

        if (sent >= 0) {
            next += sent;
            count -= (size_t)sent;
            fd = -1;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        error = socket_wait(client->fd, POLLOUT);
        if (error < 0)
            return error;
    }
    return 0;
}

int wire_client_send(struct wire_client *client, const struct wire_message *message, int fd)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t count = wire_encode(message, bytes, sizeof(bytes));

    if (count == 0)
        return -EINVAL;
    return wire_client_send_bytes(client, bytes, count, fd);
}

/* Keep the descriptors of one recvmsg. */
static void fds_collect(struct wire_client *client, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (client->fd_count < WIRE_CLIENT_ASIDE)
                client->fds[client->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

/* Read once. Returns 0 if something came, -EAGAIN, -EPIPE or another negative errno. */
static int bytes_pull(struct wire_client *client)
{
    struct iovec vector = {.iov_base = client->buffer + client->filled,
                           .iov_len = BUFFER_BYTES - client->filled};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(WIRE_CLIENT_ASIDE * sizeof(int))];
    } control;
    struct msghdr header = {.msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got;

    do
        got = recvmsg(client->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    fds_collect(client, &header);
    if (got == 0)
        return -EPIPE;
    client->filled += (size_t)got;
    return 0;
}

/* Decode the message at the front of the buffer: 0, -EAGAIN or -EBADMSG. */
static int message_take(struct wire_client *client, struct wire_message *message, int *fd)
{
    size_t used = 0;
    enum wire_verdict verdict = wire_decode(client->buffer, client->filled, message, &used);

    *fd = -1;
    if (verdict == WIRE_MORE)
        return -EAGAIN;
    if (verdict != WIRE_OK)
        return -EBADMSG;
    if (message->nfds > 0) {
        if (client->fd_count == 0)
            return -EBADMSG;
        *fd = client->fds[0];
        client->fd_count--;
        memmove(client->fds, client->fds + 1, client->fd_count * sizeof(client->fds[0]));
    }
    client->filled -= used;
    memmove(client->buffer, client->buffer + used, client->filled);
    return 0;
}

/* The next message from the socket; `wait`: until there is one. */
static int message_receive(struct wire_client *client, struct wire_message *message, int *fd,
                           bool wait)
{
    for (;;) {
        int error = message_take(client, message, fd);

        if (error != -EAGAIN)
            return error;
        error = bytes_pull(client);
        if (error == -EAGAIN && wait)
            error = socket_wait(client->fd, POLLIN);
        if (error < 0)
            return error;
    }
}

/* Hand a descriptor to whoever wants it. */
static void fd_hand_over(int fd, int *to)
{
    if (to != NULL)
        *to = fd;
    else if (fd >= 0)
        close(fd);
}

static int message_next(struct wire_client *client, struct wire_message *message, int *fd,
                        bool wait)
{
    int error, received;

    if (client->aside_count > 0) {
        *message = client->aside[0].message;
        fd_hand_over(client->aside[0].fd, fd);
        client->aside_count--;
        memmove(client->aside, client->aside + 1, client->aside_count * sizeof(*client->aside));
        return 0;
    }
    error = message_receive(client, message, &received, wait);
    if (error == 0)
        fd_hand_over(received, fd);
    return error;
}

int wire_client_receive(struct wire_client *client, struct wire_message *message, int *fd)
{
    return message_next(client, message, fd, true);
}

int wire_client_poll(struct wire_client *client, struct wire_message *message, int *fd)
{
    return message_next(client, message, fd, false);
}

int wire_client_call(struct wire_client *client, struct wire_message *request, int fd,
                     struct wire_message *reply)
{
    int error, received;

    request->seq = ++client->seq;
    error = wire_client_send(client, request, fd);
    while (error == 0) {
        error = message_receive(client, reply, &received, true);
        if (error < 0)
            break;
        if (reply->seq == request->seq && reply->type != WIRE_EXTENT) {
            fd_hand_over(received, NULL);
            break;
        }
        if (client->aside_count == WIRE_CLIENT_ASIDE) {
            fd_hand_over(received, NULL);
            return -ENOBUFS;
        }
        client->aside[client->aside_count].message = *reply;
        client->aside[client->aside_count].fd = received;
        client->aside_count++;
    }
    return error;
}

int wire_client_expect_end(struct wire_client *client)
{
    int error;

    do {
        client->filled = 0;
        error = bytes_pull(client);
        if (error == -EAGAIN)
            error = socket_wait(client->fd, POLLIN);
    } while (error == 0);
    return error == -EPIPE ? 0 : error;
}
