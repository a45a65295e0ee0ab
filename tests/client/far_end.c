#include "far_end.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/sock.h"

size_t far_end_encode(uint8_t type, uint32_t seq, unsigned char bytes[WIRE_MESSAGE_MAX])
{
    const struct wire_message message = {.type = type, .seq = seq};

    return wire_encode(&message, bytes, WIRE_MESSAGE_MAX);
}

void far_end_send_bytes(int fd, const void *bytes, size_t size, int borrowed_fd)
{
    const unsigned char *next = bytes;

    while (size > 0) {
        ssize_t sent = sock_send(fd, next, size, borrowed_fd);

        if (sent == -EAGAIN) {
            sock_wait(fd, POLLOUT, -1);
            continue;
        }
        if (sent < 0)
            return; /* the test sees that nothing comes */
        next += sent;
        size -= (size_t)sent;
        borrowed_fd = -1;
    }
}

void far_end_send(int fd, const struct wire_message *message, int borrowed_fd)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(message, bytes, sizeof(bytes));

    if (size == 0)
        abort();
    far_end_send_bytes(fd, bytes, size, borrowed_fd);
}

int far_end_receive(int fd, struct wire_message *message)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t wanted = WIRE_HEADER, have = 0;

    while (have < wanted) {
        int received;
        ssize_t got;

        sock_wait(fd, POLLIN, -1);
        got = sock_receive(fd, bytes + have, wanted - have, &received);
        if (got == -EAGAIN)
            continue;
        if (got <= 0)
            return 0;
        if (received >= 0)
            close(received);
        have += (size_t)got;
        if (wire_decode(bytes, have, message, &wanted) == WIRE_OK)
            return message->type;
    }
    return 0;
}
