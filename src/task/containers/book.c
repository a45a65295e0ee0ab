#include "task/containers/book.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "os/unlocked.h"
#include "task/state/hold.h"

#define WORD 64u

int book_begin(struct sp_task *task, uint32_t container, uint32_t pages)
{
    size_t size = sizeof(struct book) + ((size_t)pages / WORD + 1) * sizeof(uint64_t);
    struct book *book = unlocked_map(NULL, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

    check(container != 0 && pages > 0);
    if (book == NULL)
        return -ENOMEM;
    book->container = container;
    book->pages = pages;
    book->size = size;
    hold_take(task);
    book->next = task->books;
    task->books = book;
    hold_release(task);
    return 0;
}

struct book *book_find(const struct sp_task *task, uint32_t container)
{
    struct book *book = task->books;

    check(hold_is_ours());
    while (book != NULL && book->container != container)
        book = book->next;
    return book;
}

static bool is_held(const struct book *book, uint32_t slot)
{
    check(slot < book->pages);
    return (book->held[slot / WORD] >> slot % WORD & 1) != 0;
}

uint32_t book_holes(const struct book *book, uint32_t first, uint32_t count)
{
    uint32_t holes = 0;

    check(first <= book->pages && count <= book->pages - first);
    for (uint32_t i = 0; i < count; i++)
        holes += !is_held(book, first + i);
    return holes;
}

void book_mark(struct sp_task *task, struct book *book, uint32_t first, uint32_t count, bool held)
{
    check(hold_is_ours() && first <= book->pages && count <= book->pages - first);
    for (uint32_t slot = first; slot < first + count; slot++) {
        uint64_t bit = UINT64_C(1) << slot % WORD;

        if (is_held(book, slot) == held)
            continue;
        ensure(held || task->aside > 0);
        task->aside += held ? 1 : UINT32_MAX;
        book->frames += held ? 1 : UINT32_MAX;
        book->held[slot / WORD] ^= bit;
    }
    check(book->frames <= book->pages);
    units_allow_pager(task);
}

void book_end(struct sp_task *task, uint32_t container)
{
    struct book **link = &task->books;
    struct book *book;

    check(container != 0);
    hold_take(task);
    while (*link != NULL && (*link)->container != container)
        link = &(*link)->next;
    book = *link;
    if (book != NULL) {
        book_mark(task, book, 0, book->pages, false);
        *link = book->next;
    }
    hold_release(task);
    if (book != NULL)
        munmap(book, book->size);
}

void book_release(struct sp_task *task)
{
    while (task->books != NULL) {
        struct book *book = task->books;

        task->books = book->next;
        munmap(book, book->size);
    }
    check(task->books == NULL);
}
