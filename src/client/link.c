#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/descriptor.h"
#include "os/sock.h"

int link_connect(const char *path, struct sp_error *error)
{
    int fd = sock_connect(path, error);

    if (fd < 0)
        return fd;
    fd = descriptor_raise(fd);
    return fd >= 0 ? fd
                   : error_set(error, -fd,
                               "cannot connect to %s: this process may have no more files", path);
}

void link_init(struct link *link, int consume_fd, unsigned char *buffer, size_t size)
{
    *link = (struct link){.fd = consume_fd, .in = buffer, .in_size = size};
}

void link_close(struct link *link)
{
    for (uint32_t i = 0; i < link->fds_count; i++)
        close(link->fds[i]);
    link->fds_count = 0;
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->in_from = link->in_have = 0;
}

size_t link_pending(const struct link *link)
{
    return link->in_have - link->in_from;
}

void link_lend(struct link *link, unsigned char *buffer, size_t size)
{
    size_t pending = link_pending(link);

    if (pending > 0)
        memmove(buffer, link->in + link->in_from, pending);
    link->in = buffer;
    link->in_size = size;
    link->in_from = 0;
    link->in_have = pending;
}

uint32_t link_next_seq(struct link *link)
{
    if (++link->seq == 0)
        link->seq = 1;
    return link->seq;
}

int link_send(struct link *link, const struct wire_message *message, int borrowed_fd)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(message, bytes, sizeof(bytes));
    ssize_t sent;

    if (size == 0)
        return -EINVAL;
    sent = sock_send(link->fd, bytes, size, borrowed_fd);
    if (sent < 0)
        return (int)sent;
    return sent == (ssize_t)size ? 0 : -EPIPE;
}

/* Keep a descriptor until its message is complete. */
static int keep_descriptor(struct link *link, int consume_fd)
{
    int fd = descriptor_raise(consume_fd);

    if (fd < 0)
        return fd;
    if (link->fds_count == LINK_FDS) {
        close(fd);
        link->problem = "more descriptors than messages announced";
        return -EPROTO;
    }
    link->fds[link->fds_count++] = fd;
    return 0;
}

int link_pull(struct link *link)
{
    ssize_t got;
    int result = 0, fd;

    if (link->in_from > 0)
        link_lend(link, link->in, link->in_size);
    if (link->in_have == link->in_size)
        return -ENOBUFS;
    got = sock_receive(link->fd, link->in + link->in_have, link->in_size - link->in_have, &fd);
    if (got == -EAGAIN)
        return 0;
    if (got == -EPROTO)
        link->problem = "several descriptors at once";
    if (got <= 0)
        return got == 0 ? -EPIPE : (int)got;
    if (fd >= 0)
        result = keep_descriptor(link, fd);
    if (result < 0)
        return result;
    link->in_have += (size_t)got;
    return (int)got;
}

/* Take the descriptor that a complete message announces. */
static int take_descriptor(struct link *link)
{
    int fd = link->fds[0];

    link->fds_count--;
    memmove(link->fds, link->fds + 1, link->fds_count * sizeof(link->fds[0]));
    return fd;
}

/* Why a message is none that a server sends here; NULL: it is one. */
static const char *find_problem(const struct link *link, enum wire_verdict verdict,
                                const struct wire_message *message)
{
    if (verdict != WIRE_OK)
        return print_verdict_text(verdict);
    if ((message_type_senders(message->type) & WIRE_BY_SERVERS) == 0)
        return "a message that only clients send";
    if (message->nfds > link->fds_count)
        return "a message without the descriptor that it announces";
    return NULL;
}

int link_take(struct link *link, struct wire_message *message, int *fdp)
{
    enum wire_verdict verdict;
    size_t used;

    *fdp = -1;
    if (link_pending(link) == 0)
        return 0;
    verdict = wire_decode(link->in + link->in_from, link_pending(link), message, &used);
    if (verdict == WIRE_MORE)
        return 0;
    link->problem = find_problem(link, verdict, message);
    if (link->problem != NULL)
        return -EPROTO;
    link->in_from += used;
    if (message->nfds > 0)
        *fdp = take_descriptor(link);
    return 1;
}

int link_next(struct link *link, struct wire_message *message, int *fdp)
{
    int result = link_take(link, message, fdp);

    while (result == 0) {
        result = link_pull(link);
        if (result <= 0)
            return result;
        result = link_take(link, message, fdp);
    }
    return result;
}
