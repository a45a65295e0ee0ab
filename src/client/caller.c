#include "client/caller.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/sock.h"

void caller_init(struct caller *caller, const char *server, int timeout_ms)
{
    link_init(&caller->link, -1, caller->buffer, sizeof(caller->buffer));
    caller->server = server;
    caller->timeout_ms = timeout_ms;
    caller->on_other = NULL;
    caller->context = NULL;
}

int caller_connect(struct caller *caller, const char *path, struct sp_error *error)
{
    int fd = link_connect(path, error);

    if (fd < 0)
        return fd;
    link_init(&caller->link, fd, caller->buffer, sizeof(caller->buffer));
    return 0;
}

void caller_close(struct caller *caller)
{
    link_close(&caller->link);
}

/* Wait for events of the socket. */
static int wait_for(struct caller *caller, short events)
{
    int got = sock_wait(caller->link.fd, events, caller->timeout_ms);

    if (got == 0)
        return -ETIMEDOUT;
    return got < 0 ? got : 0;
}

/* Wait until the socket may take more. */
static int wait_to_send(struct caller *caller)
{
    int result =
        wait_for(caller, caller->link.in_have < caller->link.in_size ? POLLIN | POLLOUT : POLLOUT);

    if (result == 0)
        result = link_pull(&caller->link);
    return result == -ENOBUFS || result > 0 ? 0 : result;
}

int caller_send_bytes(struct caller *caller, const void *bytes, size_t size, int borrowed_fd)
{
    const unsigned char *next = bytes;
    int result = 0;

    while (size > 0 && result == 0) {
        ssize_t sent = sock_send(caller->link.fd, next, size, borrowed_fd);

        if (sent == -EAGAIN) {
            result = wait_to_send(caller);
        } else if (sent < 0) {
            result = (int)sent;
        } else {
            next += sent;
            size -= (size_t)sent;
            borrowed_fd = -1;
        }
    }
    return result;
}

int caller_send(struct caller *caller, const struct wire_message *message, int borrowed_fd)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(message, bytes, sizeof(bytes));

    return size == 0 ? -EINVAL : caller_send_bytes(caller, bytes, size, borrowed_fd);
}

/* Give a descriptor away, or close it. */
static void hand_over(int fd, int *fdp)
{
    if (fdp != NULL)
        *fdp = fd;
    else if (fd >= 0)
        close(fd);
}

int caller_poll(struct caller *caller, struct wire_message *message, int *fdp)
{
    int fd, result = link_next(&caller->link, message, &fd);

    hand_over(fd, fdp);
    if (result == 0)
        return -EAGAIN;
    return result < 0 ? result : 0;
}

int caller_receive(struct caller *caller, struct wire_message *message, int *fdp)
{
    int result, fd;

    hand_over(-1, fdp);
    while ((result = link_take(&caller->link, message, &fd)) == 0) {
        result = wait_for(caller, POLLIN);
        if (result == 0)
            result = link_pull(&caller->link);
        if (result < 0)
            return result;
    }
    if (result < 0)
        return result;
    hand_over(fd, fdp);
    return 0;
}

/* A message came that is not the reply. */
static void set_aside(struct caller *caller, const struct wire_message *message, int consume_fd)
{
    if (caller->on_other != NULL)
        caller->on_other(caller->context, message, consume_fd);
    else
        hand_over(consume_fd, NULL);
}

int caller_ask(struct caller *caller, struct wire_message *request, int borrowed_fd,
               struct wire_message *reply, int *fdp)
{
    uint32_t seq = link_next_seq(&caller->link);
    int result, fd;

    request->seq = seq;
    result = caller_send(caller, request, borrowed_fd);
    while (result == 0) {
        result = caller_receive(caller, reply, &fd);
        if (result != 0)
            break;
        if (reply->seq == seq) {
            hand_over(fd, fdp);
            break;
        }
        set_aside(caller, reply, fd);
    }
    return result;
}

/* Say why asking failed. */
static int explain(const struct caller *caller, int code, uint8_t type, struct sp_error *error)
{
    switch (code) {
    case -EPIPE:
        return error_set(error, EPIPE, "%s has closed the connection: its log says why",
                         caller->server);
    case -EPROTO:
        return error_set(error, EPROTO, "%s sent %s", caller->server, caller->link.problem);
    case -ETIMEDOUT:
        return error_set(error, ETIMEDOUT, "%s does not answer %s in %d ms", caller->server,
                         message_type_name(type), caller->timeout_ms);
    default:
        return error_set(error, -code, "cannot send %s to %s: %s", message_type_name(type),
                         caller->server, strerror(-code));
    }
}

int caller_ask_for(struct caller *caller, struct wire_message *request, enum wire_type expected,
                   struct wire_message *reply, int *fdp, struct sp_error *error)
{
    uint8_t type = request->type; /* `reply` may be the same */
    int fd = -1, code = caller_ask(caller, request, -1, reply, &fd);

    if (code == 0 && reply->error == 0 && reply->type == expected) {
        hand_over(fd, fdp);
        return 0;
    }
    hand_over(fd, NULL);
    hand_over(-1, fdp);
    if (code != 0)
        return explain(caller, code, type, error);
    if (reply->error != 0)
        return error_set(error, (int)reply->error, "%s answers %s with: %s", caller->server,
                         message_type_name(type),
                         reply->type == WIRE_DONE && reply->done.text[0] != '\0'
                             ? reply->done.text
                             : strerror((int)reply->error));
    return error_set(error, EPROTO, "%s answers %s with %s", caller->server,
                     message_type_name(type), message_type_name(reply->type));
}

/* Exchange HELLO and WELCOME. */
static int greet(struct caller *caller, const struct hello *hello, struct wire_message *welcome,
                 struct sp_error *error)
{
    int code;

    hello_fill(welcome, hello);
    code = caller_ask(caller, welcome, -1, welcome, NULL);
    if (code != 0)
        return explain(caller, code, WIRE_HELLO, error);
    return hello_check(welcome, caller->server, error);
}

int caller_open(struct caller *caller, const char *path, const struct hello *hello,
                struct wire_message *welcome, struct sp_error *error)
{
    struct wire_message unwanted;
    int code = caller_connect(caller, path, error);

    if (code == 0)
        code = greet(caller, hello, welcome != NULL ? welcome : &unwanted, error);
    if (code != 0)
        caller_close(caller);
    return code;
}
