#include "task/containers/filling.h"

#include "base/assert.h"
#include "base/least.h"
#include "task/containers/book.h"
#include "task/containers/window_table.h"
#include "task/state/hold.h"

static bool is_stored(const struct task_window *window, uint32_t page)
{
    check(page < window->pages);
    return window->stored != NULL && window->stored[page] != 0;
}

/* A hole that no thread fills, whose page is in swap, or (false) is not. */
static bool is_free_hole(const struct sp_task *task, const struct task_window *window,
                         uint32_t page, bool stored)
{
    check(page < window->pages);
    return (window->mapped[page] & WINDOW_BUSY) == 0 && is_stored(window, page) == stored &&
           window_table_is_hole(task, window, page);
}

/* Pages of a window that count to its `most`. */
static uint32_t count_pages(const struct sp_task *task, const struct task_window *window)
{
    const struct book *book = book_find(task, window->container);
    uint32_t count = window->filled;

    if (window->swaps && !task->keeps_written && book != NULL)
        count = book->frames; /* the window shows all of its container */
    check(count <= window->pages);
    return count;
}

void filling_begin(struct sp_task *task, const void *address, struct filling *filling)
{
    struct task_window *window = window_table_find(task, address);
    uint32_t page, first, end, stop, count;
    bool stored;

    check(hold_is_ours());
    *filling = (struct filling){.count = 0};
    if (window == NULL || window->filling)
        return;
    page = (uint32_t)(((uintptr_t)address - (uintptr_t)window->address) / SP_PAGE_SIZE);
    stored = is_stored(window, page);
    if (!is_free_hole(task, window, page, stored))
        return;
    first = page;
    stop = least_of(page - page % SP_SUPPLY_PAGES + SP_SUPPLY_PAGES, window->pages);
    while (first % SP_SUPPLY_PAGES > 0 && is_free_hole(task, window, first - 1, stored))
        first--;
    for (end = page + 1; end < stop && is_free_hole(task, window, end, stored);)
        end++;
    if (end - first > window->most / 4) { /* with few frames, the page and what follows it */
        first = page;
        end = least_of(end, first + window->most / 4);
    }
    for (uint32_t i = first; i < end; i++)
        window->mapped[i] |= WINDOW_BUSY;
    window->filling = true;
    task->fillings++;
    ensure(end > first);
    *filling =
        (struct filling){.window = *window, .page = first, .count = end - first, .stored = stored};
    count = count_pages(task, window);
    if (count + filling->count > window->most)
        filling->surplus = count + filling->count - window->most;
}

/* The window of a filling; NULL: the program has taken it away meanwhile. */
static struct task_window *find_window(struct sp_task *task, const struct filling *filling)
{
    struct task_window *window = window_table_find(task, filling->window.address);

    check(filling->count > 0);
    return window != NULL && window->address == filling->window.address &&
                   window->container == filling->window.container
               ? window
               : NULL;
}

static void end_one(struct sp_task *task)
{
    check(hold_is_ours());
    ensure(task->fillings > 0);
    task->fillings--;
}

void filling_end(struct sp_task *task, const struct filling *filling, uint32_t filled)
{
    struct task_window *window = find_window(task, filling);

    check(hold_is_ours() && filling->count > 0 && filled <= filling->count);
    end_one(task);
    if (window == NULL)
        return;
    for (uint32_t i = 0; i < filling->count; i++) {
        window->mapped[filling->page + i] &= (unsigned char)~(WINDOW_BUSY | WINDOW_SOFT);
        window_table_set_filled(window, filling->page + i, i < filled && !filling->stored);
        if (filling->dropping && i >= filled)
            window->mapped[filling->page + i] |= WINDOW_SOFT;
    }
    if (!filling->dropping)
        window->filling = false;
}

void filling_narrow(struct sp_task *task, struct filling *filling, uint32_t page, uint32_t count)
{
    struct task_window *window = find_window(task, filling);

    check(hold_is_ours() && !filling->dropping);
    ensure(page >= filling->page && count > 0 && page + count <= filling->page + filling->count);
    for (uint32_t i = filling->page; i < filling->page + filling->count; i++)
        if (i - page >= count && window != NULL)
            window->mapped[i] &= (unsigned char)~WINDOW_BUSY;
    filling->page = page;
    filling->count = count;
}

