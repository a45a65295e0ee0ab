/* Ranges of pages, as the program names them. */
#ifndef TASK_API_RANGES_H
#define TASK_API_RANGES_H

#include "task/state/state.h"

/* The pages that a range of base pages touches, and the pages that lie wholly in it, up to the end of the region.
 */
struct range {
    sp_page first;
    uint32_t pages;
    sp_page inner_first;
    uint32_t inner_pages;
};

/* Look up the range of `pages` base pages at `first`. False if it is not page-aligned or not all in one
 * region. */
bool ranges_find(struct sp_task *task, const void *first, size_t pages, struct range *range);

/* Pages handled with the lock held in one go, in order that faults and recalls get their turn; as many as
 * one message can be about. */
uint32_t ranges_step(const struct sp_task *task);

#endif
