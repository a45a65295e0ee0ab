/* Unix stream sockets that pass descriptors, at most one with each send.
 *
 * Every socket here is close-on-exec and non-blocking. Only sock_connect, sock_wait, and functions that say so
 * wait. Functions return a value >= 0 or a negative errno.
 *
 * Names of descriptor arguments carry ownership: the caller still owns `borrowed_fd`, which need
 * only live for the call; the caller must close `*receivedp`.
 *
 * A passed descriptor arrives with the first byte that was sent with it, or with bytes sent before
 * it, never later. Code that frames messages over this must therefore start a send with the message
 * that the descriptor belongs to. */
#ifndef OS_SOCK_H
#define OS_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <selfpage/error.h>

/* Longest path of a Unix socket in bytes, without its NUL. */
#define SOCK_PATH_MAX 107

/* Listen at `path`; the socket file gets mode 0600. A file left by a server that died is replaced.
 * Returns the listening descriptor.
 *   -ENAMETOOLONG  the path is longer than SOCK_PATH_MAX
 *   -EADDRINUSE    somebody listens there already
 *   -EEXIST        there is a file at `path` that is not a socket
 *   others         from the system call that the text names
 * `error` may be NULL. Not for signal handlers. */
int sock_listen(const char *path, int backlog, struct sp_error *error);

/* Connect to `path`, waiting while the server's backlog is full. Returns the descriptor.
 *   -ENAMETOOLONG, -ENOENT (no such socket), -ECONNREFUSED (nobody listens), others as above.
 * `error` may be NULL. Not for signal handlers. */
int sock_connect(const char *path, struct sp_error *error);

/* The same without waiting, and without a text: also -EAGAIN, the server's backlog is full. */
int sock_connect_now(const char *path);

/* Take the next connection of a listening socket. Returns its descriptor; -EAGAIN when there is
 * none. Connections that ended while they waited are skipped. Async-signal-safe. */
int sock_accept(int listener);

/* Send up to `size` > 0 bytes, and with the first of them `borrowed_fd` (-1: none). Returns how
 * many bytes were taken, at least 1; a descriptor has gone along if any byte has.
 *   -EAGAIN        the socket takes nothing now
 *   -EPIPE         the peer is gone (no SIGPIPE is raised; ECONNRESET is given as this too)
 *   -ETOOMANYREFS  too many passed descriptors of this user have not been received yet
 * Async-signal-safe. */
ssize_t sock_send(int fd, const void *bytes, size_t size, int borrowed_fd);

/* Receive up to `size` > 0 bytes. `*receivedp` is set to the descriptor that came with them
 * (close-on-exec), or -1. Returns the number of bytes, 0 when the peer has closed.
 *   -EAGAIN  nothing is there now
 *   -EPIPE   the connection was reset
 *   -EPROTO  more than one descriptor came at once; all are closed
 *   -EMFILE  a descriptor came that is lost, because this process may have no more
 * On error *receivedp is -1. Async-signal-safe. */
ssize_t sock_receive(int fd, void *buffer, size_t size, int *receivedp);

/* The same without room for descriptors: if any come they are lost, which can block (see
 * sock_pass_descriptors). */
ssize_t sock_receive_bytes(int fd, void *buffer, size_t size);

/* Most descriptors that come at once: SCM_MAX_FD of the kernel. */
#define SOCK_FDS_MAX 253u

/* The same, and take every descriptor that comes: none is closed here or by the kernel, unless this
 * process has no room for it. `*countp` of them are put into `fds`; the caller must close them, on
 * error as well. -EPROTO: there was no room for some. */
ssize_t sock_receive_all(int fd, void *buffer, size_t size, int fds[SOCK_FDS_MAX],
                         unsigned *countp);

/* Say whether peers may send descriptors to this socket, or to those that will be accepted from it:
 * to send one then fails for them with EPERM. Returns 0, or -ENOPROTOOPT where the kernel cannot
 * (before Linux 6.16). Closing a descriptor that somebody else has sent can block for years. */
int sock_pass_descriptors(int fd, bool pass);

/* Whether the kernel refuses descriptors that are sent to this socket. */
bool sock_passes_no_descriptors(int fd);

/* The process that opened the other end, as the kernel knew it at the time of connect. */
struct sock_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* Fill *peer by SO_PEERCRED. Returns 0. Async-signal-safe. */
int sock_peer(int fd, struct sock_peer *peer);

/* A pidfd of the process that opened the other end; it names that process and no later one of the
 * same number, and this process may signal it. The caller must close it. -ENOPROTOOPT: the kernel
 * has no such pidfd (before Linux 6.5), or no signals for pidfds; -EPERM: this process may not
 * signal that one; others: the process has ended, or no descriptor is left. */
int sock_peer_pidfd(int fd);

/* Wait until `fd` has one of `events` (POLLIN, POLLOUT), for at most `timeout_ms` (-1: no limit).
 * Returns the events there are (POLLERR and POLLHUP always count), or 0 when time is up. A signal
 * does not end the wait. Async-signal-safe. */
int sock_wait(int fd, short events, int timeout_ms);

/* Two connected sockets, for tests and for parents and children. Returns 0. */
int sock_pair(int fds[2]);

#endif
