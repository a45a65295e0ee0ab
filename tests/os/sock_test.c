/* Sockets: paths, listening, and descriptors that arrive whole or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <valgrind/valgrind.h>

#include "os/clock.h"
#include "os/sock.h"
#include "scratch.h"

static void test_listen_and_connect(void **state)
{
    unsigned fds = count_fds();
    struct scratch scratch;
    struct sp_error error;
    struct sock_peer peer;
    struct stat status;
    int listener, near, far, received;
    char buffer[8];

    (void)state;
    scratch_init(&scratch);
    listener = sock_listen(scratch_path(&scratch, "s"), 4, &error);
    assert_true(listener >= 0);
    assert_int_equal(stat(scratch.path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(sock_accept(listener), -EAGAIN);
    near = sock_connect(scratch.path, &error);
    assert_true(near >= 0);
    assert_true((fcntl(near, F_GETFL) & O_NONBLOCK) != 0);
    far = sock_accept(listener);
    assert_true(far >= 0);
    assert_int_equal(sock_peer(far, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());

    assert_int_equal(sock_receive(far, buffer, sizeof(buffer), &received), -EAGAIN);
    assert_int_equal(sock_wait(far, POLLIN, 0), 0);
    assert_int_equal(sock_send(near, "hello", 5, -1), 5);
    assert_int_equal(sock_wait(far, POLLIN, -1), POLLIN);
    assert_int_equal(sock_receive(far, buffer, sizeof(buffer), &received), 5);
    assert_int_equal(received, -1);
    assert_memory_equal(buffer, "hello", 5);
    close(far);
    assert_int_equal(sock_receive(near, buffer, sizeof(buffer), &received), 0);
    assert_int_equal(sock_send(near, "hello", 5, -1), -EPIPE);
    close(near);
    close(listener);
    unlink(scratch.path);
    scratch_fini(&scratch);
    assert_int_equal(count_fds(), fds);
}

static void test_a_served_path_is_refused_and_a_stale_one_replaced(void **state)
{
    struct scratch scratch;
    struct sp_error error;
    int first, second;

    (void)state;
    scratch_init(&scratch);
    first = sock_listen(scratch_path(&scratch, "s"), 4, &error);
    assert_true(first >= 0);
    assert_int_equal(sock_listen(scratch.path, 4, &error), -EADDRINUSE);
    assert_int_equal(error.code, EADDRINUSE);
    assert_non_null(strstr(error.text, scratch.path));
    close(first); /* as if the server had died */
    assert_int_equal(sock_connect(scratch.path, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, "start it again"));
    second = sock_listen(scratch.path, 4, &error);
    assert_true(second >= 0);
    close(second);
    unlink(scratch.path);
    assert_int_equal(sock_connect(scratch.path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "start the server first"));
    scratch_fini(&scratch);
}

static void test_another_file_is_left_alone(void **state)
{
    struct scratch scratch;
    struct sp_error error;
    int fd;

    (void)state;
    scratch_init(&scratch);
    fd = open(scratch_path(&scratch, "file"), O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sock_listen(scratch.path, 4, &error), -EEXIST);
    assert_int_equal(sock_connect(scratch.path, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, "is a file, and no socket"));
    assert_int_equal(unlink(scratch.path), 0);
    scratch_fini(&scratch);
    assert_int_equal(sock_listen("/nonexistent/directory/s", 4, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/directory/s"));
    assert_int_equal(sock_listen("", 4, &error), -EINVAL);
    assert_int_equal(sock_listen("", 4, NULL), -EINVAL);
}

static void test_a_long_path_is_named_with_the_limit(void **state)
{
    char path[SOCK_PATH_MAX + 2];
    struct sp_error error;

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(sock_listen(path, 4, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "108 bytes"));
    assert_non_null(strstr(error.text, "107"));
    assert_int_equal(sock_connect(path, &error), -ENAMETOOLONG);
    path[SOCK_PATH_MAX] = '\0'; /* of 107 bytes: not too long */
    assert_int_equal(sock_connect(path, &error), -ENOENT);
}

/* A descriptor of something that can be told again: its inode. */
static ino_t inode_of(int fd)
{
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    return status.st_ino;
}

static void test_a_descriptor_is_passed(void **state)
{
    unsigned fds = count_fds();
    int pair[2], pipe_fds[2], received;
    char buffer[8];

    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(sock_send(pair[0], "a", 1, pipe_fds[0]), 1);
    assert_int_equal(sock_receive(pair[1], buffer, sizeof(buffer), &received), 1);
    assert_true(received >= 0);
    assert_int_equal(inode_of(received), inode_of(pipe_fds[0]));
    assert_int_equal(fcntl(received, F_GETFD), FD_CLOEXEC);
    close(received);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(count_fds(), fds);
}

/* What framing over these sockets rests on: bytes sent before a descriptor may come with it, bytes
 * sent after that never, and two descriptors never come at once. */
static void test_a_receive_stops_at_a_descriptor(void **state)
{
    int pair[2], first, second;
    char buffer[16];

    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(sock_send(pair[0], "ab", 2, -1), 2);
    assert_int_equal(sock_send(pair[0], "cd", 2, pair[0]), 2);
    assert_int_equal(sock_send(pair[0], "ef", 2, pair[1]), 2);
    assert_int_equal(sock_send(pair[0], "gh", 2, -1), 2);
    assert_int_equal(sock_receive(pair[1], buffer, sizeof(buffer), &first), 4);
    assert_memory_equal(buffer, "abcd", 4);
    assert_int_equal(inode_of(first), inode_of(pair[0]));
    close(first);
    /* Cut in the middle: the descriptor comes with the first byte. */
    assert_int_equal(sock_receive(pair[1], buffer, 1, &second), 1);
    assert_int_equal(inode_of(second), inode_of(pair[1]));
    close(second);
    assert_int_equal(sock_receive(pair[1], buffer, sizeof(buffer), &second), 3);
    assert_memory_equal(buffer, "fgh", 3);
    assert_int_equal(second, -1);
    close(pair[0]);
    close(pair[1]);
}

static void send_two_descriptors(int fd, int first, int second)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = "x", .iov_len = 1};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    int fds[2] = {first, second};

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
    assert_int_equal(sendmsg(fd, &header, 0), 1);
}

