#include "task/containers/window_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "task/containers/book.h"
#include "task/state/hold.h"
#include "task/state/say.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void)0)
#endif

struct task_window *window_table_find(struct sp_task *task, const void *address)
{
    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        struct task_window *window = &task->window[i];

        if (window->address != NULL &&
            (uintptr_t)address - (uintptr_t)window->address < window_table_bytes(window->pages))
            return window;
    }
    return NULL;
}

struct task_window *window_table_unused(struct sp_task *task)
{
    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++)
        if (task->window[i].address == NULL)
            return &task->window[i];
    return NULL;
}

void window_table_hide(struct sp_task *task, const struct task_window *window, uint32_t page,
                       uint32_t count)
{
    void *address = window->address + window_table_bytes(page);

    check(hold_is_ours() && page + count <= window->pages);
    task->windows_changed++;
    if (mmap(address, window_table_bytes(count), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        say_and_die(task, "cannot unmap pages of a container: %s (is vm.max_map_count reached?)",
                    strerror(errno));
    VALGRIND_MAKE_MEM_DEFINED(address, window_table_bytes(count));
    for (uint32_t i = 0; i < count; i++)
        window->mapped[page + i] &= (unsigned char)~(PAGE_READ | PAGE_WRITE);
}

struct wire_range window_table_part(const struct task_window *window, uint32_t container,
                                    const struct wire_range *slots)
{
    uint64_t first = slots->start > window->first ? slots->start : window->first;
    uint64_t end = (uint64_t)slots->start + slots->count;

    if (end > (uint64_t)window->first + window->pages)
        end = (uint64_t)window->first + window->pages;
    if (window->address == NULL || window->container != container || first >= end)
        return (struct wire_range){0, 0};
    check(first - window->first < window->pages);
    return (struct wire_range){(uint32_t)(first - window->first), (uint32_t)(end - first)};
}

bool window_table_is_hole(const struct sp_task *task, const struct task_window *window,
                          uint32_t page)
{
    const struct book *book;

    check(hold_is_ours() && page < window->pages);
    if (!window_table_fills(window))
        return false;
    if ((window->mapped[page] & WINDOW_BUSY) != 0)
        return true;
    book = book_find(task, window->container);
    return book != NULL && book_holes(book, window->first + page, 1) > 0;
}

void window_table_set_filled(struct task_window *window, uint32_t page, bool filled)
{
    bool before = (window->mapped[page] & WINDOW_FILLED) != 0;

    check(page < window->pages && window->filled <= window->pages);
    if (before == filled)
        return;
    ensure(filled || window->filled > 0);
    window->mapped[page] ^= WINDOW_FILLED;
    window->filled += filled ? 1 : UINT32_MAX;
}
