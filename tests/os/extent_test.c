/* Extents: sealed sizes, holes, and what truncation does to others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <selfpage/contract.h>

#include "os/extent.h"
#include "scratch.h"

static int extent_of(uint32_t pages)
{
    struct sp_error error;
    int fd = extent_create("test", pages, &error);

    assert_true(fd >= 0);
    return fd;
}

static void write_page(int fd, uint32_t page, char value)
{
    assert_int_equal(pwrite(fd, &value, 1, (off_t)page * SP_PAGE_SIZE), 1);
}

static char read_page(int fd, uint32_t page)
{
    char value = 'x';

    assert_int_equal(pread(fd, &value, 1, (off_t)page * SP_PAGE_SIZE), 1);
    return value;
}

static void test_a_new_extent_is_sealed_and_empty(void **state)
{
    unsigned fds = count_fds();
    int fd = extent_of(16);
    struct stat status;

    (void)state;
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(extent_check(fd, 16), 0);
    assert_int_equal(extent_check(fd, 15), -EINVAL);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0400); /* nobody else opens it again for writing */
    assert_int_equal(extent_blocks(fd), 0);
    assert_int_equal(extent_next_data(fd, 0), -ENXIO);
    assert_int_not_equal(ftruncate(fd, 17 * SP_PAGE_SIZE), 0);
    assert_int_not_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(pwrite(fd, "x", 1, 16 * SP_PAGE_SIZE), -1);
    close(fd);
    assert_int_equal(extent_check(fd, 16), -EBADF);
    assert_int_equal(count_fds(), fds);
}

static void test_pages_are_counted_found_and_punched(void **state)
{
    int fd = extent_of(16);

    (void)state;
    write_page(fd, 3, 'a');
    write_page(fd, 4, 'b');
    write_page(fd, 9, 'c');
    assert_int_equal(extent_blocks(fd), 3);
    assert_int_equal(extent_next_data(fd, 0), 3);
    assert_int_equal(extent_next_data(fd, 4), 4);
    assert_int_equal(extent_next_data(fd, 5), 9);
    assert_int_equal(extent_next_data(fd, 10), -ENXIO);
    assert_int_equal(extent_punch(fd, 3, 1), 0);
    assert_int_equal(extent_blocks(fd), 2);
    assert_int_equal(read_page(fd, 3), 0);
    assert_int_equal(read_page(fd, 4), 'b');
    assert_int_equal(extent_punch(fd, 0, 16), 0);
    assert_int_equal(extent_blocks(fd), 0);
    assert_int_equal(extent_check(fd, 16), 0);
    close(fd);
}

