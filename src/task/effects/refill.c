#include "task/effects/refill.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "task/effects/memory.h"
#include "task/state/doing.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* The callback ends its thread. Another one may wait for the page: better no process than that. */
static void refill_ended(void *context)
{
    say_and_die(context, "a refill callback ended its thread (pthread_exit): it must return");
}

/* Call back for one base page, numbered within its region. Returns what the callback does. */
static int call(struct sp_task *task, uint32_t region, uint32_t page, void *frame)
{
    int error;

    check(region < PAGER_REGIONS_MAX && task->refills[region].refill != NULL);
    check(page < task->refills[region].pages && !hold_is_ours());
    doing_refill(page);
    pthread_cleanup_push(refill_ended, task);
    error = task->refills[region].refill(task->refills[region].arg, page, frame);
    pthread_cleanup_pop(0);
    doing_refill(SP_NO_PAGE);
    return error < 0 ? -error : error; /* some return -errno, by habit */
}

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
        int error = call(task, index, first + i, frame + (size_t)i * SP_PAGE_SIZE);

        if (error != 0)
            say_and_die(task, "the refill callback failed for page %u of its region: %s", first + i,
                        strerror(error));
    }
    check(doing_refilling() == SP_NO_PAGE);
    work_clear(work);
    hold_take(task);
    pager_fault_loaded(&task->pager, page, true, true, write);
    work_collect(task, work);
    hold_release(task);
    events_signal(task);
}
