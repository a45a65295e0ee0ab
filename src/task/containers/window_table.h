/* The table of windows, and what is known of their pages. The lock is held. */
#ifndef TASK_CONTAINERS_WINDOW_TABLE_H
#define TASK_CONTAINERS_WINDOW_TABLE_H

#include "base/assert.h"
#include "task/state/state.h"

static inline size_t window_table_bytes(uint32_t pages)
{
    check(pages <= WIRE_SLOTS_MAX);
    return (size_t)pages * SP_PAGE_SIZE;
}

/* The window that an address lies in, or NULL. */
struct task_window *window_table_find(struct sp_task *task, const void *address);

/* A place for another window, or NULL. */
struct task_window *window_table_unused(struct sp_task *task);

/* Nothing is mapped at some pages of a window from now on. What else is known of them stays. */
void window_table_hide(struct sp_task *task, const struct task_window *window, uint32_t page,
                       uint32_t count);

/* The part of a window that shows some slots of a container; its count is 0 if there is none. Slots
 * become pages of the window. */
struct wire_range window_table_part(const struct task_window *window, uint32_t container,
                                    const struct wire_range *slots);

/* Whether the window fills slots without frames. */
static inline bool window_table_fills(const struct task_window *window)
{
    check(window->pages > 0);
    return window->source != 0 || window->supply != NULL;
}

/* Whether a page of a window that fills is to be filled, or is being filled. */
bool window_table_is_hole(const struct sp_task *task, const struct task_window *window,
                          uint32_t page);

/* A page is as it was filled from now on, or (false) may be something else. */
void window_table_set_filled(struct task_window *window, uint32_t page, bool filled);

#endif
