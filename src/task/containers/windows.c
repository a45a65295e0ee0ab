#include "task/containers/windows.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/containers/book.h"
#include "task/containers/window_table.h"
#include "task/state/end.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/known.h"
#include "task/state/say.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size)                      ((void)0)
#define VALGRIND_DISABLE_ADDR_ERROR_REPORTING_IN_RANGE(address, size) ((void)0)
#define VALGRIND_ENABLE_ADDR_ERROR_REPORTING_IN_RANGE(address, size)  ((void)0)
#endif

/* Pages that one read fault brings in. */
#define AROUND 16u

/* How long to wait between attempts while somebody has the container locked. */
#define LOCKED_PAUSE_NS 1000000

/* How often to look whether pages of a window that ends are stored: some seconds in all. */
#define CLOSE_ATTEMPTS 5000u

/* An access that fails so many times in a row although its page is mapped is not to be repaired. */
#define REPEATS_MOST 1000u

void windows_taken(struct sp_task *task, uint32_t container, const struct wire_range *slots)
{
    check(hold_is_ours());
    task->windows_changed++;
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        struct wire_range part = window_table_part(&task->window[i], container, slots);

        if (part.count > 0)
            window_table_hide(task, &task->window[i], part.start, part.count);
    }
}

/* ---- Bringing pages in ---- */

/* Some pages of a window, as it was when they were asked for. */
struct wanted {
    struct task_window window; /* a copy */
    uint32_t page;
    uint32_t count;
    uint8_t access; /* WIRE_ACCESS_* */
};

/* Pages of a window are mapped. One that can be written may not be as it was filled any more. */
static void note_mapped(struct task_window *window, uint32_t page, uint32_t count, bool writable)
{
    check(page + count <= window->pages);
    for (; count > 0; page++, count--) {
        window->mapped[page] |= writable ? PAGE_READ | PAGE_WRITE : PAGE_READ;
        if (writable)
            window_table_set_filled(window, page, false);
    }
}

/* Map what physmem has answered. False if the window has gone. The lock is held. */
static bool map_items(struct sp_task *task, const struct wanted *wanted,
                      const struct wire_message *reply)
{
    check(hold_is_ours() && wanted->count > 0);
    struct task_window *window = window_table_find(task, wanted->window.address);
    uint32_t slot = wanted->window.first + wanted->page;

    if (window == NULL || window->address != wanted->window.address ||
        window->container != wanted->window.container)
        return false;
    for (uint16_t i = 0; i < reply->mapped.items_count; i++) {
        const struct wire_map *item = &reply->mapped.items[i];
        int fd = known_find(task, item->extent);
        uint32_t page = item->slot - window->first;

        if (item->slot < slot || item->count > wanted->count - (item->slot - slot) || fd < 0)
            say_and_die(task, "physmem mapped slots of a container that were not asked for, or "
                              "without their descriptor");
        if (mmap(window->address + window_table_bytes(page), window_table_bytes(item->count),
                 PROT_READ | (item->rights >= WIRE_RIGHT_WRITE ? PROT_WRITE : 0),
                 MAP_SHARED | MAP_FIXED, fd, (off_t)window_table_bytes(item->offset)) == MAP_FAILED)
            say_and_die(task, "cannot map pages of a container: %s", strerror(errno));
        note_mapped(window, page, item->count, item->rights >= WIRE_RIGHT_WRITE);
    }
    return true;
}

/* Whether a thread fills, or takes frames from, some of the pages, or has taken them. The lock is held. */
static bool is_busy(struct sp_task *task, const struct wanted *wanted)
{
    const struct task_window *window = window_table_find(task, wanted->window.address);
    bool busy = false;

    check(wanted->count > 0);
    if (window == NULL || window->address != wanted->window.address ||
        window->pages < wanted->page + wanted->count)
        return false;
    for (uint32_t i = 0; i < wanted->count; i++)
        busy |= (window->mapped[wanted->page + i] & WINDOW_BUSY) != 0 ||
                window_table_is_hole(task, window, wanted->page + i);
    return busy;
}