void filling_harden(struct sp_task *task, const struct filling *filling)
{
    struct task_window *window = find_window(task, filling);

    check(hold_is_ours() && filling->count > 0);
    for (uint32_t i = 0; window != NULL && i < filling->count; i++)
        window->mapped[filling->page + i] &= (unsigned char)~WINDOW_SOFT;
}

uint32_t filling_soft(struct sp_task *task, const struct filling *filling, uint32_t page)
{
    const struct task_window *window = find_window(task, filling);
    uint32_t count = 0;

    check(hold_is_ours() && !filling->dropping);
    while (window != NULL && page + count < filling->page + filling->count &&
           (window->mapped[page + count] & WINDOW_SOFT) != 0)
        count++;
    return count;
}

/* The window that fills slots of a container, at most one; NULL: there is none. */
static struct task_window *find_filled(struct sp_task *task, uint32_t container)
{
    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++)
        if (task->window[i].address != NULL && task->window[i].container == container &&
            window_table_fills(&task->window[i]))
            return &task->window[i];
    return NULL;
}

bool filling_forbid(struct sp_task *task, uint32_t container, const struct wire_range *slots)
{
    struct task_window *window = find_filled(task, container);
    struct wire_range part;

    check(container != 0);
    if (window == NULL)
        return true;
    if (window->filling)
        return false;
    part = window_table_part(window, container, slots);
    for (uint32_t i = 0; i < part.count; i++)
        if ((window->mapped[part.start + i] & WINDOW_BUSY) != 0)
            return false;
    for (uint32_t i = 0; i < part.count; i++)
        window->mapped[part.start + i] |= WINDOW_BUSY;
    window->filling = true;
    task->windows_changed++;
    return true;
}

void filling_permit(struct sp_task *task, uint32_t container, const struct wire_range *slots,
                    bool taken)
{
    struct task_window *window = find_filled(task, container);
    struct wire_range part;

    check(container != 0);
    if (window == NULL)
        return;
    part = window_table_part(window, container, slots);
    for (uint32_t i = 0; i < part.count; i++) {
        window->mapped[part.start + i] &= (unsigned char)~WINDOW_BUSY;
        if (!taken)
            continue;
        window->mapped[part.start + i] &= (unsigned char)~WINDOW_SOFT;
        window_table_set_filled(window, part.start + i, false);
        if (window->stored != NULL) /* what it costs in swap ends with the task */
            window->stored[part.start + i] = 0;
    }
    window->filling = false;
}

bool filling_is_any(const struct sp_task *task)
{
    bool any = false;

    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++)
        any |= task->window[i].address != NULL && count_pages(task, &task->window[i]) > 0;
    return any;
}

static bool can_go(const struct task_window *window, uint32_t page)
{
    check(page < window->pages);
    return (window->mapped[page] & (WINDOW_FILLED | WINDOW_BUSY)) == WINDOW_FILLED;
}

/* The window that gives pages: the one at an address, or the one with the most. */
static struct task_window *find_giver(struct sp_task *task, const void *address)
{
    struct task_window *giver = NULL;

    check(hold_is_ours());
    if (address != NULL)
        return window_table_find(task, address);
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        struct task_window *window = &task->window[i];

        if (window->address != NULL && window->filled > 0 &&
            (giver == NULL || window->filled > giver->filled))
            giver = window;
    }
    return giver;
}

bool filling_begin_drop(struct sp_task *task, const void *address, uint32_t most,
                        struct filling *filling)
{
    struct task_window *window = find_giver(task, address);
    uint32_t page, count = 0;

    check(hold_is_ours() && most > 0);
    if (window == NULL || window->filled == 0)
        return false;
    page = window->hand;
    for (uint32_t i = 0; i < window->pages && !can_go(window, page); i++)
        page = page + 1 < window->pages ? page + 1 : 0;
    while (count < most && page + count < window->pages && can_go(window, page + count)) {
        window_table_set_filled(window, page + count, false);
        window->mapped[page + count++] |= WINDOW_BUSY;
    }
    if (count == 0)
        return false;
    task->fillings++;
    window->hand = page + count < window->pages ? page + count : 0;
    window_table_hide(task, window, page, count);
    *filling = (struct filling){.window = *window, .page = page, .count = count, .dropping = true};
    return true;
}

/* ---- Pages in swap ---- */

