#include "task/api/ranges.h"

#include "base/assert.h"
#include "task/effects/memory.h"
#include "task/state/units.h"

bool ranges_find(struct sp_task *task, const void *first, size_t pages, struct range *range)
{
    sp_page page = units_page_at(task, first);
    const struct pager_region *region;
    uint32_t start, end, base, last;

    if (page == SP_NO_PAGE || (uintptr_t)first % SP_PAGE_SIZE != 0)
        return false;
    region = pager_regions_of(&task->pager, page);
    if (region == NULL)
        return false;
    /* Base pages, counted from the start of the region. */
    last = task->refills[region - task->pager.region].pages;
    start = (uint32_t)(((uintptr_t)first - (uintptr_t)memory_address(task, region->first)) /
                       SP_PAGE_SIZE);
    if (start > last || pages > last - start)
        return false;
    end = start + (uint32_t)pages;
    range->first = page;
    range->pages = region->first + units_for(task, end) - page;
    if (pages == 0)
        range->pages = 0;
    base = units_for(task, start);
    range->inner_first = region->first + base;
    last = end == last ? region->pages : units_in(task, end);
    range->inner_pages = last > base ? last - base : 0;
    check(range->first >= region->first &&
          range->first + range->pages <= region->first + region->pages);
    check(range->inner_pages <= region->pages);
    return true;
}

uint32_t ranges_step(const struct sp_task *task)
{
    check(task->pager.config.batch > 0);
    return task->pager.config.batch;
}