/* Ask physmem for pages of a window, and map them. If pages of windows are hidden, or become busy,
 * in the meantime, the answer may be out of date: ask again. Returns how many from the first came,
 * or a negative errno; -EAGAIN: some are busy, look again. A function of its own: the message is on
 * a short stack. */
static __attribute__((noinline)) int bring(struct sp_task *task, const struct wanted *wanted)
{
    struct wire_message message;
    uint32_t changed;
    bool settled, busy;
    int brought = 0;

    check(!hold_is_ours() && wanted->count > 0);
    do {
        memset(&message, 0, sizeof(message));
        message.type = WIRE_MAP;
        message.map.container = wanted->window.container;
        message.map.start = wanted->window.first + wanted->page;
        message.map.count = wanted->count;
        message.map.rights = wanted->access;
        hold_take(task);
        changed = task->windows_changed;
        busy = is_busy(task, wanted);
        hold_release(task);
        if (busy)
            return -EAGAIN;
        if (channel_ask(&task->physmem, &message, -1, &message) != 0)
            end_physmem_gone(task);
        hold_take(task);
        settled = task->windows_changed == changed;
        if (settled && message.error == 0 && map_items(task, wanted, &message))
            for (uint16_t i = 0; i < message.mapped.items_count; i++)
                brought += (int)message.mapped.items[i].count;
        hold_release(task);
        /* A page that had no frame when physmem looked may have come back since. */
        if (message.error != 0 && (settled || message.error != ENOENT))
            return -(int)message.error;
    } while (!settled);
    return brought;
}

/* ---- Opening and closing ---- */

/* Enter a window of pages that are not mapped. NULL: there are too many. */
static struct task_window *enter(struct sp_task *task, const struct task_window *like)
{
    struct task_window *window;

    hold_take(task);
    window = window_table_unused(task);
    if (window != NULL)
        *window = *like;
    hold_release(task);
    check(window == NULL || like->address != NULL);
    return window;
}

static void free_window(const struct task_window *window)
{
    check(window->address == NULL || window->pages > 0);
    if (window->address != NULL) {
        VALGRIND_ENABLE_ADDR_ERROR_REPORTING_IN_RANGE(window->address,
                                                      window_table_bytes(window->pages));
        munmap(window->address, window_table_bytes(window->pages));
    }
    if (window->mapped != NULL)
        munmap(window->mapped, window->pages);
    if (window->stored != NULL)
        munmap(window->stored, window->pages * sizeof(*window->stored));
}

/* Memory for what is known of a window's pages; it costs nothing before it is used. NULL: there is none. */
static void *book_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(bytes > 0);
    return memory != MAP_FAILED ? memory : NULL;
}

/* Bring in all that can be, now. Returns 0, or why the first page does not come. */
static int fill(struct sp_task *task, const struct task_window *window)
{
    struct wanted wanted = {.window = *window,
                            .access = window->writable ? WIRE_ACCESS_BOTH : WIRE_ACCESS_READ};

    while (wanted.page < window->pages) {
        int came;

        wanted.count = window->pages - wanted.page;
        came = bring(task, &wanted);
        if (came <= 0)
            return wanted.page == 0 && came < 0 ? came : 0;
        wanted.page += (uint32_t)came;
    }
    check(wanted.page == window->pages);
    return 0;
}

