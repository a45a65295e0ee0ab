/* Pages of regions on containers that go softly, and come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "task/containers/book.h"
#include "task/containers/filling.h"
#include "task/containers/window_table.h"
#include "task/state/hold.h"

#define CONTAINER 7u
#define SOURCE    8u
#define PAGES     8u

static struct sp_task task;
static struct sp_stats stats;
static unsigned char mapped[PAGES];

/* A region all of whose pages went softly. */
static unsigned char *softly_gone(void)
{
    unsigned char *address = mmap(NULL, window_table_bytes(PAGES), PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct filling filling;

    assert_true(address != MAP_FAILED);
    memset(mapped, 0, sizeof(mapped));
    task.stats = task.shown_stats = task.pager.stats = &stats;
    task.pager.config.extent_pages = 1;
    assert_int_equal(book_begin(&task, CONTAINER, PAGES), 0);
    hold_take(&task);
    task.window[0] = (struct task_window){.address = address,
                                          .container = CONTAINER,
                                          .pages = PAGES,
                                          .mapped = mapped,
                                          .source = SOURCE,
                                          .most = 4 * PAGES};
    filling_begin(&task, address, &filling);
    assert_int_equal(filling.count, PAGES);
    book_mark(&task, book_find(&task, CONTAINER), 0, PAGES, true);
    filling_end(&task, &filling, PAGES);
    assert_true(filling_begin_drop(&task, address, PAGES, &filling));
    assert_int_equal(filling.count, PAGES);
    book_mark(&task, book_find(&task, CONTAINER), 0, PAGES, false);
    filling_end(&task, &filling, 0);
    hold_release(&task);
    return address;
}

static void end(unsigned char *address)
{
    task.window[0] = (struct task_window){.address = NULL};
    book_release(&task);
    assert_int_equal(munmap(address, window_table_bytes(PAGES)), 0);
}

/* Some come back: the others may do so later. */
static void what_went_softly_may_come_back(void **state)
{
    unsigned char *address = softly_gone();
    struct filling filling;

    (void)state;
    hold_take(&task);
    filling_begin(&task, address, &filling);
    assert_int_equal(filling_soft(&task, &filling, 0), PAGES);
    filling_narrow(&task, &filling, 0, 3);
    book_mark(&task, book_find(&task, CONTAINER), 0, 3, true);
    filling_end(&task, &filling, 3);
    filling_begin(&task, address + window_table_bytes(3), &filling);
    assert_int_equal(filling.page, 3);
    assert_int_equal(filling_soft(&task, &filling, 3), PAGES - 3);
    filling_end(&task, &filling, 0);
    hold_release(&task);
    end(address);
}

/* All get other frames, of which one alone can be filled: the others are not asked for as they were, should physmem not
 * take these frames back. */
static void what_has_got_another_frame_does_not_come_back(void **state)
{
    unsigned char *address = softly_gone();
    struct filling filling;

    (void)state;
    hold_take(&task);
    filling_begin(&task, address, &filling);
    filling_harden(&task, &filling);
    filling_narrow(&task, &filling, 0, 1);
    book_mark(&task, book_find(&task, CONTAINER), 0, 1, true);
    filling_end(&task, &filling, 1);
    filling_begin(&task, address + window_table_bytes(1), &filling);
    assert_int_equal(filling.count, PAGES - 1);
    assert_int_equal(filling_soft(&task, &filling, 1), 0);
    filling_end(&task, &filling, 0);
    hold_release(&task);
    end(address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_softly_may_come_back),
        cmocka_unit_test(what_has_got_another_frame_does_not_come_back),
    };

    return cmocka_run_group_tests_name("task_filling", tests, NULL, NULL);
}