static void test_two_descriptors_at_once_are_closed(void **state)
{
    int pair[2], received;
    unsigned fds;
    char buffer[8];

    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    fds = count_fds();
    send_two_descriptors(pair[0], pair[0], pair[1]);
    assert_int_equal(sock_receive(pair[1], buffer, sizeof(buffer), &received), -EPROTO);
    assert_int_equal(received, -1);
    assert_int_equal(count_fds(), fds);
    close(pair[0]);
    close(pair[1]);
}

static void test_a_descriptor_lost_for_want_of_room_is_noticed(void **state)
{
    struct rlimit before, none;
    int pair[2], received;
    char buffer[8];

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it has a limit of its own, which the kernel does not know */
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(sock_send(pair[0], "a", 1, pair[0]), 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(sock_receive(pair[1], buffer, sizeof(buffer), &received), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(received, -1);
    close(pair[0]);
    close(pair[1]);
}

static void test_a_full_socket_takes_no_more(void **state)
{
    static char bytes[65536], buffer[65536];
    size_t sent = 0, received = 0;
    int pair[2], fd;
    ssize_t result;

    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    while ((result = sock_send(pair[0], bytes, sizeof(bytes), -1)) > 0)
        sent += (size_t)result;
    assert_int_equal(result, -EAGAIN);
    while ((result = sock_receive(pair[1], buffer, sizeof(buffer), &fd)) > 0)
        received += (size_t)result;
    assert_int_equal(result, -EAGAIN);
    assert_int_equal(sent, received);
    /* A peer that closes with something unreceived resets the connection. */
    assert_int_equal(sock_send(pair[0], bytes, 1, -1), 1);
    close(pair[1]);
    assert_int_equal(sock_receive(pair[0], buffer, sizeof(buffer), &fd), -EPIPE);
    close(pair[0]);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void test_a_signal_does_not_end_a_wait(void **state)
{
    const struct itimerval every = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    const struct itimerval never = {0};
    struct sigaction action = {.sa_handler = count_alarm}, before;
    uint64_t start_ns, waited_ns;
    int pair[2];

    (void)state;
    assert_int_equal(sock_pair(pair), 0);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    start_ns = clock_now_ns();
    assert_int_equal(sock_wait(pair[0], POLLIN, 40), 0);
    waited_ns = clock_now_ns() - start_ns;
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    assert_true(alarms > 0);
    assert_true(waited_ns >= 40 * CLOCK_NS_PER_MS);
    close(pair[1]);
    assert_true((sock_wait(pair[0], POLLIN, -1) & POLLHUP) != 0);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen_and_connect),
        cmocka_unit_test(test_a_served_path_is_refused_and_a_stale_one_replaced),
        cmocka_unit_test(test_another_file_is_left_alone),
        cmocka_unit_test(test_a_long_path_is_named_with_the_limit),
        cmocka_unit_test(test_a_descriptor_is_passed),
        cmocka_unit_test(test_a_receive_stops_at_a_descriptor),
        cmocka_unit_test(test_two_descriptors_at_once_are_closed),
        cmocka_unit_test(test_a_descriptor_lost_for_want_of_room_is_noticed),
        cmocka_unit_test(test_a_full_socket_takes_no_more),
        cmocka_unit_test(test_a_signal_does_not_end_a_wait),
    };

    return cmocka_run_group_tests_name("os/sock", tests, NULL, NULL);
}
