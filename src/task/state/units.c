#include "task/state/units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
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
                             "contract: %u frames are not a whole number of pages of order %u (%u "
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
    check(*orderp <= UNIT_ORDER_MAX);
    return 0;
}

/* A counter of this unit counts pages of the task, which are 2^page_order base pages each. */
static inline bool counts_pages(const char *unit)
{
    return strcmp(unit, "pages") == 0 || strcmp(unit, "frames") == 0;
}

void units_show_stats(struct sp_task *task)
{
    struct sp_stats shown = *task->stats;

    check(task->shown_stats != task->stats && task->page_order > 0);
#define SHOW(type, name, unit, meaning) shown.name <<= counts_pages(unit) ? task->page_order : 0;
    SP_TASK_COUNTERS(SHOW, SHOW)
#undef SHOW
    *task->shown_stats = shown;
}
