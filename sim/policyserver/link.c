#include "link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "os/sock.h"

void link_init(struct link *link)
{
    *link = (struct link){.fd = -1, .received_fd = -1};
}

int link_connect(struct link *link, const char *path, struct sp_error *error)
{
    int fd = sock_connect(path, error);

    if (fd < 0)
        return fd;
    link->fd = fd;
    return 0;
}

void link_fini(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    if (link->received_fd >= 0)
        close(link->received_fd);
    link_init(link);
}

int link_send(struct link *link, struct wire_message *message, bool reply)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size, sent = 0;

    message->seq = reply ? ++link->seq : 0;
    size = wire_encode(message, bytes, sizeof(bytes));
    while (sent < size) {
        ssize_t taken = sock_send(link->fd, bytes + sent, size - sent, -1);

        if (taken == -EAGAIN)
            sock_wait(link->fd, POLLOUT, -1);
        else if (taken < 0)
            return -EPIPE;
        else
            sent += (size_t)taken;
    }
    return size > 0 ? 0 : -EINVAL;
}

/* Take the first message out of the buffer. */
static int take(struct link *link, struct wire_message *message, int *fdp)
{
    size_t used;

    *fdp = -1;
    switch (wire_decode(link->buffer, link->have, message, &used)) {
    case WIRE_MORE:
        return 0;
    case WIRE_OK:
        break;
    default:
        return -EPROTO;
    }
    link->have -= used;
    memmove(link->buffer, link->buffer + used, link->have);
    if (message->nfds == 0)
        return 1;
    *fdp = link->received_fd;
    link->received_fd = -1;
    return *fdp >= 0 ? 1 : -EPROTO;
}

int link_receive(struct link *link, struct wire_message *message, int *fdp)
{
    int result = take(link, message, fdp);

    while (result == 0) {
        int received;
        ssize_t size = sock_receive(link->fd, link->buffer + link->have,
                                    sizeof(link->buffer) - link->have, &received);

        if (size == -EAGAIN)
            return 0;
        if (received >= 0 && link->received_fd >= 0) {
            close(received);
            return -EPROTO;
        }
        if (received >= 0)
            link->received_fd = received;
        if (size <= 0)
            return size == 0 || size == -EPIPE ? -EPIPE : (int)size;
        link->have += (size_t)size;
        result = take(link, message, fdp);
    }
    return result;
}

int link_wait(struct link *link)
{
    int events = sock_wait(link->fd, POLLIN, -1);

    return events < 0 ? events : 0;
}
