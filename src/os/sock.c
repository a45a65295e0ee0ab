#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"

_Static_assert(sizeof(((struct sockaddr_un *)NULL)->sun_path) == SOCK_PATH_MAX + 1,
               "SOCK_PATH_MAX is what the kernel takes");

/* Room for two descriptors: see sock_receive. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(2 * sizeof(int))];
};

static int fill_address(struct sockaddr_un *address, const char *path, struct sp_error *error)
{
    size_t length = strlen(path);

    if (length == 0)
        return error_set(error, EINVAL, "the path of the socket is empty");
    if (length > SOCK_PATH_MAX)
        return error_set(error, ENAMETOOLONG,
                         "socket path %.120s%s has %zu bytes, a Unix socket can have at most %d: "
                         "choose a shorter directory",
                         path, length > 120 ? "..." : "", length, SOCK_PATH_MAX);
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

static int socket_new(struct sp_error *error)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return error_set(error, errno, "socket failed: %s", strerror(errno));
    return fd;
}

/* Whether a server listens at `address`: a connection is tried and given up. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket_new(NULL);
    bool served;

    if (fd < 0)
        return true; /* unknown: rather leave the file alone */
    /* EAGAIN: there is a listener, and its backlog is full. */
    served =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
    close(fd);
    return served;
}

/* Remove a socket file that nobody serves, so that its path can be bound. */
static int remove_stale(const struct sockaddr_un *address, struct sp_error *error)
{
    struct stat status;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0
                               : error_set(error, errno, "cannot look at %s: %s", address->sun_path,
                                           strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, EEXIST, "%s exists and is not a socket: choose another path",
                         address->sun_path);
    if (is_served(address))
        return error_set(error, EADDRINUSE, "somebody listens on %s already: choose another path",
                         address->sun_path);
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return error_set(error, errno, "cannot remove the old socket %s: %s", address->sun_path,
                         strerror(errno));
    return 0;
}

/* Bind with mode 0600 from the first moment. The mode of the descriptor, which fchmod sets before
 * bind, is where the file's mode comes from; so there is no need for the process-wide umask. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, int backlog,
                           struct sp_error *error)
{
    const char *call = "fchmod";

    if (fchmod(fd, 0600) == 0) {
        call = "bind";
        if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
            call = "listen";
            if (listen(fd, backlog) == 0)
                return 0;
        }
    }
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return error_set(error, errno, "cannot listen on %s: there is no such directory",
                         address->sun_path);
    case EACCES:
    case EROFS:
        return error_set(error, errno,
                         "cannot listen on %s: no file can be made in this directory (%s): choose "
                         "another path",
                         address->sun_path, strerror(errno));
    default:
        return error_set(error, errno, "cannot listen on %s: %s failed: %s", address->sun_path,
                         call, strerror(errno));
    }
}

int sock_listen(const char *path, int backlog, struct sp_error *error)
{
    struct sockaddr_un address;
    int result;
    int fd;

    result = fill_address(&address, path, error);
    if (result != 0)
        return result;
    result = remove_stale(&address, error);
    if (result != 0)
        return result;
    fd = socket_new(error);
    if (fd < 0)
        return fd;
    result = bind_and_listen(fd, &address, backlog, error);
    if (result != 0) {
        close(fd);
        return result;
    }
    return fd;
}

static int connect_failed(int code, const char *path, struct sp_error *error)
{
    struct stat status;

    switch (code) {
    case ENOENT:
        return error_set(error, code,
                         "there is no socket %s: start the server first, or correct "
                         "the path",
                         path);
    case ECONNREFUSED:
        if (stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
            return error_set(error, code, "%s is a file, and no socket of a server", path);
        return error_set(error, code,
                         "nobody listens on %s: the server that made it has ended; "
                         "start it again",
                         path);
    case EACCES:
        return error_set(
            error, code,
            "may not connect to %s: it belongs to another user, who can let you in (chmod, chgrp or setfacl "
            "of the socket)",
            path);
    default:
        return error_set(error, code, "cannot connect to %s: %s", path, strerror(code));
    }
}

/* connect on a blocking socket: a non-blocking one would fail at once when the backlog is full. A
 * Unix socket's connect that was interrupted has not begun, and can be repeated. */
static int connect_waiting(int fd, const struct sockaddr_un *address)
{
    int flags = fcntl(fd, F_GETFL);
    int result;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return -errno;
    do
        result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    while (result != 0 && errno == EINTR);
    if (result != 0 || fcntl(fd, F_SETFL, flags) != 0)
        return -errno;
    return 0;
}

int sock_connect(const char *path, struct sp_error *error)
{
    struct sockaddr_un address;
    int result;
    int fd;

    result = fill_address(&address, path, error);
    if (result != 0)
        return result;
    fd = socket_new(error);
    if (fd < 0)
        return fd;
    result = connect_waiting(fd, &address);
    if (result != 0) {
        close(fd);
        return connect_failed(-result, path, error);
    }
    return fd;
}

int sock_connect_now(const char *path)
{
    struct sockaddr_un address;
    int fd, result = fill_address(&address, path, NULL);

    if (result != 0)
        return result;
    fd = socket_new(NULL);
    if (fd < 0)
        return fd;
    do
        result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return fd;
    result = -errno;
    close(fd);
    return result;
}

int sock_accept(int listener)
{
    int fd;

    do
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd < 0 ? -errno : fd;
}

