/* Reads that go on while the thread does other things. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/ring.h"
#include "scratch.h"

#define BLOCK 512u

static const uint64_t awake = 10000000000;

/* Where the system has none of these rings there is nothing to test but that it says so. */
static bool opened(struct read_ring *ring)
{
    int code;

    memset(ring, 0, sizeof(*ring));
    code = ring_open(ring);
    assert_int_equal(ring_is_open(ring), code == 0);
    if (code != 0)
        print_message("no ring: %s\n", strerror(-code));
    return code == 0;
}

/* A file of so many blocks, the i-th full of i + 1. */
static int file_of(unsigned blocks)
{
    char path[] = "/tmp/selfpage-ring-XXXXXX";
    unsigned char block[BLOCK];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    for (unsigned i = 0; i < blocks; i++) {
        memset(block, (int)(i + 1), sizeof(block));
        assert_int_equal(write(fd, block, sizeof(block)), BLOCK);
    }
    return fd;
}

static void many_reads_end_each_with_its_own(void **state)
{
    static unsigned char buffer[RING_READS][BLOCK];
    struct iovec part[RING_READS];
    struct read_ring ring;
    uint64_t gap;
    int fd = file_of(RING_READS);

    (void)state;
    if (!opened(&ring))
        return;
    for (unsigned round = 0; round < 5; round++) {
        bool ended[RING_READS] = {false};

        memset(buffer, 0, sizeof(buffer));
        for (uint32_t i = 0; i < RING_READS; i++) {
            part[i] = (struct iovec){.iov_base = buffer[i], .iov_len = BLOCK};
            ring_read(&ring, fd, &part[i], 1, (off_t)i * BLOCK, i);
        }
        assert_int_equal(ring_submit(&ring), RING_READS);
        memset(part, 0, sizeof(part)); /* it is not needed any more */
        for (uint32_t i = 0; i < RING_READS; i++) {
            uint32_t tag;
            int result;

            (void)ring_wait(&ring, round % 2 == 0 ? awake : 0, &tag, &result, &gap);
            assert_int_equal(result, BLOCK);
            assert_true(tag < RING_READS && !ended[tag]);
            ended[tag] = true;
            assert_int_equal(buffer[tag][0], tag + 1);
            assert_int_equal(buffer[tag][BLOCK - 1], tag + 1);
        }
        assert_int_equal(ring.under_way, 0);
    }
    ring_close(&ring);
    close(fd);
}

static void a_read_into_several_buffers_may_be_short_or_fail(void **state)
{
    static unsigned char a[BLOCK], b[BLOCK]; /* Valgrind does not know that a ring fills them */
    struct iovec part[2] = {{.iov_base = a, .iov_len = BLOCK}, {.iov_base = b, .iov_len = BLOCK}};
    struct read_ring ring;
    uint64_t gap;
    uint32_t tag;
    int result, fd = file_of(3);

    (void)state;
    if (!opened(&ring))
        return;
    ring_read(&ring, fd, part, 2, BLOCK, 7);
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, awake, &tag, &result, &gap);
    assert_int_equal(result, 2 * BLOCK);
    assert_int_equal(tag, 7);
    assert_int_equal(a[0], 2);
    assert_int_equal(b[0], 3);
    ring_read(&ring, fd, part, 2, (off_t)2 * BLOCK, 8); /* the end of the file */
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, 0, &tag, &result, &gap);
    assert_int_equal(result, BLOCK);
    close(fd);
    ring_read(&ring, fd, part, 2, 0, 9);
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, awake, &tag, &result, &gap);
    assert_int_equal(result, -EBADF);
    assert_int_equal(tag, 9);
    ring_close(&ring);
}

/* A program may close all descriptors that it finds; and after fork the child has none of it. */
static void a_ring_needs_no_descriptor(void **state)
{
    unsigned fds = count_fds();
    unsigned char block[BLOCK];
    struct iovec part = {.iov_base = block, .iov_len = BLOCK};
    struct read_ring ring;
    uint64_t gap;
    uint32_t tag;
    int result, status, fd = file_of(1);
    pid_t child;

    (void)state;
    if (!opened(&ring))
        return;
    assert_int_equal(count_fds(), fds + 1);
    child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, &status, 0), child);
    ring_read(&ring, fd, &part, 1, 0, 1);
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, awake, &tag, &result, &gap);
    assert_int_equal(result, BLOCK);
    ring_close(&ring);
    assert_false(ring_is_open(&ring));
    close(fd);
    assert_int_equal(count_fds(), fds);
}

/* A hundred rings one after the other: each goes with its number. */
static void rings_come_and_go(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        struct read_ring ring;

        if (!opened(&ring))
            return;
        ring_close(&ring);
    }
}

/* ---- What takes long ---- */

/* A process, since Valgrind lets no other thread of this one run while one sleeps in a ring. */
static pid_t write_late(int fd)
{
    struct timespec begin, now;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child > 0)
        return child;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 5000000);
    _exit(write(fd, "x", 1) == 1 ? 0 : 1);
}

