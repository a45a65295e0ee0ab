/* Containers of the program: mapped, and regions on them. */
#include <errno.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/container_map.h"
#include "task/containers/book.h"
#include "task/containers/windows.h"
#include "task/entry/fault.h"
#include "task/state/attached.h"
#include "task/state/guard.h"
#include "task/state/hold.h"

/* Fewest frames that a region may be filled with: an instruction may need so many at once. */
#define FRAMES_LEAST 4u

int sp_container_map(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                     unsigned flags, void **addressp, struct sp_error *error)
{
    const struct task_window window = {.container = container,
                                       .first = first,
                                       .pages = count,
                                       .writable = (flags & SP_MAP_WRITE) != 0};
    struct guard guard;
    int result;

    if ((flags & ~SP_MAP_WRITE) != 0 || count == 0 || count > SP_CONTAINER_PAGES || container == 0)
        return error_set(error, EINVAL, "map: flags %#x do not exist, or %u slots cannot be mapped",
                         flags, count);
    check(addressp != NULL);
    fault_unblock();
    guard_begin(&guard);
    result = windows_open_filled(task, &window, addressp, error);
    guard_end(&guard);
    return result;
}

int sp_container_unmap(struct sp_task *task, void *address, struct sp_error *error)
{
    struct guard guard;
    uint32_t made = 0;
    int result;

    check(attached_task() == task);
    guard_begin(&guard);
    result = windows_close(task, address, &made);
    guard_end(&guard);
    if (result != 0)
        return error_set(error, EINVAL, "no container is mapped at %p", address);
    return made != 0 ? sp_container_destroy(task, made, error) : 0;
}

/* ---- Regions ---- */

static int check_region(const struct sp_container_region *region, struct sp_error *error)
{
    check(region != NULL);
    if ((region->flags & ~SP_MAP_WRITE) != 0)
        return error_set(error, EINVAL, "region on a container: flags %#x do not exist",
                         region->flags);
    if (region->pages == 0 || region->pages > SP_CONTAINER_PAGES ||
        region->first > SP_CONTAINER_PAGES - region->pages ||
        (region->container == 0 && region->first != 0))
        return error_set(error, EINVAL,
                         "region on a container: %u pages from slot %u: it needs one at least, and "
                         "its slots must lie in the container",
                         region->pages, region->first);
    if (region->source != 0 && region->supply != NULL)
        return error_set(error, EINVAL,
                         "region on a container: a source, or a function that fills, but not both");
    if (region->source == 0 && region->supply == NULL && region->container == 0)
        return error_set(error, EINVAL,
                         "region on a container: without container, source and function it would "
                         "show nothing");
    if (region->source != 0 && region->source == region->container)
        return error_set(error, EINVAL, "region on a container: it cannot be filled from itself");
    if (region->source_first > SP_CONTAINER_PAGES - region->pages)
        return error_set(error, EINVAL, "region on a container: the source ends before slot %u",
                         region->source_first);
    if (region->frames != 0 && region->frames < FRAMES_LEAST)
        return error_set(error, EINVAL, "region on a container: %u frames: %u are the fewest",
                         region->frames, FRAMES_LEAST);
    return 0;
}

/* Whether slots of a window's container are filled by another window already. The lock is held. */
static bool is_filled_twice(const struct sp_task *task, const struct task_window *like)
{
    bool twice = false;

    check(hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        const struct task_window *window = &task->window[i];

        twice |= window->address != NULL && window->container == like->container &&
                 (window->source != 0 || window->supply != NULL) &&
                 window->first < like->first + like->pages &&
                 like->first < window->first + window->pages;
    }
    return twice;
}

/* Whether a window can be opened on its container. Returns 0 or a negative errno. */
static int check_window(struct sp_task *task, const struct task_window *window,
                        struct sp_error *error)
{
    const struct book *book;
    struct guard guard;
    uint32_t slots = 0;
    bool twice;

    guard_begin(&guard);
    hold_take(task);
    book = book_find(task, window->container);
    if (book != NULL)
        slots = book->pages;
    twice = (window->source != 0 || window->supply != NULL) && is_filled_twice(task, window);
    hold_release(task);
    guard_end(&guard);
    check(window->pages > 0);
    if (book == NULL)
        return error_set(error, EPERM,
                         "region on a container: %u was not made by this task: name it as the "
                         "source",
                         window->container);
    if (window->first >= slots || window->pages > slots - window->first)
        return error_set(error, EINVAL,
                         "region on a container: slots %u to %u of a container of %u",
                         window->first, window->first + window->pages - 1, slots);
    if (twice)
        return error_set(error, EEXIST,
                         "region on a container: another region fills slots of container %u",
                         window->container);
    return 0;
}

/* Filled pages that a region may have. */
static uint32_t frames_of(struct sp_task *task, const struct sp_container_region *region)
{
    struct guard guard;
    uint32_t half;

    if (region->frames != 0)
        return region->frames;
    guard_begin(&guard);
    hold_take(task);
    half = task->promise.guaranteed / 2;
    hold_release(task);
    guard_end(&guard);
    check(half <= task->promise.guaranteed);
    return half > FRAMES_LEAST ? half : FRAMES_LEAST;
}

int container_map_region(struct sp_task *task, const struct sp_container_region *region, bool alone,
                         void **basep, struct sp_error *error)
{
    struct task_window window = {.container = region->container,
                                 .first = region->first,
                                 .pages = region->pages,
                                 .writable = (region->flags & SP_MAP_WRITE) != 0,
                                 .made = region->container == 0,
                                 .swaps = alone && (region->flags & SP_MAP_WRITE) != 0,
                                 .source = region->source,
                                 .source_first = region->source_first,
                                 .supply = region->supply,
                                 .supply_arg = region->supply_arg};
    struct guard guard;
    int result = check_region(region, error);

    check(attached_task() == task && basep != NULL);
    if (result == 0 && window.made)
        result = sp_container_create(task, window.pages, &window.container, error);
    if (result != 0)
        return result;
    window.most = frames_of(task, region);
    result = check_window(task, &window, error);
    if (result == 0) {
        guard_begin(&guard);
        result = windows_open(task, &window, basep, error);
        guard_end(&guard);
    }
    if (result != 0 && window.made)
        (void)sp_container_destroy(task, window.container, NULL);
    return result;
}

int sp_container_region_create(struct sp_task *task, const struct sp_container_region *region,
                               void **basep, struct sp_error *error)
{
    check(region != NULL);
    fault_unblock();
    return container_map_region(task, region, region->container == 0, basep, error);
}