static void attach_descriptor(struct msghdr *header, union control *control, int borrowed_fd)
{
    struct cmsghdr *cmsg;

    memset(control, 0, sizeof(*control)); /* the padding too: no memory of this process leaks out */
    header->msg_control = control->bytes;
    header->msg_controllen = CMSG_SPACE(sizeof(int));
    cmsg = CMSG_FIRSTHDR(header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &borrowed_fd, sizeof(int));
}

/* The result of a call that sends or receives, with errors as everywhere here. */
static inline ssize_t result_of(ssize_t moved)
{
    if (moved >= 0)
        return moved;
    return errno == ECONNRESET ? -EPIPE : -errno;
}

static __attribute__((noinline)) ssize_t send_with_descriptor(int fd, const void *bytes,
                                                              size_t size, int borrowed_fd)
{
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    ssize_t sent;

    attach_descriptor(&header, &control, borrowed_fd);
    do
        sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return result_of(sent);
}

ssize_t sock_send(int fd, const void *bytes, size_t size, int borrowed_fd)
{
    ssize_t sent;

    if (borrowed_fd >= 0)
        return send_with_descriptor(fd, bytes, size, borrowed_fd);
    do
        sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return result_of(sent);
}

/* Take the first descriptor of a received message and close all others. Returns how many came. */
static unsigned take_descriptors(struct msghdr *header, int *receivedp)
{
    struct cmsghdr *cmsg;
    unsigned count = 0;
    size_t i;
    int fd;

    for (cmsg = CMSG_FIRSTHDR(header); cmsg != NULL; cmsg = CMSG_NXTHDR(header, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (i = 0; i < (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
            if (count++ == 0)
                *receivedp = fd;
            else
                close(fd);
        }
    }
    return count;
}

static ssize_t receive(int fd, struct msghdr *header)
{
    ssize_t received;

    do
        received = recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    return result_of(received);
}

ssize_t sock_receive(int fd, void *buffer, size_t size, int *receivedp)
{
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union control control;
    ssize_t received;
    unsigned count;

    *receivedp = -1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof(control.bytes);
    received = receive(fd, &header);
    if (received < 0)
        return received;
    count = take_descriptors(&header, receivedp);
    if (count <= 1 && (header.msg_flags & MSG_CTRUNC) == 0)
        return received;
    if (count > 0)
        close(*receivedp);
    *receivedp = -1;
    /* There is room for two descriptors here: truncated with fewer means that this process may have
     * no more. */
    return count > 1 ? -EPROTO : -EMFILE;
}

ssize_t sock_receive_bytes(int fd, void *buffer, size_t size)
{
    ssize_t received;

    do
        received = recv(fd, buffer, size, MSG_DONTWAIT);
    while (received < 0 && errno == EINTR);
    return result_of(received);
}

ssize_t sock_receive_all(int fd, void *buffer, size_t size, int fds[SOCK_FDS_MAX], unsigned *countp)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SOCK_FDS_MAX * sizeof(int))];
    } all;
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *cmsg;
    ssize_t received;

    *countp = 0;
    header.msg_control = all.bytes;
    header.msg_controllen = sizeof(all.bytes);
    received = receive(fd, &header);
    if (received < 0)
        return received;
    for (cmsg = CMSG_FIRSTHDR(&header); cmsg != NULL; cmsg = CMSG_NXTHDR(&header, cmsg)) {
        size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(fds + *countp, CMSG_DATA(cmsg), bytes);
        *countp += (unsigned)(bytes / sizeof(int));
    }
    return (header.msg_flags & MSG_CTRUNC) != 0 ? -EPROTO : received;
}

/* In headers since Linux 6.16 and 6.5. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int sock_pass_descriptors(int fd, bool pass)
{
    int on = pass;

    return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on)) == 0 ? 0 : -errno;
}

bool sock_passes_no_descriptors(int fd)
{
    socklen_t size = sizeof(int);
    int on = 1;

    return getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &size) == 0 && on == 0;
}

/* Whether the process of a pidfd has ended, as 0 or -ESRCH, and whether it could be signalled. */
static int pidfd_check(int pidfd)
{
    struct pollfd entry = {.fd = pidfd, .events = POLLIN};

    if (poll(&entry, 1, 0) != 0)
        return -ESRCH;
    if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0)
        return 0;
    return errno == ENOSYS ? -ENOPROTOOPT : -errno;
}

int sock_peer_pidfd(int fd)
{
    socklen_t size = sizeof(int);
    int pidfd = -1, code;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0)
        return -errno;
    code =
        pidfd_check(pidfd); /* since Linux 6.16 there is a pidfd of a process that has gone, too */
    if (code == 0)
        return pidfd;
    close(pidfd);
    return code;
}

int sock_peer(int fd, struct sock_peer *peer)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return -errno;
    peer->pid = credentials.pid;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    return 0;
}

int sock_wait(int fd, short events, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = events};
    uint64_t deadline_ns =
        clock_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * CLOCK_NS_PER_MS;
    uint64_t now_ns;
    int left_ms = timeout_ms;
    int result;

    for (;;) {
        result = poll(&entry, 1, left_ms);
        if (result > 0)
            return entry.revents;
        if (result == 0)
            return 0;
        if (errno != EINTR)
            return -errno;
        if (timeout_ms >= 0) {
            now_ns = clock_now_ns();
            if (now_ns >= deadline_ns)
                return 0;
            left_ms = (int)((deadline_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
        }
    }
}

int sock_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
        return -errno;
    return 0;
}
