/* Holes that are filled without a lock: what comes there, and what is there already. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pthread.h>

#include <selfpage/contract.h>

#include "os/extent.h"
#include "os/holes.h"

#define PAGES 8u

struct stage {
    int holes_fd; /* negative: not here */
    int extent;
    unsigned char *mapping;
    unsigned char contents[3 * SP_PAGE_SIZE];
};

static int setup(void **state)
{
    static struct stage stage;
    struct sp_error error;

    *state = &stage;
    stage = (struct stage){.holes_fd = holes_open()};
    stage.extent = extent_create("holes", PAGES, &error);
    assert_true(stage.extent >= 0);
    memset(stage.contents, 'a', SP_PAGE_SIZE);
    memset(stage.contents + SP_PAGE_SIZE, 'b', SP_PAGE_SIZE);
    memset(stage.contents + (size_t)2 * SP_PAGE_SIZE, 'c', SP_PAGE_SIZE);
    stage.mapping = holes_map(stage.holes_fd, stage.extent, PAGES);
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    if (stage->mapping != NULL)
        holes_unmap(stage->mapping);
    close(stage->extent);
    if (stage->holes_fd >= 0)
        close(stage->holes_fd);
    return 0;
}

/* The kernel, or what the process may, decides; everything works without. */
static void skip_if_none(const struct stage *stage)
{
    if (stage->mapping != NULL)
        return;
    assert_true(stage->holes_fd < 0);
    print_message("no userfaultfd here: %s\n", strerror(-stage->holes_fd));
    skip();
}

static char read_page(const struct stage *stage, uint32_t page)
{
    char value = 'x';

    assert_int_equal(pread(stage->extent, &value, 1, (off_t)(page + 1) * SP_PAGE_SIZE - 1), 1);
    return value;
}

static void test_contents_come_into_holes_and_nowhere_else(void **state)
{
    struct stage *stage = *state;

    skip_if_none(stage);
    assert_int_equal(holes_fill(stage->holes_fd, stage->mapping, 2, 3, stage->contents), 0);
    assert_int_equal(extent_blocks(stage->extent), 3);
    assert_int_equal(read_page(stage, 1), 0);
    assert_int_equal(read_page(stage, 2), 'a');
    assert_int_equal(read_page(stage, 3), 'b');
    assert_int_equal(read_page(stage, 4), 'c');
    assert_int_equal(read_page(stage, 5), 0);
}

static void test_a_page_that_is_there_stays_as_it_is(void **state)
{
    struct stage *stage = *state;

    skip_if_none(stage);
    assert_int_equal(pwrite(stage->extent, "x", 1, 2 * (off_t)SP_PAGE_SIZE - 1), 1);
    assert_int_equal(holes_fill(stage->holes_fd, stage->mapping, 1, 1, stage->contents), -EEXIST);
    assert_int_equal(read_page(stage, 1), 'x');
    assert_int_equal(holes_fill(stage->holes_fd, stage->mapping, 0, 2, stage->contents), -EEXIST);
    assert_int_equal(read_page(stage, 0), 'a'); /* what was before it has come */
    assert_int_equal(read_page(stage, 1), 'x');
    assert_int_equal(extent_punch(stage->extent, 1, 1), 0);
    assert_int_equal(holes_fill(stage->holes_fd, stage->mapping, 1, 1, stage->contents), 0);
    assert_int_equal(read_page(stage, 1), 'a');
}

static void test_what_was_cut_off_is_not_filled(void **state)
{
    struct stage *stage = *state;

    skip_if_none(stage);
    assert_int_equal(extent_truncate(stage->extent), 0);
    assert_true(holes_fill(stage->holes_fd, stage->mapping, 1, 1, stage->contents) < 0);
    assert_int_equal(extent_blocks(stage->extent), 0);
}

/* A page table that memory in use shares is one that a hypervisor watches. */
static void test_a_mapping_shares_no_page_table_with_memory_that_is_touched(void **state)
{
    const struct stage *stage = *state;
    uintptr_t start = (uintptr_t)stage->mapping, from, to;
    const uintptr_t size = (uintptr_t)HOLES_PAGES_MAX * SP_PAGE_SIZE;
    unsigned areas = 0;
    char line[512], rights[8];
    FILE *maps;

    skip_if_none(stage);
    assert_int_equal(start % size, 0);
    maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) != 3 || to <= start ||
            from >= start + size)
            continue;
        areas++;
        if (from != start)
            assert_string_equal(rights, "---p");
    }
    fclose(maps);
    assert_int_equal(areas, 2); /* its own, and what keeps others out */
}

/* Another process may punch holes as fast as it can. */
static void *punch(void *argument)
{
    const struct stage *stage = argument;

    for (unsigned i = 0; i < 2000; i++)
        extent_punch(stage->extent, 0, PAGES);
    return NULL;
}

static void test_filling_beside_punching_is_whole_or_nothing(void **state)
{
    struct stage *stage = *state;
    pthread_t thread;
    unsigned filled = 0;

    skip_if_none(stage);
    assert_int_equal(pthread_create(&thread, NULL, punch, stage), 0);
    for (unsigned i = 0; i < 2000; i++) {
        int code = holes_fill(stage->holes_fd, stage->mapping, i % PAGES, 1, stage->contents);
        char value = read_page(stage, i % PAGES);

        assert_true(code == 0 || code == -EEXIST);
        assert_true(value == 0 || value == 'a');
        filled += code == 0;
    }
    pthread_join(thread, NULL);
    assert_true(filled > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents_come_into_holes_and_nowhere_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_page_that_is_there_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_cut_off_is_not_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_mapping_shares_no_page_table_with_memory_that_is_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filling_beside_punching_is_whole_or_nothing, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("os/holes", tests, NULL, NULL);
}
