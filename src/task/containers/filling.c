#include "task/containers/filling.h"

#include "base/assert.h"
#include "base/least.h"
#include "task/containers/window_table.h"
#include "task/state/hold.h"

/* A hole that no thread fills. */
static bool is_free_hole(const struct sp_task *task, const struct task_window *window,
                         uint32_t page)
{
    check(page < window->pages);
    return (window->mapped[page] & WINDOW_BUSY) == 0 && window_table_is_hole(task, window, page);
}

void filling_begin(struct sp_task *task, const void *address, struct filling *filling)
{
    struct task_window *window = window_table_find(task, address);
    uint32_t page, first, end, stop;

    check(hold_is_ours());
    *filling = (struct filling){.count = 0};
    if (window == NULL || window->filling)
        return;
    page = (uint32_t)(((uintptr_t)address - (uintptr_t)window->address) / SP_PAGE_SIZE);
    if (!is_free_hole(task, window, page))
        return;
    first = page;
    stop = least_of(page - page % SP_SUPPLY_PAGES + SP_SUPPLY_PAGES, window->pages);
    while (first % SP_SUPPLY_PAGES > 0 && is_free_hole(task, window, first - 1))
        first--;
    for (end = page + 1; end < stop && is_free_hole(task, window, end);)
        end++;
    if (end - first > window->most / 4) { /* with few frames, the page and what follows it */
        first = page;
        end = least_of(end, first + window->most / 4);
    }
    for (uint32_t i = first; i < end; i++)
        window->mapped[i] |= WINDOW_BUSY;
    window->filling = true;
    ensure(end > first);
    *filling = (struct filling){.window = *window, .page = first, .count = end - first};
    if (window->filled + filling->count > window->most)
        filling->surplus = window->filled + filling->count - window->most;
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

void filling_end(struct sp_task *task, const struct filling *filling, uint32_t filled)
{
    struct task_window *window = find_window(task, filling);

    check(hold_is_ours() && filling->count > 0 && filled <= filling->count);
    if (window == NULL)
        return;
    for (uint32_t i = 0; i < filling->count; i++) {
        window->mapped[filling->page + i] &= (unsigned char)~(WINDOW_BUSY | WINDOW_SOFT);
        window_table_set_filled(window, filling->page + i, i < filled);
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
    }
    window->filling = false;
}

bool filling_is_any(const struct sp_task *task)
{
    bool any = false;

    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++)
        any |= task->window[i].address != NULL && task->window[i].filled > 0;
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

        if (window->address != NULL && !window->filling && window->filled > 0 &&
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
    window->hand = page + count < window->pages ? page + count : 0;
    window_table_hide(task, window, page, count);
    *filling = (struct filling){.window = *window, .page = page, .count = count, .dropping = true};
    return true;
}
