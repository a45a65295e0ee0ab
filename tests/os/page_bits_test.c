/* Present bits of single pages: what the kernel tells, and the traps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <selfpage/contract.h>
#include <valgrind/valgrind.h>

#include "os/page_bits.h"

#define PAGES 32u

struct area {
    struct page_bits bits;
    int memory_fd;
    unsigned char *base;
};

static unsigned char *at(const struct area *area, unsigned page)
{
    return area->base + (size_t)page * SP_PAGE_SIZE;
}

static void area_map(struct area *area, unsigned page, unsigned pages)
{
    void *place = mmap(at(area, page), (size_t)pages * SP_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, area->memory_fd, (off_t)page * SP_PAGE_SIZE);

    assert_ptr_equal(place, at(area, page));
}

/* 32 pages that are all there, in one mapping. Skips the test where the kernel keeps no bits. */
static int setup(void **state)
{
    static struct area area;
    struct sp_error error;

    area = (struct area){.bits = PAGE_BITS_NONE, .memory_fd = -1};
    *state = &area;
    if (RUNNING_ON_VALGRIND || page_bits_open(&area.bits, &error) != 0)
        return 0;
    area.memory_fd = memfd_create("bits", MFD_CLOEXEC);
    assert_int_equal(ftruncate(area.memory_fd, (off_t)PAGES * SP_PAGE_SIZE), 0);
    area.base =
        mmap(NULL, (size_t)PAGES * SP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(area.base, MAP_FAILED);
    area_map(&area, 0, PAGES);
    memset(area.base, 1, (size_t)PAGES * SP_PAGE_SIZE);
    return 0;
}

static int teardown(void **state)
{
    struct area *area = *state;

    page_bits_close(&area->bits);
    if (area->base != NULL)
        munmap(area->base, (size_t)PAGES * SP_PAGE_SIZE);
    if (area->memory_fd >= 0)
        close(area->memory_fd);
    return 0;
}

static struct area *area_or_skip(void **state)
{
    struct area *area = *state;

    if (area->bits.faults_fd < 0) {
        print_message("[  SKIPPED ] the kernel keeps no bits, or may not be asked\n");
        skip();
    }
    return area;
}

static unsigned present(const struct area *area)
{
    uint64_t entries[PAGES];
    unsigned count = 0;

    assert_int_equal(page_bits_read(&area->bits, area->base, PAGES, entries), 0);
    for (unsigned i = 0; i < PAGES; i++)
        count += (entries[i] & PAGE_BITS_PRESENT) != 0;
    return count;
}

static void take(const struct area *area, unsigned page, unsigned pages)
{
    struct iovec range = {at(area, page), (size_t)pages * SP_PAGE_SIZE};

    assert_int_equal(page_bits_take(&area->bits, &range, 1), 0);
}

static void watch(const struct area *area, unsigned page, unsigned pages)
{
    assert_int_equal(page_bits_watch(&area->bits, at(area, page), (size_t)pages * SP_PAGE_SIZE), 0);
}

static void one_reference_in_a_watched_area_shows_as_one(void **state)
{
    struct area *area = area_or_skip(state);

    watch(area, 0, PAGES);
    take(area, 0, PAGES);
    assert_int_equal(present(area), 0);
    (void)*(volatile unsigned char *)at(area, 9);
    assert_int_equal(present(area), 1);
    *(volatile unsigned char *)at(area, 20) = 2;
    assert_int_equal(present(area), 2);
}

/* The first trap: without registration the kernel brings neighbours along. */
static void one_reference_elsewhere_brings_neighbours_along(void **state)
{
    struct area *area = area_or_skip(state);

    take(area, 0, PAGES);
    assert_int_equal(present(area), 0);
    (void)*(volatile unsigned char *)at(area, 9);
    assert_true(present(area) > 1);
}

/* The second: a mapping that takes the place of another one is not registered. */
static void several_ranges_leave_the_page_table_at_once_or_one_by_one(void **state)
{
    struct area *area = area_or_skip(state);
    const struct iovec range[] = {{at(area, 1), SP_PAGE_SIZE}, {at(area, 4), 2 * SP_PAGE_SIZE}};

    watch(area, 0, PAGES);
    for (int many = area->bits.many; many >= 0; many--) {
        uint64_t entries[8];

        area->bits.many = many != 0;
        for (unsigned page = 0; page < 8; page++)
            *(volatile unsigned char *)at(area, page) = 1;
        assert_int_equal(page_bits_take(&area->bits, range, 2), 0);
        assert_int_equal(page_bits_read(&area->bits, at(area, 0), 8, entries), 0);
        for (unsigned page = 0; page < 8; page++)
            assert_int_equal((entries[page] & PAGE_BITS_PRESENT) == 0,
                             page == 1 || page == 4 || page == 5);
    }
}

static void a_new_mapping_is_to_be_watched_again(void **state)
{
    struct area *area = area_or_skip(state);

    watch(area, 0, PAGES);
    area_map(area, 0, PAGES);
    take(area, 0, PAGES);
    (void)*(volatile unsigned char *)at(area, 9);
    assert_true(present(area) > 1);
    watch(area, 0, PAGES);
    take(area, 0, PAGES);
    (void)*(volatile unsigned char *)at(area, 9);
    assert_int_equal(present(area), 1);
}

static void contents_stay_and_system_calls_reach_them(void **state)
{
    struct area *area = area_or_skip(state);
    int pipes[2];

    watch(area, 0, PAGES);
    take(area, 0, PAGES);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(write(pipes[1], at(area, 3), 1), 1);
    assert_int_equal(read(pipes[0], at(area, 4), 1), 1);
    assert_int_equal(present(area), 2);
    assert_int_equal(at(area, 3)[0], 1);
    assert_int_equal(at(area, 4)[0], 1);
    close(pipes[0]);
    close(pipes[1]);
}

/* Why pages whose frames a task has given back are to be unmapped before: a hole fills by itself. */
static void a_hole_that_is_still_mapped_takes_memory_without_a_word(void **state)
{
    struct area *area = area_or_skip(state);

    watch(area, 0, PAGES);
    take(area, 0, PAGES);
    assert_int_equal(fallocate(area->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               9 * SP_PAGE_SIZE, SP_PAGE_SIZE),
                     0);
    assert_int_equal(lseek(area->memory_fd, 9 * SP_PAGE_SIZE, SEEK_DATA), 10 * SP_PAGE_SIZE);
    assert_int_equal(*(volatile unsigned char *)at(area, 9), 0);
    assert_int_equal(lseek(area->memory_fd, 9 * SP_PAGE_SIZE, SEEK_DATA), 9 * SP_PAGE_SIZE);
}

static void *look_when_cancelled(void *arg)
{
    const struct area *area = arg;
    uint64_t entry;

    pthread_cancel(pthread_self());
    if (page_bits_read(&area->bits, area->base, 1, &entry) != 0)
        pthread_testcancel();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return NULL;
}

/* It is called with a lock held. */
static void looking_is_no_point_of_cancellation(void **state)
{
    struct area *area = area_or_skip(state);
    pthread_t thread;
    void *result;

    assert_int_equal(pthread_create(&thread, NULL, look_when_cancelled, area), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
}

static void closing_twice_is_harmless(void **state)
{
    struct page_bits bits = PAGE_BITS_NONE;

    (void)state;
    page_bits_close(&bits);
    page_bits_close(&bits);
    assert_int_equal(bits.faults_fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_reference_in_a_watched_area_shows_as_one),
        TEST(one_reference_elsewhere_brings_neighbours_along),
        TEST(several_ranges_leave_the_page_table_at_once_or_one_by_one),
        TEST(a_new_mapping_is_to_be_watched_again),
        TEST(contents_stay_and_system_calls_reach_them),
        TEST(a_hole_that_is_still_mapped_takes_memory_without_a_word),
        TEST(looking_is_no_point_of_cancellation),
        cmocka_unit_test(closing_twice_is_harmless),
    };

    return cmocka_run_group_tests_name("os_page_bits", tests, NULL, NULL);
}
