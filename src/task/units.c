#include "task/units.h"

#include <errno.h>

#include "base/error.h"

int units_choose(const struct wanted_contract *wanted, int count, uint32_t max_pages,
                 unsigned *orderp, struct sp_error *error)
{
    bool known = false;

    *orderp = 0;
    for (int i = 0; i < count; i++) {
        const struct sp_terms *terms = &wanted[i].terms;
        unsigned order = terms->order;

        /* A part that is claimed is what it is: it takes no side. */
        if (wanted[i].token != 0)
            continue;
        if (order > UNIT_ORDER_MAX)
            return error_set(error, EINVAL,
                             "contract: order=%u: a task's pages are 2^order base pages, and order "
                             "is at most %u",
                             order, UNIT_ORDER_MAX);
        if (terms->frames % (1u << order) != 0)
            return error_set(error, EINVAL,
                             "contract: %u frames are no whole number of pages of order %u (%u "
                             "frames each)",
                             terms->frames, order, 1u << order);
        if (known && order != *orderp)
            return error_set(error, EINVAL,
                             "contract: order=%u and order=%u: all pages of a task have one size, "
                             "say the same order in each contract",
                             *orderp, order);
        *orderp = order;
        known = true;
    }
    if (max_pages >> *orderp == 0)
        return error_set(error, EINVAL, "max_pages is %u, less than one page of order %u",
                         max_pages, *orderp);
    return 0;
}

void units_show_stats(struct sp_task *task)
{
    struct sp_stats shown = *task->stats;
    uint64_t *pages[] = {
        &shown.evictions, &shown.swapped_out, &shown.swapped_in,  &shown.dropped,
        &shown.refilled,  &shown.zeroed,      &shown.returned,    &shown.unmaps,
        &shown.resident,  &shown.held,        &shown.guaranteed,  &shown.extra,
        &shown.pages,     &shown.pinned,      &shown.map_limited, &shown.repossessed};

    if (task->shown_stats == task->stats)
        return;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        *pages[i] <<= task->page_order;
    *task->shown_stats = shown;
}
