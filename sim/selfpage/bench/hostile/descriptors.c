/* Attacks by descriptors whose close blocks. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/sock.h"
#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/rogue.h"

#define LINGER_S 60

/* A TCP connection with data that its peer, which stays open here, never takes. Closing its last
 * descriptor blocks for LINGER_S, or until this process ends. */
static int lingering(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1, .l_linger = LINGER_S};
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof(address);
    static char bytes[65536];
    int small = 2304;

    if (listener < 0 || fd < 0 ||
        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        listen(listener, 1) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        accept(listener, NULL, NULL) < 0)
        return -errno;
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0 ? fd : -errno;
}

/* Leave one with the beginning of a message, before any HELLO. */
static int leave_one(const char *path)
{
    int fd = lingering(), peer = sock_connect(path, NULL);

    if (fd < 0 || peer < 0)
        return fd < 0 ? fd : peer;
    sock_send(peer, "\x50\x53", 2, fd); /* the kernel may refuse it, which is a defence */
    close(fd);
    close(peer);
    return 0;
}

int descriptors_linger(const struct attack_target *target)
{
    int code = 0;

    for (unsigned i = 0; i < 4 * target->strength && code == 0; i++)
        code = leave_one(target->physmem);
    if (code == 0)
        pause(); /* the other ends of the connections have to live on */
    return code;
}

/* The same as an extent of a client that has said HELLO. */
static int give_one(const char *path)
{
    struct wire_message give = {.type = WIRE_GIVE_EXTENT};
    static struct rogue peer;
    int code = rogue_open(&peer, path, "linger", false), fd = lingering();

    give.give_extent.pages = give.give_extent.extent = 1;
    if (code == 0)
        code = fd < 0 ? fd : caller_send(&peer.request, &give, fd);
    if (fd >= 0)
        close(fd);
    rogue_close(&peer);
    return code;
}

int descriptors_linger_swap(const struct attack_target *target)
{
    int code = 0;

    for (unsigned i = 0; i < 4 * target->strength && code == 0; i++) {
        code = leave_one(target->swap);
        if (code == 0)
            code = give_one(target->swap);
    }
    if (code == 0)
        pause();
    return code;
}

/* Many at once, far more than a message has use for, from many connections. */
int descriptors_many(const struct attack_target *target)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SOCK_FDS_MAX * sizeof(int))];
    } control;
    static struct rogue peer;
    int fd = lingering();

    if (fd < 0)
        return fd;
    for (unsigned i = 0; i < 20 * target->strength; i++) {
        struct iovec part = {.iov_base = (void *)"\x50\x53", .iov_len = 2};
        struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
        struct cmsghdr *cmsg;

        if (rogue_open(&peer, target->swap, "many", false) != 0)
            break; /* it has had enough */
        memset(&control, 0, sizeof(control));
        header.msg_controllen = sizeof(control.bytes);
        cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(SOCK_FDS_MAX * sizeof(int));
        for (unsigned k = 0; k < SOCK_FDS_MAX; k++)
            memcpy(CMSG_DATA(cmsg) + k * sizeof(int), &fd, sizeof(int));
        sendmsg(peer.request.link.fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        rogue_close(&peer);
    }
    close(fd);
    pause();
    return 0;
}
