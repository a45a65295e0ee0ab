/* A frame that is mapped while its page is loaded: nothing can be seen through it before the pager maps the page, and
 * nothing of it is left where the pager does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "base/error.h"
#include "task/effects/memory.h"
#include "task/state/hold.h"

#define PAGES 8u
#define PAGE  3u
#define SLOT  5u

/* What a task needs for its addresses; frame i of its extent is full of i + 1. */
struct scene {
    struct sp_task task;
    struct task_extent extent;
    struct sp_stats stats;
    int trash; /* writing to it reads memory, and says so where that cannot be */
};

static unsigned char *address(struct scene *scene)
{
    return memory_address(&scene->task, PAGE);
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct sp_error error;

    assert_non_null(scene);
    scene->task.arena_pages = scene->task.extent_pages = PAGES;
    scene->task.pager.config.pages = scene->task.pager.config.slots = PAGES;
    scene->task.extents_max = 1;
    scene->task.extents = &scene->extent;
    scene->task.stats = scene->task.shown_stats = &scene->stats;
    scene->extent = (struct task_extent){.known = true, .number = 7};
    scene->extent.fd = memfd_create("map_early", MFD_CLOEXEC);
    assert_int_equal(ftruncate(scene->extent.fd, (off_t)PAGES * SP_PAGE_SIZE), 0);
    scene->extent.window = mmap(NULL, (size_t)PAGES * SP_PAGE_SIZE, PROT_READ | PROT_WRITE,
                                MAP_SHARED, scene->extent.fd, 0);
    assert_ptr_not_equal(scene->extent.window, MAP_FAILED);
    for (uint32_t i = 0; i < PAGES; i++)
        memset(memory_window(&scene->task, i), (int)i + 1, SP_PAGE_SIZE);
    assert_int_equal(memory_window_reserve(&scene->task, &error), 0);
    scene->trash = memfd_create("trash", MFD_CLOEXEC);
    assert_true(scene->trash >= 0);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    memory_release(&scene->task);
    close(scene->extent.fd);
    close(scene->trash);
    free(scene);
    return 0;
}

/* Can a byte of the page be read, and is it the one of this frame? */
static bool shows(struct scene *scene, uint32_t slot)
{
    unsigned char seen = 0;
    ssize_t result;

    VALGRIND_DISABLE_ERROR_REPORTING; /* that the page cannot be read is no error */
    result = pwrite(scene->trash, address(scene), 1, 0);
    VALGRIND_ENABLE_ERROR_REPORTING;
    if (result != 1) {
        assert_int_equal(errno, EFAULT);
        return false;
    }
    assert_int_equal(pread(scene->trash, &seen, 1, 0), 1);
    return seen == slot + 1;
}

static bool is_writable(struct scene *scene)
{
    ssize_t result;

    VALGRIND_DISABLE_ERROR_REPORTING;
    result = pread(scene->trash, address(scene), 1, 0);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return result == 1;
}

/* The load has ended, and the pager has the page mapped, or not. */
static void end_load(struct scene *scene, struct task_early *early, uint32_t slot,
                     uint8_t protection)
{
    struct pager_effect effect = {
        .kind = EFFECT_MAP, .page = PAGE, .slot = slot, .protection = protection};

    hold_take(&scene->task);
    memory_early_begin(&scene->task, early);
    if (protection != 0)
        memory_map(&scene->task, &effect, 1);
    memory_early_end(&scene->task);
    hold_release(&scene->task);
}

static void test_nothing_shows_before_the_page_is_mapped(void **state)
{
    struct scene *scene = *state;
    struct task_early early;

    memory_map_early(&scene->task, PAGE, SLOT, &early);
    assert_true(early.made);
    assert_false(shows(scene, SLOT));
    end_load(scene, &early, SLOT, PAGE_READ);
    assert_true(shows(scene, SLOT));
    assert_false(is_writable(scene));
}

static void test_the_page_gets_the_rights_of_the_effect(void **state)
{
    struct scene *scene = *state;
    struct task_early early;

    memory_map_early(&scene->task, PAGE, SLOT, &early);
    end_load(scene, &early, SLOT, PAGE_READ | PAGE_WRITE);
    assert_true(shows(scene, SLOT));
    assert_true(is_writable(scene));
    address(scene)[1] = 99;
    assert_int_equal(((unsigned char *)memory_window(&scene->task, SLOT))[1], 99);
}

/* Should anybody get at the address then, the frame must not be there: others have it. */
static void test_a_page_that_is_not_mapped_has_no_frame(void **state)
{
    struct scene *scene = *state;
    struct task_early early;

    memory_map_early(&scene->task, PAGE, SLOT, &early);
    end_load(scene, &early, SLOT, 0);
    assert_false(shows(scene, SLOT));
    assert_int_equal(mprotect(address(scene), SP_PAGE_SIZE, PROT_READ), 0);
    assert_int_equal(address(scene)[0], 0);
}

static void test_another_frame_takes_the_place(void **state)
{
    struct scene *scene = *state;
    struct task_early early;

    memory_map_early(&scene->task, PAGE, SLOT, &early);
    end_load(scene, &early, SLOT + 1, PAGE_READ);
    assert_true(shows(scene, SLOT + 1));
}

static void test_another_extent_takes_the_place(void **state)
{
    struct scene *scene = *state;
    int before = scene->extent.fd;
    struct task_early early;
    unsigned char other = 77;

    memory_map_early(&scene->task, PAGE, SLOT, &early);
    scene->extent.number++;
    scene->extent.fd = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(pwrite(scene->extent.fd, &other, 1, (off_t)SLOT * SP_PAGE_SIZE), 1);
    close(before);
    end_load(scene, &early, SLOT, PAGE_READ);
    assert_true(shows(scene, other - 1u));
}

/* Then pages are mapped from the window, with its rights. */
static void test_without_a_descriptor_nothing_is_early(void **state)
{
    struct scene *scene = *state;
    struct task_early early;
    int fd = scene->extent.fd;

    scene->extent.fd = -1;
    memory_map_early(&scene->task, PAGE, SLOT, &early);
    assert_false(early.made);
    assert_false(shows(scene, SLOT));
    end_load(scene, &early, SLOT, 0);
    scene->extent.fd = fd;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_shows_before_the_page_is_mapped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_page_gets_the_rights_of_the_effect, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_page_that_is_not_mapped_has_no_frame, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_another_frame_takes_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_extent_takes_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_descriptor_nothing_is_early, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("task_map_early", tests, NULL, NULL);
}
