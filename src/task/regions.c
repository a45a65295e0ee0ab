/* Regions, pins, hints: what the program says about its memory. */
#include "task/units.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "policy/registry.h"

/* Pages that SP_HINT_WILL_NEED reads ahead at most. */
#define READ_AHEAD 64u

static void restore_signals(const sigset_t *saved)
{
    pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* Pages that a range of base pages touches, and those that lie wholly in it, up to the region's end.
 */
struct range {
    sp_page first;
    uint32_t pages;
    sp_page inner_first;
    uint32_t inner_pages;
};

/* False if the range is not page-aligned or not all in one region. */
static bool range_of(struct sp_task *task, const void *first, size_t pages, struct range *range)
{
    sp_page page = task_page_of(task, first);
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
    return true;
}

/* Pages handled with the lock held in one go, so that faults and recalls get their turn; as many as
 * one message can be about. */
static uint32_t step(const struct sp_task *task)
{
    return task->pager.config.batch;
}

/* ---- Regions ---- */

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
        return error_set(error, ENOTCONN,
                         "a precious region needs a swap server: set "
                         "SELFPAGE_SWAP or swap_path");
    return 0;
}

/* Change how many slots of the swap server are ours for certain. */
static int reserve_swap(struct sp_task *task, uint32_t add, uint32_t subtract,
                        struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_RESERVE};
    struct wire_message reply;

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

static sp_page make_region(struct sp_task *task, const struct sp_region_options *options)
{
    struct work work;
    sp_page first;

    task_enter(task, &work, NULL);
    first =
        pager_regions_create(&task->pager, units_for(task, (uint32_t)options->pages), options->kind,
                            (options->flags & SP_REGION_UNDEFINED) != 0, options->refill != NULL);
    if (first != SP_NO_PAGE) {
        uint32_t index = (uint32_t)(pager_regions_of(&task->pager, first) - task->pager.region);

        task->refills[index].refill = options->refill;
        task->refills[index].arg = options->refill_arg;
        task->refills[index].pages = (uint32_t)options->pages;
    }
    task_leave(task, NULL);
    return first;
}

int sp_region_create(struct sp_task *task, const struct sp_region_options *options, void **basep,
                     struct sp_error *error)
{
    int result = check_region(task, options, error);
    uint32_t slots = 0;
    sigset_t saved;
    sp_page first;

    if (result != 0)
        return result;
    if (options->kind == SP_PRECIOUS)
        slots = units_base(task, units_for(task, (uint32_t)options->pages));
    task_block_signals(&saved);
    if (slots > 0)
        result = reserve_swap(task, slots, 0, error);
    if (result == 0) {
        first = make_region(task, options);
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
    restore_signals(&saved);
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

        task_enter(task, &work, NULL);
        for (uint32_t n = 0; n < step(task) && done < pages && result >= 0; n++) {
            result = pager_discard(&task->pager, first + (sp_page)done);
            if (result >= 0) {
                dropped += result;
                done++;
            }
        }
        task_leave(task, NULL);
        work_perform(task, &work, &task->swap, false, false);
        task_signal_event(task);
        if (result < 0) {
            /* Its store may be answered already, on a channel that nobody reads just now. */
            channel_poll(&task->swap);
            channel_poll(&task->cleaner);
            task_wait_event(task, events + 1, INT64_C(1000000));
        }
    }
    return dropped;
}

static bool any_pinned(const struct sp_task *task, const struct pager_region *region)
{
    for (uint32_t i = 0; i < region->pages; i++)
        if (task->pager.page[region->first + i].pins > 0)
            return true;
    return false;
}

int sp_region_destroy(struct sp_task *task, void *base)
{
    sp_page first = task_page_of(task, base);
    const struct pager_region *region;
    struct work work;
    sigset_t saved;
    uint32_t slots;

    region = first == SP_NO_PAGE ? NULL : pager_regions_of(&task->pager, first);
    if (region == NULL || region->first != first || memory_address(task, first) != base)
        return -EINVAL;
    if (any_pinned(task, region))
        return -EBUSY;
    task_block_signals(&saved);
    slots = region->kind == SP_PRECIOUS ? units_base(task, region->pages) : 0;
    discard(task, first, region->pages);
    task_enter(task, &work, NULL);
    pager_regions_destroy(&task->pager, first);
    task_leave(task, NULL);
    if (slots > 0)
        reserve_swap(task, 0, slots, NULL);
    restore_signals(&saved);
    return 0;
}

long sp_discard(struct sp_task *task, void *first, size_t pages)
{
    struct range range;
    sigset_t saved;
    long dropped;

    if (!range_of(task, first, pages, &range))
        return -EINVAL;
    task_block_signals(&saved);
    dropped = discard(task, range.inner_first, range.inner_pages) << task->page_order;
    restore_signals(&saved);
    return dropped;
}

