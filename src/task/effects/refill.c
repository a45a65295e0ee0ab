#include "task/effects/refill.h"

#include <string.h>

#include "base/assert.h"
#include "task/effects/memory.h"
#include "task/state/doing.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

void refill_page(struct sp_task *task, struct work *work, bool write)
{
    const struct pager_region *region = pager_regions_of(&task->pager, work->refilled.page);
    uint32_t index = (uint32_t)(region - task->pager.region);
    uint32_t first = units_base(task, work->refilled.page - region->first);
    unsigned char *frame = memory_window(task, work->refilled.slot);
    sp_page page = work->refilled.page;

    ensure(work->refill);
    /* The last page may be larger than what is left of the region. */
    for (uint32_t i = 0; i < unit_pages(task) && first + i < task->refills[index].pages; i++) {
        int error;

        doing_refill(first + i);
        error = task->refills[index].refill(task->refills[index].arg, first + i,
                                            frame + (size_t)i * SP_PAGE_SIZE);
        doing_refill(SP_NO_PAGE);
        if (error != 0)
            say_and_die(task, "the refill callback failed for page %u of its region: %s", first + i,
                     strerror(error));
    }
    work_clear(work);
    hold_take(task);
    pager_fault_loaded(&task->pager, page, true, true, write);
    work_collect(task, work);
    hold_release(task);
    events_signal(task);
}
