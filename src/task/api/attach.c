/* Attaching and detaching. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/limits.h"
#include "os/unlocked.h"
#include "task/api/availability.h"
#include "task/api/bandwidth.h"
#include "task/api/connect.h"
#include "task/api/contracts.h"
#include "task/api/settings.h"
#include "task/containers/book.h"
#include "task/containers/windows.h"
#include "task/effects/bits.h"
#include "task/effects/live_trace.h"
#include "task/effects/memory.h"
#include "task/effects/own_file.h"
#include "task/effects/publish.h"
#include "task/effects/sites.h"
#include "task/effects/swapping.h"
#include "task/entry/control.h"
#include "task/entry/crash.h"
#include "task/entry/fault.h"
#include "task/entry/pager_thread.h"
#include "task/entry/probe.h"
#include "task/state/attached.h"
#include "task/state/guard.h"
#include "task/state/known.h"
#include "task/state/units.h"

/* Slots of the container: room to negotiate for more than the first contracts. */
#define SLOTS_PER_FRAME 8u
#define SLOTS_LEAST     4096u
#define SLOTS_MOST      (1u << 20)

/* Frames to provide for in a part of unknown size. */
#define CLAIM_FRAMES 8192u

/* ---- Memory of the library's own ---- */

/* Whether the page can be this task's: it shows the first process that attaches, as long as that lives, and not those
 * that it forks, or that forked it, which have the descriptor, too. */