/* Find addresses for a window, and enter it. Returns 0 or a negative errno. */
static int open_window(struct sp_task *task, struct task_window *window, struct sp_error *error)
{
    void *address = mmap(NULL, window_table_bytes(window->pages), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    check(!hold_is_ours() && window->pages > 0);
    window->address = address != MAP_FAILED ? address : NULL;
    window->mapped = book_memory(window->pages);
    window->stored = window->swaps ? book_memory(window->pages * sizeof(*window->stored)) : NULL;
    if (window->address == NULL || window->mapped == NULL ||
        (window->swaps && window->stored == NULL)) {
        free_window(window);
        return error_set(error, ENOMEM, "no addresses for %u pages of a container", window->pages);
    }
    /* Memcheck must not take what faults for an error of the program (see memory_window_reserve). */
    VALGRIND_MAKE_MEM_DEFINED(window->address, window_table_bytes(window->pages));
    VALGRIND_DISABLE_ADDR_ERROR_REPORTING_IN_RANGE(window->address,
                                                   window_table_bytes(window->pages));
    if (enter(task, window) == NULL) {
        free_window(window);
        return error_set(error, EMFILE, "%u mappings of containers exist already", TASK_WINDOWS);
    }
    return 0;
}

int windows_open(struct sp_task *task, const struct task_window *like, void **addressp,
                 struct sp_error *error)
{
    struct task_window window = *like;
    int result = open_window(task, &window, error);

    check(window.container != 0);
    if (result == 0)
        *addressp = window.address;
    return result;
}

int windows_open_filled(struct sp_task *task, const struct task_window *like, void **addressp,
                        struct sp_error *error)
{
    struct task_window window = *like;
    int result = open_window(task, &window, error);

    check(!window_table_fills(&window));
    if (result != 0)
        return result;
    result = fill(task, &window);
    if (result != 0) {
        windows_close(task, window.address, NULL);
        return error_set(error, -result, "cannot map slot %u of the container: %s", window.first,
                         strerror(-result));
    }
    *addressp = window.address;
    return 0;
}

bool windows_any(struct sp_task *task, uint32_t container)
{
    bool any = false;

    check(container != 0);
    hold_take(task);
    for (uint32_t i = 0; i < TASK_WINDOWS; i++)
        any |= task->window[i].address != NULL && task->window[i].container == container;
    hold_release(task);
    return any;
}

/* ---- Giving rights up ---- */

/* The next run of mapped pages of a part of a window; they are hidden. Its count is 0 if there is
 * none. */
static struct wire_range hide_run(struct sp_task *task, const struct task_window *window,
                                  struct wire_range part)
{
    uint32_t page = part.start;
    uint32_t end = part.start + part.count;
    uint32_t first;

    check(end <= window->pages);
    while (page < end && (window->mapped[page] & PAGE_READ) == 0)
        page++;
    first = page;
    while (page < end && (window->mapped[page] & PAGE_READ) != 0)
        page++;
    if (page > first)
        window_table_hide(task, window, first, page - first);
    return (struct wire_range){first, page - first};
}

/* Hide mapped pages that show slots of a container, as many runs as one message takes. Returns how
 * many; the runs are then the slots. The lock is held. */
static uint16_t hide_some(struct sp_task *task, uint32_t container, const struct wire_range *slots,
                          struct wire_range *runs)
{
    uint16_t count = 0;

    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        const struct task_window *window = &task->window[i];
        struct wire_range part = window_table_part(window, container, slots);
        struct wire_range run;

        while (part.count > 0 && count < WIRE_RANGES) {
            run = hide_run(task, window, part);
            if (run.count == 0)
                break;
            runs[count++] = (struct wire_range){window->first + run.start, run.count};
        }
    }
    check(count <= WIRE_RANGES);
    return count;
}

/* Tell physmem that slots of a container are not mapped. That one is refused, since the container
 * is another task's or gone, does not matter: what wanted the rights given up sees it. */
static void renounce(struct sp_task *task, uint32_t container, struct wire_range slots)
{
    struct wire_message message = {.type = WIRE_UNMAP_OWN};

    check(slots.count > 0);
    message.unmap_own.container = container;
    message.unmap_own.ranges_count = 1;
    message.unmap_own.ranges[0] = slots;
    if (channel_ask(&task->physmem, &message, -1, &message) != 0)
        end_physmem_gone(task);
}

void windows_give_up(struct sp_task *task, uint32_t container, struct wire_range slots, bool all)
{
    struct wire_message message;
    uint16_t count;

    check(!hold_is_ours() && container != 0);
    do {
        message = (struct wire_message){.type = WIRE_UNMAP_OWN};
        message.unmap_own.container = container;
        hold_take(task);
        task->windows_changed++;
        count = hide_some(task, container, &slots, message.unmap_own.ranges);
        hold_release(task);
        message.unmap_own.ranges_count = count;
        /* Two windows may show one slot: physmem refuses no range for that, but a sum beyond the
         * container's slots. The rights then stay in its books, and what wanted them given up gets
         * EBUSY. */
        if (count > 0 && channel_ask(&task->physmem, &message, -1, &message) != 0)
            end_physmem_gone(task);
    } while (count == WIRE_RANGES);
    if (all)
        renounce(task, container, slots);
}