/* Whether a page was written, and can go to swap. */
static bool can_be_stored(const struct sp_task *task, const struct task_window *window,
                          uint32_t page)
{
    check(page < window->pages && window->swaps);
    return (window->mapped[page] & (WINDOW_FILLED | WINDOW_BUSY)) == 0 &&
           !is_stored(window, page) && !window_table_is_hole(task, window, page);
}

/* The next run of written pages of a window. Its count is 0 if there is none. */
static struct wire_range find_written(const struct sp_task *task, const struct task_window *window,
                                      uint32_t most)
{
    uint32_t page = window->store_hand;
    uint32_t count = 0;

    check(page < window->pages);
    if (!window->swaps || count_pages(task, window) <= window->filled)
        return (struct wire_range){0, 0};
    for (uint32_t i = 0; i < window->pages && !can_be_stored(task, window, page); i++)
        page = page + 1 < window->pages ? page + 1 : 0;
    while (count < most && page + count < window->pages &&
           can_be_stored(task, window, page + count))
        count++;
    return (struct wire_range){page, count};
}

/* The window whose written pages go next: the one that a thread fills, or that which has the most. */
static struct task_window *find_writer(struct sp_task *task, const struct filling *within)
{
    struct task_window *writer = NULL;
    uint32_t most = 0;

    check(hold_is_ours());
    if (within != NULL)
        return find_window(task, within);
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        struct task_window *window = &task->window[i];
        uint32_t written = 0;

        if (window->address != NULL && window->swaps)
            written = count_pages(task, window) - window->filled;
        if (written > most) {
            writer = window;
            most = written;
        }
    }
    return writer;
}

bool filling_begin_store(struct sp_task *task, const struct filling *within, uint32_t most,
                         struct filling *filling)
{
    struct task_window *window = task->keeps_written ? NULL : find_writer(task, within);
    struct wire_range run;

    check(hold_is_ours() && most > 0);
    if (window == NULL)
        return false;
    run = find_written(task, window, least_of(most, SP_SUPPLY_PAGES));
    if (run.count == 0)
        return false;
    for (uint32_t i = 0; i < run.count; i++)
        window->mapped[run.start + i] |= WINDOW_BUSY;
    window->store_hand = run.start + run.count < window->pages ? run.start + run.count : 0;
    window_table_hide(task, window, run.start, run.count);
    *filling = (struct filling){.window = *window,
                                .page = run.start,
                                .count = run.count,
                                .storing = true,
                                .alone = !window->filling};
    window->filling = true;
    task->fillings++;
    return true;
}

void filling_end_store(struct sp_task *task, const struct filling *filling,
                       const struct wire_number *numbers)
{
    struct task_window *window = find_window(task, filling);
    struct book *book = book_find(task, filling->window.container);

    check(hold_is_ours() && filling->storing);
    end_one(task);
    if (numbers != NULL && book != NULL)
        book_mark(task, book, filling->window.first + filling->page, filling->count, false);
    if (window == NULL)
        return;
    for (uint32_t i = 0; i < filling->count; i++) {
        window->mapped[filling->page + i] &= (unsigned char)~WINDOW_BUSY;
        if (numbers != NULL)
            window->stored[filling->page + i] = numbers[i].value;
    }
    if (filling->alone)
        window->filling = false;
}

void filling_numbers(struct sp_task *task, const struct filling *filling,
                     struct wire_number *numbers)
{
    const struct task_window *window = find_window(task, filling);

    check(hold_is_ours() && filling->stored);
    for (uint32_t i = 0; i < filling->count; i++)
        numbers[i].value = window != NULL ? window->stored[filling->page + i] : 0;
}

void filling_returned(struct sp_task *task, const struct filling *filling,
                      const struct wire_number *left)
{
    struct task_window *window = find_window(task, filling);
    struct book *book = book_find(task, filling->window.container);

    check(hold_is_ours() && filling->stored);
    if (window == NULL || book == NULL)
        return;
    for (uint32_t i = 0; i < filling->count; i++) {
        if (left[i].value != 0)
            continue;
        window->stored[filling->page + i] = 0;
        book_mark(task, book, filling->window.first + filling->page + i, 1, true);
    }
}

uint32_t filling_away(struct sp_task *task, const struct filling *filling, uint32_t page)
{
    const struct task_window *window = find_window(task, filling);
    uint32_t count = 0;

    check(hold_is_ours() && filling->stored);
    while (window != NULL && page + count < filling->page + filling->count &&
           is_stored(window, page + count))
        count++;
    return count;
}
