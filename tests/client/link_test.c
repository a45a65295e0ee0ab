/* A link: bytes become messages, each with its descriptor, however they arrive. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "client/link.h"
#include "far_end.h"
#include "os/sock.h"
#include "scratch.h"

/* A link and its far end. */
struct ends {
    struct link link;
    int far;
    unsigned fds; /* open before */
    unsigned char buffer[LINK_BUFFER];
};

static void open_ends(struct ends *ends)
{
    int pair[2];

    ends->fds = count_fds();
    assert_int_equal(sock_pair(pair), 0);
    link_init(&ends->link, pair[0], ends->buffer, sizeof(ends->buffer));
    ends->far = pair[1];
}

/* Close both, and see that no descriptor is left. */
static void close_ends(struct ends *ends)
{
    link_close(&ends->link);
    link_close(&ends->link);
    if (ends->far >= 0)
        close(ends->far);
    assert_int_equal(count_fds(), ends->fds);
}

static void hang_up(struct ends *ends)
{
    close(ends->far);
    ends->far = -1;
}

/* A memfd whose size tells it from others. */
static int marked_fd(int mark)
{
    int fd = memfd_create("marked", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, mark), 0);
    return fd;
}

static int mark_of(int fd)
{
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    return (int)status.st_size;
}

/* Send EXTENT number `mark` with a descriptor that bears the same mark. */
static void send_extent(int far, int mark)
{
    struct wire_message message = {.type = WIRE_EXTENT};
    int fd = marked_fd(mark);

    message.extent.extent = (uint32_t)mark;
    far_end_send(far, &message, fd);
    close(fd);
}

static void test_a_message_may_arrive_byte_by_byte(void **state)
{
    static struct ends ends;
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size = far_end_encode(WIRE_NOTICE, 0, bytes);
    struct wire_message message;
    int fd;

    (void)state;
    open_ends(&ends);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(link_next(&ends.link, &message, &fd), 0);
        far_end_send_bytes(ends.far, bytes + i, 1, -1);
    }
    assert_int_equal(link_next(&ends.link, &message, &fd), 1);
    assert_int_equal(message.type, WIRE_NOTICE);
    assert_int_equal(fd, -1);
    assert_int_equal(link_next(&ends.link, &message, &fd), 0);
    close_ends(&ends);
}

static void test_each_message_gets_its_own_descriptor(void **state)
{
    static struct ends ends;
    struct wire_message message;
    unsigned char bytes[WIRE_MESSAGE_MAX];
    int fd;

    (void)state;
    open_ends(&ends);
    send_extent(ends.far, 5);
    far_end_send_bytes(ends.far, bytes, far_end_encode(WIRE_MAPPED, 1, bytes), -1);
    send_extent(ends.far, 6);
    for (int mark = 5; mark <= 6; mark++) {
        assert_int_equal(link_next(&ends.link, &message, &fd), 1);
        assert_int_equal(message.extent.extent, mark);
        assert_int_equal(mark_of(fd), mark);
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(fd);
        if (mark == 5) {
            assert_int_equal(link_next(&ends.link, &message, &fd), 1);
            assert_int_equal(message.type, WIRE_MAPPED);
            assert_int_equal(fd, -1);
        }
    }
    close_ends(&ends);
}

static void test_descriptors_that_nobody_took_are_closed(void **state)
{
    static struct ends ends;

    (void)state;
    open_ends(&ends);
    send_extent(ends.far, 1);
    send_extent(ends.far, 2);
    assert_true(link_pull(&ends.link) > 0);
    assert_true(link_pull(&ends.link) > 0);
    assert_int_equal(ends.link.fds_count, 2);
    close_ends(&ends);
}

static void test_what_was_sent_before_the_end_arrives(void **state)
{
    static struct ends ends;
    struct wire_message message;
    int fd;

    (void)state;
    open_ends(&ends);
    send_extent(ends.far, 3);
    hang_up(&ends);
    assert_int_equal(link_next(&ends.link, &message, &fd), 1);
    close(fd);
    assert_int_equal(link_next(&ends.link, &message, &fd), -EPIPE);
    close_ends(&ends);
}

/* The problem after these bytes have come, the first ones with a descriptor each. */
static const char *problem_after(const unsigned char *bytes, size_t size, unsigned fds)
{
    static struct ends ends;
    struct wire_message message;
    const char *problem;
    int fd, result;

    open_ends(&ends);
    for (size_t i = 0; i < fds; i++, bytes++, size--)
        far_end_send_bytes(ends.far, bytes, 1, ends.far);
    if (size > 0)
        far_end_send_bytes(ends.far, bytes, size, -1);
    do
        result = link_next(&ends.link, &message, &fd);
    while (result > 0);
    assert_int_equal(result, -EPROTO);
    problem = ends.link.problem;
    close_ends(&ends);
    return problem;
}

static void test_what_no_server_sends_is_named(void **state)
{
    unsigned char bytes[WIRE_MESSAGE_MAX] = "rubbish";
    size_t size;

    (void)state;
    assert_string_equal(problem_after(bytes, 7, 0), print_verdict_text(WIRE_BAD_MAGIC));
    size = far_end_encode(WIRE_PROPOSE, 1, bytes);
    assert_string_equal(problem_after(bytes, size, 0), "a message that only clients send");
    size = far_end_encode(WIRE_EXTENT, 0, bytes);
    assert_string_equal(problem_after(bytes, size, 0),
                        "a message without the descriptor that it announces");
    assert_string_equal(problem_after(bytes, LINK_FDS + 1, LINK_FDS + 1),
                        "more descriptors than messages announced");
}