/* Give up some of a window's pages that are in swap, from `page` on; returns the page behind them. A function of its
 * own, for its message. */
static __attribute__((noinline)) uint32_t forget_stored(struct sp_task *task,
                                                        struct task_window *window, uint32_t page)
{
    const struct timespec pause = {.tv_nsec = LOCKED_PAUSE_NS};
    struct wire_message message = {.type = WIRE_SWAP_DROP};
    struct wire_message reply = {.type = WIRE_DONE};
    uint16_t count = 0;

    check(!hold_is_ours());
    for (; page < window->pages && count < WIRE_BATCH; page++)
        if (window->stored[page] != 0)
            message.swap_drop.pages[count++].value = window->stored[page];
    message.swap_drop.pages_count = count;
    while (count > 0) {
        if (channel_ask(&task->physmem, &message, -1, &reply) != 0)
            end_physmem_gone(task);
        if (reply.error != EBUSY)
            break;
        nanosleep(&pause, NULL); /* another thread has something stored, or had back */
    }
    return page;
}

/* Whether pages may be on their way to swap: what number they get there is known when they are. The lock is held. */
static bool may_be_storing(const struct task_window *window)
{
    bool busy = false;

    check(hold_is_ours() && window->pages > 0);
    for (uint32_t page = 0; window->swaps && page < window->pages; page++)
        busy |= (window->mapped[page] & WINDOW_BUSY) != 0;
    return busy;
}

/* A window ends, after other threads have had its pages stored: else nobody would give up what that has cost in swap. */
static void take_out(struct sp_task *task, const void *address)
{
    const struct timespec pause = {.tv_nsec = LOCKED_PAUSE_NS};
    bool waits = true;

    for (uint32_t attempt = 0; waits; attempt++) {
        struct task_window *window;

        hold_take(task);
        window = window_table_find(task, address);
        check(window != NULL && window->address == address);
        waits = attempt < CLOSE_ATTEMPTS && may_be_storing(window);
        if (!waits)
            *window = (struct task_window){.address = NULL};
        hold_release(task);
        if (waits)
            nanosleep(&pause, NULL);
    }
}

int windows_close(struct sp_task *task, const void *address, uint32_t *madep)
{
    struct task_window *window, gone;

    hold_take(task);
    window = window_table_find(task, address);
    gone = window != NULL ? *window : (struct task_window){.address = NULL};
    hold_release(task);
    if (window == NULL || gone.address != address)
        return -EINVAL;
    windows_give_up(task, gone.container, (struct wire_range){gone.first, gone.pages}, false);
    take_out(task, address);
    if (madep != NULL)
        *madep = gone.made ? gone.container : 0;
    for (uint32_t page = 0; gone.swaps && page < gone.pages;)
        page = forget_stored(task, &gone, page);
    free_window(&gone);
    return 0;
}

void windows_release(struct sp_task *task)
{
    check(!hold_is_ours());
    for (uint32_t i = 0; i < TASK_WINDOWS; i++) {
        free_window(&task->window[i]);
        task->window[i] = (struct task_window){.address = NULL};
    }
    check(task->window[0].address == NULL);
}

/* ---- Faults ---- */

/* The last access of this thread that failed although its page was mapped, and how many times. */
static __thread struct {
    void *address;
    uint32_t times;
} repeated __attribute__((tls_model("initial-exec")));

static bool is_stuck(void *address)
{
    check(address != NULL);
    repeated.times = repeated.address == address ? repeated.times + 1 : 0;
    repeated.address = address;
    return repeated.times > REPEATS_MOST;
}

/* What one read fault brings in: the page, and those behind it that are not mapped, unless they are
 * holes. The lock is held. */
