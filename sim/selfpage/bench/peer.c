#include "selfpage/bench/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/sock.h"

#define PATIENCE_S 60

int bench_peer_patience(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
        return -errno;
    return 0;
}

int bench_peer_send_bytes(int fd, const void *bytes, size_t size, struct sp_error *error)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size)
        return 0;
    return error_set(error, EPIPE, "cannot send to physmem: %s", strerror(errno));
}

int bench_peer_send(int fd, const struct wire_message *message, struct sp_error *error)
{
    uint8_t bytes[512]; /* requests here are short */
    size_t size = wire_encode(message, bytes, sizeof(bytes));

    return bench_peer_send_bytes(fd, bytes, size, error);
}

int bench_peer_receive(int fd, struct wire_message *message, struct sp_error *error)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t wanted = WIRE_HEADER, have = 0;
    enum wire_verdict verdict = WIRE_MORE;
    ssize_t got;

    while (verdict == WIRE_MORE) {
        got = recv(fd, bytes + have, wanted - have, MSG_WAITALL);
        if (got <= 0)
            return error_set(error, EPIPE, "physmem %s",
                             got == 0 ? "has ended a connection" : "does not answer");
        have += (size_t)got;
        if (have == wanted)
            verdict = wire_decode(bytes, have, message, &wanted);
    }
    if (verdict != WIRE_OK)
        return error_set(error, EPROTO, "physmem sent %s", wire_verdict_text(verdict));
    return 0;
}

int bench_peer_hello(const char *path, enum wire_role role, struct wire_message *message,
                     struct sp_error *error)
{
    static const char name[] = "bench-probe";
    uint32_t id = message->welcome.id;
    uint64_t key = message->welcome.key;
    int fd = sock_connect(path, error);
    int code = fd;

    if (fd < 0)
        return fd;
    memset(&message->hello, 0, sizeof(message->hello));
    message->type = WIRE_HELLO;
    message->seq = 1;
    message->error = 0;
    message->hello.version = WIRE_VERSION;
    message->hello.role = (uint8_t)role;
    message->hello.id = role == WIRE_ROLE_CONTROL ? id : 0;
    message->hello.key = role == WIRE_ROLE_CONTROL ? key : 0;
    memcpy(message->hello.name, name, sizeof(name));
    code = bench_peer_patience(fd);
    if (code != 0)
        error_set(error, -code, "cannot make a socket wait: %s", strerror(-code));
    if (code == 0)
        code = bench_peer_send(fd, message, error);
    if (code == 0)
        code = bench_peer_receive(fd, message, error);
    if (code == 0 && message->type != WIRE_WELCOME)
        code = error_set(error, EPROTO, "physmem does not welcome one more task");
    if (code == 0)
        return fd;
    close(fd);
    return code;
}

int bench_peer_call(struct bench_peer *peer, struct wire_message *message, enum wire_type type,
                    struct sp_error *error)
{
    int code;

    message->type = (uint8_t)type;
    message->seq = ++peer->seq;
    message->error = 0;
    code = bench_peer_send(peer->request, message, error);
    if (code == 0)
        code = bench_peer_receive(peer->request, message, error);
    if (code == 0 && message->error != 0)
        code = error_set(error, (int)message->error, "physmem answers %s with: %s",
                         wire_type_name((uint8_t)type), strerror((int)message->error));
    return code;
}

int bench_peer_open(struct bench_peer *peer, const char *path, uint32_t slots,
                    struct wire_message *message, struct sp_error *error)
{
    int code;

    *peer = (struct bench_peer){.control = -1};
    peer->request = bench_peer_hello(path, WIRE_ROLE_TASK, message, error);
    if (peer->request < 0)
        return peer->request;
    peer->control = bench_peer_hello(path, WIRE_ROLE_CONTROL, message, error);
    if (peer->control < 0)
        return peer->control;
    message->container_create.slots = slots;
    code = bench_peer_call(peer, message, WIRE_CONTAINER_CREATE, error);
    peer->container = message->container.container;
    return code;
}

void bench_peer_close(struct bench_peer *peer)
{
    if (peer->request >= 0)
        close(peer->request);
    if (peer->control >= 0)
        close(peer->control);
    peer->request = peer->control = -1;
}
