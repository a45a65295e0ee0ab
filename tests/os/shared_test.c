/* Shared memory: nobody changes its size, and both see the same bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <selfpage/contract.h>

#include "os/extent.h"
#include "os/shared.h"
#include "scratch.h"

#define SIZE (2 * (size_t)SP_PAGE_SIZE)

static void test_both_sides_see_it(void **state)
{
    unsigned fds = count_fds();
    struct shared server, client;
    struct sp_error error;

    (void)state;
    assert_int_equal(shared_create(&server, "test", SIZE, &error), 0);
    assert_int_equal(fcntl(server.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(shared_open(&client, dup(server.fd), &error), 0);
    assert_int_equal(client.size, SIZE);
    assert_int_equal(((char *)client.memory)[SIZE - 1], 0);
    ((char *)server.memory)[SIZE - 1] = 7;
    assert_int_equal(((char *)client.memory)[SIZE - 1], 7);
    shared_close(&server);
    shared_close(&client);
    shared_close(&client);
    assert_int_equal(count_fds(), fds);
}

static void test_the_size_stays(void **state)
{
    struct shared shared;

    (void)state;
    assert_int_equal(shared_create(&shared, "test", SIZE, NULL), 0);
    assert_int_not_equal(ftruncate(shared.fd, 0), 0);
    assert_int_not_equal(ftruncate(shared.fd, 3 * (off_t)SP_PAGE_SIZE), 0);
    assert_int_not_equal(fcntl(shared.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    /* Freed pages come back as zeros, and not as SIGBUS. */
    ((char *)shared.memory)[0] = 1;
    assert_int_equal(
        fallocate(shared.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)SIZE), 0);
    assert_int_equal(((char *)shared.memory)[0], 0);
    shared_close(&shared);
}

static void test_what_is_not_sealed_is_refused(void **state)
{
    unsigned fds = count_fds();
    struct shared shared;
    int fd = extent_create("test", 2, NULL);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(shared_open(&shared, fd, NULL), -EINVAL);
    assert_null(shared.memory);
    assert_int_equal(shared_open(&shared, fd, NULL), -EBADF);
    assert_int_equal(count_fds(), fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides_see_it),
        cmocka_unit_test(test_the_size_stays),
        cmocka_unit_test(test_what_is_not_sealed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