static uint32_t count_around(const struct sp_task *task, const struct task_window *window,
                             uint32_t page)
{
    uint32_t count = 1;

    check(page < window->pages);
    while (count < AROUND && page + count < window->pages &&
           (window->mapped[page + count] & (PAGE_READ | WINDOW_BUSY)) == 0 &&
           !window_table_is_hole(task, window, page + count))
        count++;
    return count;
}

/* Look at a fault. *wanted: the pages to bring in (WINDOW_WANTED). An unknown access to a page that
 * can be read is a write. The lock is held. */
static enum window_need look(struct sp_task *task, void *address, bool write, bool unknown,
                             struct wanted *wanted)
{
    const struct task_window *window = window_table_find(task, address);
    uint32_t page;

    check(hold_is_ours());
    if (window == NULL || (write && !window->writable))
        return WINDOW_REFUSED;
    page = (uint32_t)(((uintptr_t)address - (uintptr_t)window->address) / SP_PAGE_SIZE);
    if (window_table_is_hole(task, window, page))
        return WINDOW_HOLE;
    write = write || (unknown && window->writable && (window->mapped[page] & PAGE_READ) != 0);
    if ((window->mapped[page] & (write ? PAGE_WRITE : PAGE_READ)) != 0)
        return is_stuck(address) ? WINDOW_REFUSED : WINDOW_SERVED;
    *wanted = (struct wanted){.window = *window, .page = page, .count = 1};
    wanted->access = write              ? WIRE_ACCESS_FORCE_BOTH
                     : window->writable ? WIRE_ACCESS_BOTH
                                        : WIRE_ACCESS_READ;
    if (!write)
        wanted->count = count_around(task, window, page);
    return WINDOW_WANTED;
}

/* Physmem does not map a page that the task thought to have. One that is as it was filled is a hole
 * from now on; another one may have become a hole since the thread looked. */
static enum window_need lose(struct sp_task *task, const struct wanted *wanted, int error)
{
    struct task_window *window;
    struct book *book;
    bool again = false;

    check(error <= 0);
    hold_take(task);
    window = window_table_find(task, wanted->window.address);
    book = book_find(task, wanted->window.container);
    if (error == -ENOENT && window != NULL && book != NULL && wanted->page < window->pages &&
        (window->mapped[wanted->page] & WINDOW_FILLED) != 0) {
        window_table_set_filled(window, wanted->page, false);
        book_mark(task, book, wanted->window.first + wanted->page, 1, false);
        again = true;
    } else if (error == -ENOENT && window != NULL && wanted->page < window->pages) {
        again = window_table_is_hole(task, window, wanted->page);
    }
    hold_release(task);
    return again ? WINDOW_HOLE : WINDOW_REFUSED;
}

enum window_need windows_fault(struct sp_task *task, void *address, bool write, bool unknown)
{
    const struct timespec pause = {.tv_nsec = LOCKED_PAUSE_NS};
    enum window_need need;
    struct wanted wanted;
    int came;

    check(!hold_is_ours());
    hold_take(task);
    need = look(task, address, write, unknown, &wanted);
    hold_release(task);
    if (need != WINDOW_WANTED)
        return need;
    while ((came = bring(task, &wanted)) == -EBUSY)
        nanosleep(&pause, NULL); /* somebody has locked the container: that ends */
    if (came > 0 || came == -EAGAIN)
        return WINDOW_SERVED;
    need = lose(task, &wanted, came);
    if (need == WINDOW_REFUSED)
        say(task, "slot %u of container %u was touched, and physmem does not map it: %s",
            wanted.window.first + wanted.page, wanted.window.container,
            came == 0         ? "its mapping is gone"
            : came == -ENOENT ? "it has no frame (any more)"
                              : strerror(-came));
    return need;
}

bool windows_cut(struct sp_task *task, void *address)
{
    struct task_window *window;

    check(!hold_is_ours());
    hold_take(task);
    window = window_table_find(task, address);
    if (window != NULL)
        window_table_hide(
            task, window,
            (uint32_t)(((uintptr_t)address - (uintptr_t)window->address) / SP_PAGE_SIZE), 1);
    hold_release(task);
    return window != NULL;
}
