/* Regions: made, destroyed, and their contents discarded. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ranges.h"
#include "task/effects/memory.h"
#include "task/effects/perform.h"
#include "task/effects/sites.h"
#include "task/entry/fault.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/units.h"

static int check_region(const struct sp_task *task, const struct sp_region_options *options,
                        struct sp_error *error)
{
    if (options->pages == 0)
        return error_set(error, EINVAL, "a region of zero pages");
    if (options->kind >= SP_KINDS || (options->flags & ~SP_REGION_UNDEFINED) != 0)
        return error_set(error, EINVAL, "region: kind %d or flags %#x do not exist",
                         (int)options->kind, options->flags);
    if ((options->kind == SP_REMANUFACTURABLE) != (options->refill != NULL))
        return error_set(error, EINVAL,
                         options->refill == NULL
                             ? "a remanufacturable region needs a refill callback"
                             : "a refill callback is only for remanufacturable regions");
    if (options->pages > task->arena_pages)
        return error_set(error, ENOSPC,
                         "a region of %zu pages does not fit into the %u that all regions may have "
                         "(max_pages)",
                         options->pages, task->arena_pages);
    if (options->kind == SP_PRECIOUS && !task->has_swap)
        return error_set(
            error, ENOTCONN,
            "a precious region needs a swap server: swap: in the scenario of selfpage run, "
            "or else SELFPAGE_SWAP or swap_path");
    check(units_for(task, (uint32_t)options->pages) > 0);
    return 0;
}

/* Change how many slots of the swap server are reserved for this task. */
static int reserve_swap(struct sp_task *task, uint32_t add, uint32_t subtract,
                        struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RESERVE};
    struct wire_message reply;

    check((add == 0) != (subtract == 0) && task->has_swap);
    message.reserve.add = add;
    message.reserve.subtract = subtract;
    if (channel_ask(&task->swap, &message, -1, &reply) != 0)
        return error_set(error, EPIPE, "the swap server is gone");
    if (reply.error != 0)
        return error_set(error, reply.error == EDQUOT ? ENOSPC : (int)reply.error,
                         "swap cannot hold a region of %u pages: %s", add,
                         reply.type == WIRE_DONE ? reply.done.text : strerror((int)reply.error));
    return 0;
}

/* `code`: where the program made it. */
static sp_page make_region(struct sp_task *task, const struct sp_region_options *options,
                           uintptr_t code)
{
    sp_page first;

    hold_take(task);
    first =
        pager_regions_create(&task->pager, units_for(task, (uint32_t)options->pages), options->kind,
                             (options->flags & SP_REGION_UNDEFINED) != 0, options->refill != NULL);
    if (first != SP_NO_PAGE) {
        uint32_t index = (uint32_t)(pager_regions_of(&task->pager, first) - task->pager.region);

        task->refills[index].refill = options->refill;
        task->refills[index].arg = options->refill_arg;
        task->refills[index].pages = (uint32_t)options->pages;
        if (task->sites != NULL)
            sites_region(task, first, code);
    }
    check(first == SP_NO_PAGE || pager_regions_of(&task->pager, first)->first == first);
    hold_release(task);
    return first;
}

int sp_region_create(struct sp_task *task, const struct sp_region_options *options, void **basep,
                     struct sp_error *error)
{
    int result = check_region(task, options, error);
    uint32_t slots = 0;
    struct guard guard;
    sp_page first;

    if (result != 0)
        return result;
    if (options->kind == SP_PRECIOUS)
        slots = units_base(task, units_for(task, (uint32_t)options->pages));
    check(options->pages <= task->arena_pages);
    fault_unblock();
    guard_begin(&guard);
    if (slots > 0)
        result = reserve_swap(task, slots, 0, error);
    if (result == 0) {
        first = make_region(task, options, (uintptr_t)__builtin_return_address(0));
        if (first != SP_NO_PAGE)
            *basep = memory_address(task, first);
        else
            result = error_set(error, ENOSPC,
                               "no room for a region of %zu pages: %llu of %u (max_pages) are "
                               "taken, in at most %u regions",
                               options->pages, (unsigned long long)task->shown_stats->pages,
                               task->arena_pages, PAGER_REGIONS_MAX);
        if (first == SP_NO_PAGE && slots > 0)
            reserve_swap(task, 0, slots, NULL);
    }
    guard_end(&guard);
    return result;
}

/* Drop pages, waiting for those in transit. Returns how many were resident. */
static long discard(struct sp_task *task, sp_page first, size_t pages)
{
    long dropped = 0;
    size_t done = 0;

    while (done < pages) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        struct work work;
        int result = 0;

        work_clear(&work);
        hold_take(task);
        for (uint32_t n = 0; n < ranges_step(task) && done < pages && result >= 0; n++) {
            result = pager_discard(&task->pager, first + (sp_page)done);
            if (result >= 0) {
                dropped += result;
                done++;
            }
        }
        work_collect(task, &work);
        hold_release(task);
        check(done <= pages);
        perform_work(task, &work, &task->swap, false, false);
        events_signal(task);
        if (result < 0) {
            /* Its store may be answered already, on a channel that nobody reads just now. */
            channel_poll(&task->swap);
            channel_poll(&task->cleaner);
            events_wait(task, events + 1, INT64_C(1000000));
        }
    }
    check(dropped >= 0 && (size_t)dropped <= pages);
    return dropped;
}

static bool any_pinned(const struct sp_task *task, const struct pager_region *region)
{
    check(region->pages <= task->pager.config.pages - region->first);
    for (uint32_t i = 0; i < region->pages; i++)
        if (task->pager.page[region->first + i].pins > 0)
            return true;
    return false;
}

int sp_region_destroy(struct sp_task *task, void *base)
{
    sp_page first = units_page_at(task, base);
    const struct pager_region *region;
    struct guard guard;
    uint32_t slots;

    region = first == SP_NO_PAGE ? NULL : pager_regions_of(&task->pager, first);
    if (region == NULL || region->first != first || memory_address(task, first) != base)
        return -EINVAL;
    if (any_pinned(task, region))
        return -EBUSY;
    guard_begin(&guard);
    slots = region->kind == SP_PRECIOUS ? units_base(task, region->pages) : 0;
    check(slots == 0 || task->has_swap);
    discard(task, first, region->pages);
    hold_take(task);
    pager_regions_destroy(&task->pager, first);
    hold_release(task);
    if (slots > 0)
        reserve_swap(task, 0, slots, NULL);
    guard_end(&guard);
    return 0;
}

long sp_discard(struct sp_task *task, void *first, size_t pages)
{
    struct range range;
    struct guard guard;
    long dropped;

    if (!ranges_find(task, first, pages, &range))
        return -EINVAL;
    check(range.inner_pages <= task->pager.config.pages);
    guard_begin(&guard);
    dropped = discard(task, range.inner_first, range.inner_pages) << task->page_order;
    guard_end(&guard);
    return dropped;
}