static void test_touching_through_a_mapping_counts(void **state)
{
    int fd = extent_of(4);
    volatile char *memory = mmap(NULL, 4 * SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    memory[0] = 1;
    (void)memory[2 * SP_PAGE_SIZE]; /* a mere read */
    assert_int_equal(extent_blocks(fd), 2);
    munmap((void *)memory, 4 * SP_PAGE_SIZE);
    close(fd);
}

static void test_what_is_cut_off_is_gone_and_the_rest_stays(void **state)
{
    int fd = extent_of(4);

    (void)state;
    write_page(fd, 1, 'a');
    write_page(fd, 2, 'b');
    assert_int_equal(extent_cut(fd, 2), 0);
    assert_int_equal(extent_blocks(fd), 1);
    assert_int_equal(read_page(fd, 1), 'a');
    assert_int_equal(extent_check(fd, 4), 0); /* it may be cut before it arrives */
    assert_int_equal(extent_check(fd, 1), -EINVAL);
    assert_int_equal(extent_punch(fd, 1, 3), 0); /* also of what is gone */
    assert_int_equal(extent_blocks(fd), 0);
    assert_int_equal(ftruncate(fd, 4 * SP_PAGE_SIZE), -1);
    close(fd);
}

static void test_truncation_is_final(void **state)
{
    int fd = extent_of(4);

    (void)state;
    write_page(fd, 0, 'a');
    assert_int_equal(extent_truncate(fd), 0);
    assert_int_equal(extent_blocks(fd), 0);
    assert_int_equal(extent_check(fd, 4),
                     0); /* it may be cut at any moment, also before it arrives */
    assert_int_equal(ftruncate(fd, SP_PAGE_SIZE), -1);
    close(fd);
}

static void test_a_truncated_mapping_ends_in_sigbus(void **state)
{
    int fd = extent_of(1);
    char *memory = mmap(NULL, SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int status;
    pid_t child;

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    memory[0] = 1;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGBUS, SIG_DFL); /* cmocka's would long-jump */
        if (extent_truncate(fd) != 0)
            _exit(1);
        *(volatile char *)memory = 2;
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true((WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) ||
                (WIFEXITED(status) && WEXITSTATUS(status) > 2)); /* sanitizers exit instead */
    munmap(memory, SP_PAGE_SIZE);
    close(fd);
}

static void test_read_only_is_read_only(void **state)
{
    int fd = extent_of(2);
    int reader = extent_reopen_read_only(fd);

    (void)state;
    assert_true(reader >= 0);
    assert_int_equal(fcntl(reader, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(reader, F_GETFD), FD_CLOEXEC);
    assert_int_equal(extent_check(reader, 2), 0);
    write_page(fd, 1, 'a');
    assert_int_equal(read_page(reader, 1), 'a');
    assert_int_equal(pwrite(reader, "x", 1, 0), -1);
    assert_true(extent_truncate(reader) < 0);
    assert_ptr_equal(mmap(NULL, SP_PAGE_SIZE, PROT_WRITE, MAP_SHARED, reader, 0), MAP_FAILED);
    close(reader);
    close(fd);
}

/* A memfd of 2 pages with these seals. */
static int memfd_with(int seals)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 2 * SP_PAGE_SIZE), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_other_descriptors_are_told_apart(void **state)
{
    static const int seals[] = {
        0,
        F_SEAL_GROW,
        F_SEAL_SEAL,
        F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_SHRINK,
        F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE,
        F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE,
    };
    struct scratch scratch;
    int fds[2], fd;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
        fd = memfd_with(seals[i]);
        assert_int_equal(extent_check(fd, 2), -EINVAL);
        close(fd);
    }
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(extent_check(fds[0], 0), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    fd = extent_of(2);
    assert_int_equal(extent_check(fd, 0), -EINVAL);
    assert_int_equal(extent_check(fd, 1), -EINVAL);
    assert_int_equal(ftruncate(fd, SP_PAGE_SIZE + 1), 0);
    assert_int_equal(extent_check(fd, 2), -EINVAL);
    assert_int_equal(extent_truncate(fd), 0);
    assert_int_equal(extent_check(fd, 0), -EINVAL);
    close(fd);
    fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    assert_int_equal(extent_check(fd, 0), -EINVAL);
    close(fd);
    scratch_init(&scratch);
    fd = open(scratch_path(&scratch, "file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 2 * SP_PAGE_SIZE), 0);
    assert_int_equal(extent_check(fd, 2), -EINVAL);
    close(fd);
    fd = open(scratch.path, O_PATH | O_CLOEXEC);
    assert_int_equal(extent_check(fd, 2), -EBADF);
    close(fd);
    assert_int_equal(unlink(scratch.path), 0);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_extent_is_sealed_and_empty),
        cmocka_unit_test(test_pages_are_counted_found_and_punched),
        cmocka_unit_test(test_touching_through_a_mapping_counts),
        cmocka_unit_test(test_what_is_cut_off_is_gone_and_the_rest_stays),
        cmocka_unit_test(test_truncation_is_final),
        cmocka_unit_test(test_a_truncated_mapping_ends_in_sigbus),
        cmocka_unit_test(test_read_only_is_read_only),
        cmocka_unit_test(test_other_descriptors_are_told_apart),
    };

    return cmocka_run_group_tests_name("os/extent", tests, NULL, NULL);
}