static void it_is_awake_as_long_as_is_said_and_then_asleep(void **state)
{
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct read_ring ring;
    pid_t writer;
    uint64_t gap;
    uint32_t tag;
    int result, status, ends[2];

    (void)state;
    if (!opened(&ring))
        return;
    assert_int_equal(pipe(ends), 0);
    ring_read(&ring, ends[0], &part, 1, -1, 3);
    assert_int_equal(ring_submit(&ring), 1);
    writer = write_late(ends[1]);
    assert_false(ring_wait(&ring, 1000, &tag, &result, &gap));
    assert_int_equal(result, 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ring_read(&ring, ends[0], &part, 1, -1, 4);
    assert_int_equal(ring_submit(&ring), 1);
    assert_int_equal(write(ends[1], "y", 1), 1);
    assert_true(ring_wait(&ring, awake, &tag, &result, &gap));
    assert_int_equal(byte, 'y');
    ring_close(&ring);
    close(ends[0]);
    close(ends[1]);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Takes the processor for 2 ms, and is back 0.2 ms after that; ends the read the second time that it comes while the
 * thread waits. */
static volatile sig_atomic_t waits, came;
static int read_end;

static void take_processor(int number)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 200}};
    bool meanwhile = waits != 0;
    uint64_t from = now_ns();

    (void)number;
    while (now_ns() - from < 2000000)
        continue;
    if (meanwhile && ++came == 2) {
        if (write(read_end, "x", 1) != 1)
            abort();
        return;
    }
    (void)setitimer(ITIMER_REAL, &soon, NULL);
}

static void a_thread_that_loses_the_processor_hears_for_how_long(void **state)
{
    const struct sigaction action = {.sa_handler = take_processor};
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct read_ring ring;
    uint64_t gap;
    uint32_t tag;
    int result, ends[2];

    (void)state;
    if (!opened(&ring))
        return;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(pipe(ends), 0);
    read_end = ends[1];
    ring_read(&ring, ends[0], &part, 1, -1, 3);
    assert_int_equal(ring_submit(&ring), 1);
    assert_int_equal(raise(SIGALRM), 0);
    waits = 1;
    assert_true(ring_wait(&ring, awake, &tag, &result, &gap));
    assert_int_equal(byte, 'x');
    assert_true(gap >= 2000000);
    assert_int_equal(signal(SIGALRM, SIG_DFL) == SIG_ERR, 0);
    ring_close(&ring);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Beside other things ---- */

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

/* It may have told of what was taken. */
static void drain(int event)
{
    uint64_t times;

    while (read(event, &times, sizeof(times)) > 0)
        continue;
}

static void read_one(struct read_ring *ring, int fd, struct iovec *part)
{
    ring_read(ring, fd, part, 1, 0, 5);
    assert_int_equal(ring_submit(ring), 1);
}

static void an_event_tells_of_ends_while_the_ring_is_armed(void **state)
{
    unsigned char block[BLOCK] = {0};
    struct iovec part = {.iov_base = block, .iov_len = BLOCK};
    struct read_ring ring = {.memory = NULL};
    int event = ring_open_event(&ring), ends[2], result;
    uint32_t tag;

    (void)state;
    if (event < 0)
        return;
    assert_int_equal(pipe(ends), 0);
    for (unsigned round = 0; round < 3; round++) {
        drain(event);
        ring_arm(&ring, true);
        read_one(&ring, ends[0], &part);
        ring_gather(&ring);
        assert_false(ring_take(&ring, &tag, &result));
        assert_false(is_readable(event, 0));
        assert_int_equal(write(ends[1], "xy", 2), 2);
        assert_true(is_readable(event, 10000));
        ring_gather(&ring);
        assert_true(ring_take(&ring, &tag, &result));
        assert_int_equal(result, 2);
        assert_int_equal(tag, 5);
        assert_int_equal(block[1], 'y');
        /* And not otherwise. */
        ring_arm(&ring, false);
        drain(event);
        read_one(&ring, ends[0], &part);
        assert_int_equal(write(ends[1], "z", 1), 1);
        while (!ring_take(&ring, &tag, &result))
            ring_gather(&ring);
        assert_int_equal(result, 1);
        assert_false(is_readable(event, 0));
    }
    ring_close(&ring);
    close(event);
    close(ends[0]);
    close(ends[1]);
}

static void what_is_written_can_be_read(void **state)
{
    unsigned char to[BLOCK], from[BLOCK];
    struct iovec out = {.iov_base = to, .iov_len = BLOCK},
                 in = {.iov_base = from, .iov_len = BLOCK};
    struct read_ring ring;
    uint64_t gap;
    uint32_t tag;
    int result, fd = file_of(2);

    (void)state;
    if (!opened(&ring))
        return;
    memset(to, 0xa5, sizeof(to));
    memset(from, 0, sizeof(from)); /* Valgrind does not know that a ring fills it */
    ring_write(&ring, fd, &out, 1, BLOCK, 6);
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, awake, &tag, &result, &gap);
    assert_int_equal(result, BLOCK);
    assert_int_equal(tag, 6);
    ring_read(&ring, fd, &in, 1, BLOCK, 7);
    assert_int_equal(ring_submit(&ring), 1);
    (void)ring_wait(&ring, awake, &tag, &result, &gap);
    assert_int_equal(result, BLOCK);
    assert_memory_equal(from, to, BLOCK);
    ring_close(&ring);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_reads_end_each_with_its_own),
        cmocka_unit_test(a_read_into_several_buffers_may_be_short_or_fail),
        cmocka_unit_test(a_ring_needs_no_descriptor),
        cmocka_unit_test(rings_come_and_go),
        cmocka_unit_test(it_is_awake_as_long_as_is_said_and_then_asleep),
        cmocka_unit_test(a_thread_that_loses_the_processor_hears_for_how_long),
        cmocka_unit_test(an_event_tells_of_ends_while_the_ring_is_armed),
        cmocka_unit_test(what_is_written_can_be_read),
    };

    return cmocka_run_group_tests_name("os_ring", tests, NULL, NULL);
}