/* ---- Pins ---- */

static void unpin(struct sp_task *task, sp_page first, size_t pages)
{
    for (size_t i = 0; i < pages; i++) {
        pager_pin_undo(&task->pager, first + (sp_page)i);
        vital_unpinned(task, first + (sp_page)i);
    }
}

/* Pin one page that is to be brought in first. */
static bool pin_one(struct sp_task *task, sp_page page)
{
    for (;;) {
        struct pager_page *p = &task->pager.page[page];
        struct work work;
        bool there;
        bool pinned = false;

        task_enter(task, &work, NULL);
        there = p->state == PAGE_RESIDENT && (p->protection & PAGE_WRITE) != 0;
        if (there)
            pinned = pager_pin(&task->pager, page);
        task_leave(task, NULL);
        if (there)
            return pinned;
        task_fault(task, page, true);
    }
}

/* Whether so many more pages may be pinned: half of the guarantee stays free to page with. */
static bool may_pin(const struct sp_task *task, sp_page first, size_t pages)
{
    size_t more = 0;

    for (size_t i = 0; i < pages; i++)
        more += task->pager.page[first + i].pins == 0;
    return task->pager.pinned + more <= task->pager.guaranteed / 2;
}

int sp_pin(struct sp_task *task, void *first, size_t pages, size_t *lostp)
{
    struct range range;
    size_t lost = 0;
    size_t done = 0;
    struct work work;
    sigset_t saved;
    bool allowed;
    int result = 0;

    if (!range_of(task, first, pages, &range))
        return -EINVAL;
    task_enter(task, &work, &saved);
    allowed = may_pin(task, range.first, range.pages);
    task_leave(task, &saved);
    if (!allowed)
        return -ENOMEM;
    task_block_signals(&saved);
    while (done < range.pages && pin_one(task, range.first + (sp_page)done))
        done++;
    task_enter(task, &work, NULL);
    if (done < range.pages) {
        unpin(task, range.first, done);
        result = -EOVERFLOW;
    } else {
        for (uint32_t i = 0; i < range.pages; i++) {
            lost += pager_discard_noted(&task->pager, range.first + i);
            vital_pinned(task, range.first + i);
        }
    }
    task_leave(task, NULL);
    restore_signals(&saved);
    vital_announce(task);
    if (lostp != NULL && result == 0)
        *lostp = lost << task->page_order;
    return result;
}

int sp_unpin(struct sp_task *task, void *first, size_t pages)
{
    struct range range;
    struct work work;
    sigset_t saved;
    bool all = true;

    if (!range_of(task, first, pages, &range))
        return -EINVAL;
    task_enter(task, &work, &saved);
    for (uint32_t i = 0; i < range.pages; i++)
        all = all && task->pager.page[range.first + i].pins > 0;
    if (all)
        unpin(task, range.first, range.pages);
    task_leave(task, &saved);
    if (all)
        vital_announce(task);
    return all ? 0 : -EINVAL;
}

/* ---- Hints ---- */

static void read_ahead(struct sp_task *task, sp_page page, size_t pages)
{
    size_t done = 0;

    if (pages > units_for(task, READ_AHEAD))
        pages = units_for(task, READ_AHEAD);
    while (done < pages) {
        struct work work;

        task_enter(task, &work, NULL);
        for (uint32_t n = 0; n < step(task) && done < pages; n++, done++)
            pager_advice_prefetch(&task->pager, page + (sp_page)done);
        task_leave(task, NULL);
        work_perform(task, &work, &task->swap, false, false);
    }
}

int sp_advise(struct sp_task *task, void *first, size_t pages, enum sp_hint hint)
{
    struct range range;
    struct work work;
    sigset_t saved;

    if (!range_of(task, first, pages, &range) || hint < SP_HINT_WILL_NEED || hint > SP_HINT_SCRATCH)
        return -EINVAL;
    task_enter(task, &work, &saved);
    for (uint32_t i = 0; i < range.pages; i++)
        pager_advice_hint(&task->pager, range.first + i, hint);
    task_leave(task, NULL);
    if (hint == SP_HINT_WILL_NEED)
        read_ahead(task, range.first, range.pages);
    restore_signals(&saved);
    return 0;
}

/* ---- */

void sp_get_stats(struct sp_task *task, struct sp_stats *stats)
{
    struct work work;
    sigset_t saved;

    task_enter(task, &work, &saved);
    *stats = *task->shown_stats;
    task_leave(task, &saved);
}

const struct sp_policy *sp_builtin_policy(size_t i)
{
    return policy_builtin(i);
}

const char *sp_version(void)
{
    return SELFPAGE_VERSION;
}