static void test_many_links_share_one_buffer(void **state)
{
    static struct ends ends[2];
    static unsigned char shared[LINK_BUFFER];
    unsigned char rest[2][WIRE_MESSAGE_MAX], bytes[WIRE_MESSAGE_MAX];
    size_t size = far_end_encode(WIRE_NOTICE, 0, bytes);
    struct wire_message message;
    int fd;

    (void)state;
    open_ends(&ends[0]);
    open_ends(&ends[1]);
    for (int half = 0; half < 2; half++)
        for (int i = 0; i < 2; i++) {
            bytes[4] = (unsigned char)(size - WIRE_HEADER);
            bytes[8] = (unsigned char)(i + 1); /* seq */
            far_end_send_bytes(ends[i].far, bytes + (half ? size / 2 : 0),
                               half ? size - size / 2 : size / 2, -1);
            link_lend(&ends[i].link, shared, sizeof(shared));
            assert_int_equal(link_next(&ends[i].link, &message, &fd), half);
            if (half == 0) {
                assert_int_equal(link_pending(&ends[i].link), size / 2);
                link_lend(&ends[i].link, rest[i], size / 2);
            } else {
                assert_int_equal(message.seq, i + 1);
                assert_int_equal(link_pending(&ends[i].link), 0);
            }
        }
    close_ends(&ends[1]);
    ends[0].fds = count_fds() - 2;
    close_ends(&ends[0]);
}

static void test_a_full_buffer_wants_to_be_emptied(void **state)
{
    static struct ends ends;
    static unsigned char bytes[LINK_BUFFER + WIRE_MESSAGE_MAX];
    struct wire_message message;
    unsigned sent = 0, taken = 0;
    size_t size = 0;
    int fd;

    (void)state;
    open_ends(&ends);
    for (; size < LINK_BUFFER; sent++)
        size += far_end_encode(WIRE_NOTICE, 0, bytes + size);
    far_end_send_bytes(ends.far, bytes, size, -1);
    while (link_pull(&ends.link) > 0)
        continue;
    assert_int_equal(link_pull(&ends.link), -ENOBUFS);
    while (link_next(&ends.link, &message, &fd) > 0)
        taken++;
    assert_int_equal(taken, sent);
    close_ends(&ends);
}

static void test_a_socket_that_takes_nothing_is_seen(void **state)
{
    static struct ends ends;
    const struct wire_message message = {.type = WIRE_STATUS, .seq = 1};
    const struct wire_message illegal = {.type = 200};
    int result;

    (void)state;
    open_ends(&ends);
    assert_int_equal(link_send(&ends.link, &illegal, -1), -EINVAL);
    do
        result = link_send(&ends.link, &message, -1);
    while (result == 0);
    assert_true(result == -EAGAIN || result == -EPIPE);
    hang_up(&ends);
    assert_int_equal(link_send(&ends.link, &message, -1), -EPIPE);
    close_ends(&ends);
}

static void test_numbers_of_requests_are_never_zero(void **state)
{
    struct link link;

    (void)state;
    link_init(&link, -1, NULL, 0);
    assert_int_equal(link_next_seq(&link), 1);
    link.seq = UINT32_MAX;
    assert_int_equal(link_next_seq(&link), 1);
}

/* In a process whose standard descriptors are closed: returns 0 if no descriptor of a link is one
 * of these, after a connection and a received descriptor. */
static int use_without_standard_descriptors(const char *path)
{
    static unsigned char buffer[LINK_BUFFER];
    int listener = sock_listen(path, 1, NULL), far, fd;
    struct wire_message message;
    struct link link;

    for (int i = 0; i <= 2; i++)
        close(i);
    fd = link_connect(path, NULL);
    if (fd <= 2)
        return 1;
    link_init(&link, fd, buffer, sizeof(buffer));
    far = sock_accept(listener);
    message = (struct wire_message){.type = WIRE_EXTENT};
    far_end_send(far, &message, listener);
    close(far == 0 ? 1 : 0);
    if (link_next(&link, &message, &fd) != 1)
        return 2;
    return fd <= 2 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0 ? 3 : 0;
}

static void test_no_descriptor_is_a_standard_one(void **state)
{
    struct scratch scratch;
    int status;
    pid_t pid;

    (void)state;
    scratch_init(&scratch);
    pid = fork();
    if (pid == 0)
        _exit(use_without_standard_descriptors(scratch_path(&scratch, "s")));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    unlink(scratch_path(&scratch, "s"));
    scratch_fini(&scratch);
}

static void test_the_limit_of_files_is_told_from_a_bad_server(void **state)
{
    static struct ends ends;
    struct rlimit before, none;
    struct wire_message message;
    int fd, result;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it has a limit of its own, which the kernel does not know */
    open_ends(&ends);
    send_extent(ends.far, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    result = link_next(&ends.link, &message, &fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, -EMFILE);
    close_ends(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_may_arrive_byte_by_byte),
        cmocka_unit_test(test_each_message_gets_its_own_descriptor),
        cmocka_unit_test(test_descriptors_that_nobody_took_are_closed),
        cmocka_unit_test(test_what_was_sent_before_the_end_arrives),
        cmocka_unit_test(test_what_no_server_sends_is_named),
        cmocka_unit_test(test_many_links_share_one_buffer),
        cmocka_unit_test(test_a_full_buffer_wants_to_be_emptied),
        cmocka_unit_test(test_a_socket_that_takes_nothing_is_seen),
        cmocka_unit_test(test_numbers_of_requests_are_never_zero),
        cmocka_unit_test(test_no_descriptor_is_a_standard_one),
        cmocka_unit_test(test_the_limit_of_files_is_told_from_a_bad_server),
    };

    return cmocka_run_group_tests_name("client/link", tests, NULL, NULL);
}