static bool stats_are_ours(int stats_fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    check(stats_fd >= 0);
    return fcntl(stats_fd, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

static void map_stats(struct sp_task *task, int stats_fd)
{
    struct stat info;
    void *page = MAP_FAILED;

    task->stats = &task->own_page.stats;
    check(task->shared_page == NULL);
    if (stats_fd < 0)
        return;
    if (fstat(stats_fd, &info) == 0 && info.st_size >= (off_t)sizeof(struct stats_page) &&
        stats_are_ours(stats_fd))
        page =
            mmap(NULL, sizeof(struct stats_page), PROT_READ | PROT_WRITE, MAP_SHARED, stats_fd, 0);
    if (page == MAP_FAILED)
        return;
    task->shared_page = page;
    memset(task->shared_page, 0, sizeof(*task->shared_page));
    task->stats = &task->shared_page->stats;
    /* Programs that this one starts are no part of the task. */
    fcntl(stats_fd, F_SETFD, FD_CLOEXEC);
}

static void *map_private(size_t size)
{
    check(size > 0);
    return unlocked_map(NULL, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

/* Frames of the contracts to propose. */
static uint64_t frames_wanted(const struct settings *settings)
{
    uint64_t frames = 0;

    for (int i = 0; i < settings->wanted_count; i++)
        frames += settings->wanted[i].token != 0 ? CLAIM_FRAMES : settings->wanted[i].terms.frames;
    check(settings->wanted_count <= (int)TERMS_MAX);
    return frames;
}

static uint32_t container_slots(const struct settings *settings)
{
    uint64_t frames = frames_wanted(settings);
    uint64_t slots;

    if (settings->options.max_frames > 0)
        slots = settings->options.max_frames;
    else
        slots = frames * SLOTS_PER_FRAME < SLOTS_LEAST ? SLOTS_LEAST : frames * SLOTS_PER_FRAME;
    if (slots > SLOTS_MOST)
        slots = frames > SLOTS_MOST ? frames : SLOTS_MOST;
    if (slots > WIRE_SLOTS_MAX)
        slots = WIRE_SLOTS_MAX;
    check(slots > 0 && slots <= WIRE_SLOTS_MAX);
    return (uint32_t)(slots >> settings->page_order << settings->page_order);
}

static int prepare_pager(struct sp_task *task, const struct settings *settings, uint32_t slots,
                         struct sp_error *error)
{
    const double *params;
    const struct sp_policy *policy = live_trace_policy(task, &params);
    struct pager_config config = {.pages = units_in(task, task->arena_pages),
                                  .slots = units_in(task, slots),
                                  .extent_pages = units_in(task, task->extent_pages),
                                  .batch = units_batch(task),
                                  .read_ahead = units_batch(task) - 1,
                                  .evicts_later = true,
                                  .evicts_apart = true,
                                  .map_limit = memory_map_limit(),
                                  .seed = settings->options.seed,
                                  .policy = policy,
                                  .params = params,
                                  .stats = task->stats};

    bits_configure(task, &config);
    /* Each extent costs a descriptor, as long as there are any. */
    (void)limits_raise_files();
    ensure(task->extent_pages > 0 && config.slots > 0 && config.batch > 0);
    task->extents_max = (slots + task->extent_pages - 1) / task->extent_pages;
    task->extents_size = task->extents_max * sizeof(struct task_extent);
    task->extents = map_private(task->extents_size);
    task->wired_size = pager_size(&config);
    task->wired = map_private(task->wired_size);
    if (task->page_order > 0)
        task->swap_slots = map_private(task->arena_pages * sizeof(*task->swap_slots));
    if (task->extents == NULL || task->wired == NULL ||
        (task->page_order > 0 && task->swap_slots == NULL))
        return error_set(error, ENOMEM, "no memory for the pager's tables (%zu bytes)",
                         task->wired_size);
    for (uint32_t i = 0; i < task->extents_max; i++)
        task->extents[i].fd = -1;
    check((uint64_t)task->extents_max * task->extent_pages >= slots);
    pager_init(&task->pager, &config, task->wired);
    return 0;
}

/* ---- */

static void release(struct sp_task *task)
{
    check(task->known_count <= task->known_room);
    channel_fini(&task->physmem);
    channel_fini(&task->control);
    channel_fini(&task->swap);
    channel_fini(&task->cleaner);
    own_file_close(task);
    memory_release(task);
    for (uint32_t i = 0; i < task->extents_max; i++)
        if (task->extents[i].fd >= 0)
            close(task->extents[i].fd);
    windows_release(task);
    book_release(task);
    known_close(task);
    if (task->extents != NULL)
        munmap(task->extents, task->extents_size);
    publish_end(task);
    bits_end(task);
    if (task->wired != NULL)
        munmap(task->wired, task->wired_size);
    if (task->swap_slots != NULL)
        munmap(task->swap_slots, task->arena_pages * sizeof(*task->swap_slots));
    live_trace_end(task, false);
    sites_end(task);
    plugin_close(&task->policy_object);
    if (task->shared_page != NULL)
        munmap(task->shared_page, sizeof(*task->shared_page));
    munmap(task, sizeof(*task));
}

/* The child of a fork has no contract. It must not reach the parent's frames, nor keep its
 * connections open. */
static void in_child(void)
{
    struct sp_task *task = attached_task();

    if (task == NULL)
        return;
    check(task->control.link.fd >= 0);
    fault_uninstall(task);
    fault_in_child(task, task->managed, (size_t)task->arena_pages * SP_PAGE_SIZE);
    attached_set(NULL);
    if (task->wake_fd >= 0)
        close(task->wake_fd);
    release(task);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

static int connect_all(struct sp_task *task, const struct settings *settings,
                       struct sp_error *error)
{
    const struct sp_attach_options *options = &settings->options;
    uint32_t slots = container_slots(settings);
    const double *params;
    int result = bits_begin(task, live_trace_policy(task, &params), error);

    if (result == 0)
        result = connect_pair(task, "physmem", options->physmem_path, &task->physmem,
                              &task->control, WIRE_ROLE_CONTROL, error);

    if (result == 0 && options->swap_path != NULL) {
        result = connect_pair(task, "swap", options->swap_path, &task->swap, &task->cleaner,
                              WIRE_ROLE_TASK, error);
        task->has_swap = result == 0;
        if (result == 0)
            result = bandwidth_negotiate(task, error);
        if (result == 0)
            result = own_file_open(task, error);
    }
    if (result == 0)
        result = connect_container(task, slots, error);
    if (result == 0)
        result = memory_window_reserve(task, error);
    if (result == 0)
        result = prepare_pager(task, settings, slots, error);
    /* Physmem takes single frames from a stack, and so would tear pages apart. */
    if (result == 0 && (options->flags & SP_ATTACH_NO_FRAME_STACK) == 0 && task->page_order == 0)
        result = publish_start(
            task, frames_wanted(settings) < slots ? (uint32_t)frames_wanted(settings) : slots,
            error);
    if (result == 0)
        result = contracts_negotiate(task, settings->wanted, settings->wanted_count, error);
    check(result != 0 || (task->managed != NULL && task->wired != NULL));
    return result;
}

/* What runs beside the control thread. */
static int start_beside(struct sp_task *task, struct sp_error *error)
{
    int result = api_availability_start(task, error);

    if (result == 0 && task->pager_thread_wanted)
        result = pager_thread_start(task, error);
    return result;
}

static int start_threads(struct sp_task *task, struct sp_error *error)
{
    int result = fault_install(task, error);

    if (result != 0)
        return result;
    check(attached_task() == task);
    result =
        sp_thread_begin(task); /* before the first fault, for which its stack may be too small */
    if (result != 0)
        error_set(error, -result, "cannot prepare this thread for faults: %s", strerror(-result));
    if (result == 0)
        result = probe_resume(error);
    if (result == 0)
        result = control_start(task, error);
    if (result == 0) {
        result = start_beside(task, error);
        if (result != 0)
            control_stop(task);
    }
    if (result != 0) {
        sp_thread_end(task);
        fault_uninstall(task);
    }
    return result;
}

static int attach(struct sp_task **taskp, const struct sp_attach_options *options,
                  struct sp_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct settings settings;
    struct sp_task *task;
    int result;

    if (attached_task() != NULL)
        return error_set(error, EBUSY, "this process is attached already");
    result = settings_settle(&settings, options, error);
    if (result != 0)
        return result;
    task = map_private(sizeof(*task));
    if (task == NULL)
        return error_set(error, ENOMEM, "no memory for the task");
    snprintf(task->name, sizeof(task->name), "%s", settings.options.name);
    task->physmem.link.fd = task->control.link.fd = -1;
    task->swap.link.fd = task->cleaner.link.fd = -1;
    task->wake_fd = -1;
    task->own_file_fd = -1;
    task->bits = (struct page_bits)PAGE_BITS_NONE;
    task->stack.fd = -1;
    task->page_order = settings.page_order;
    task->arena_pages = units_base(task, units_in(task, settings.options.max_pages));
    task->on_recall = settings.options.on_recall;
    task->on_recall_arg = settings.options.on_recall_arg;
    task->on_pressure = settings.options.on_pressure;
    task->on_pressure_arg = settings.options.on_pressure_arg;
    task->no_renewal = (settings.options.flags & SP_ATTACH_NO_RENEWAL) != 0;
    task->pager_thread_wanted = (settings.options.flags & SP_ATTACH_PAGER_THREAD) != 0;
    map_stats(task, settings.stats_fd);
    task->shown_stats = task->stats;
    if (task->page_order > 0)
        task->stats = &task->unit_stats;
    result = settings_choose_policy(&settings, task, error);
    if (result == 0) {
        crash_watch_policy(task);
        result = live_trace_begin(task, settings_policy(&settings),
                                  units_in(task, task->arena_pages), error);
    }
    if (result == 0)
        result = sites_begin(task, error);
    if (result == 0)
        result = connect_all(task, &settings, error);
    if (result == 0) {
        check(pager_check(&task->pager) == NULL);
        attached_set(task);
        result = start_threads(task, error);
    }
    if (result != 0) {
        attached_set(NULL);
        release(task);
        return result;
    }
    check(attached_task() == task && task->wake_fd >= 0);
    pthread_once(&once, watch_forks);
    *taskp = task;
    return 0;
}

int sp_attach(struct sp_task **taskp, const struct sp_attach_options *options,
              struct sp_error *error)
{
    /* Half an attachment would be left behind by a thread that is cancelled in here. Signals stay as they
     * are: a server may let this wait. */
    int cancel = guard_forbid_cancel();
    int result = attach(taskp, options, error);

    check(result <= 0);
    guard_permit_cancel(cancel);
    return result;
}

int sp_detach(struct sp_task **taskp)
{
    struct sp_task *task = taskp != NULL ? *taskp : NULL;
    int cancel;

    if (task == NULL)
        return 0;
    cancel = guard_forbid_cancel();
    *taskp = NULL;
    check(attached_task() == task);
    control_stop(task);
    if (task->pager_thread_wanted)
        pager_thread_stop(task);
    fault_uninstall(task);
    sp_thread_end(task);
    attached_set(NULL);
    live_trace_end(task, true);
    sites_look(task);
    swapping_tell(task);
    ensure(pager_check(&task->pager) == NULL);
    release(task);
    guard_permit_cancel(cancel);
    return 0;
}
