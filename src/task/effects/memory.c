/* The task's addresses: managed memory, in which all regions lie, reserved without access, and a window
 * on each extent through which the library fills frames before anybody else sees them. */
#include "task/effects/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/state/end.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND                                           0
#define VALGRIND_MAKE_MEM_DEFINED(address, size)                      ((void)0)
#define VALGRIND_DISABLE_ADDR_ERROR_REPORTING_IN_RANGE(address, size) ((void)0)
#define VALGRIND_ENABLE_ADDR_ERROR_REPORTING_IN_RANGE(address, size)  ((void)0)
#endif

/* Valgrind keeps a table of 30,000 mappings, and uses some itself. */
#define VALGRIND_MAP_LIMIT 22000u

/* Mappings left to the rest of the program. */
#define MAPS_FOR_OTHERS 2048u

/* Mapping over managed pages is not an access to them. ThreadSanitizer takes a call of mmap for one,
 * and would report a race with every thread that touches them. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MMAP_IS_ACCESS 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define MMAP_IS_ACCESS 1
#endif

void *memory_address(const struct sp_task *task, sp_page page)
{
    check(units_base(task, page) <= task->arena_pages);
    return task->managed + (size_t)page * unit_bytes(task);
}

static void *map_over(const struct sp_task *task, sp_page page, uint32_t count, int protection,
                      int flags, int fd, off_t offset)
{
    void *address = memory_address(task, page);
    size_t bytes = count * unit_bytes(task);
#if defined(MMAP_IS_ACCESS)
    long mapped = syscall(SYS_mmap, address, bytes, protection, flags | MAP_FIXED, fd, offset);

    check(page < task->pager.config.pages);
    return mapped == -1 ? MAP_FAILED : address;
#else
    return mmap(address, bytes, protection, flags | MAP_FIXED, fd, offset);
#endif
}

static size_t managed_size(const struct sp_task *task)
{
    check(task->arena_pages <= SIZE_MAX / SP_PAGE_SIZE);
    return (size_t)task->arena_pages * SP_PAGE_SIZE;
}

int memory_window_reserve(struct sp_task *task, struct sp_error *error)
{
    void *managed = mmap(NULL, managed_size(task), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    check(task->managed == NULL);
    if (managed == MAP_FAILED)
        return error_set(error, errno,
                         "cannot reserve addresses for %u pages: %s (lower max_pages, or raise the "
                         "limit of address space, ulimit -v%s)",
                         task->arena_pages, strerror(errno),
                         errno == EAGAIN ? ", or, with mlockall, of locked memory, ulimit -l" : "");
    task->managed = managed;
    /* Memcheck must not take what faults for an error of the program; nor while one thread has just
     * unmapped a page, and another one has its turn before memory_unmap can say so. */
    VALGRIND_MAKE_MEM_DEFINED(managed, managed_size(task));
    VALGRIND_DISABLE_ADDR_ERROR_REPORTING_IN_RANGE(managed, managed_size(task));
    return 0;
}

void memory_release(struct sp_task *task)
{
    if (task->managed != NULL) {
        VALGRIND_ENABLE_ADDR_ERROR_REPORTING_IN_RANGE(task->managed, managed_size(task));
        munmap(task->managed, managed_size(task));
    }
    for (uint32_t i = 0; i < task->extents_max; i++)
        if (task->extents[i].window != NULL)
            munmap(task->extents[i].window, (size_t)task->extent_pages * SP_PAGE_SIZE);
    task->managed = NULL;
}

void *memory_window(const struct sp_task *task, uint32_t slot)
{
    uint32_t first = units_base(task, slot);

    check(first / task->extent_pages < task->extents_max);
    return task->extents[first / task->extent_pages].window +
           (size_t)(first % task->extent_pages) * SP_PAGE_SIZE;
}

bool memory_is_window(const struct sp_task *task, const void *address)
{
    size_t size = (size_t)task->extent_pages * SP_PAGE_SIZE;

    check(task->extents != NULL || task->extents_max == 0);
    for (uint32_t i = 0; i < task->extents_max; i++)
        if (task->extents[i].window != NULL &&
            (uintptr_t)address - (uintptr_t)task->extents[i].window < size)
            return true;
    return false;
}

static int kernel_protection(uint8_t protection)
{
    check((protection & ~(PAGE_READ | PAGE_WRITE)) == 0);
    return ((protection & PAGE_READ) != 0 ? PROT_READ : 0) |
           ((protection & PAGE_WRITE) != 0 ? PROT_WRITE : 0);
}

/* Without the descriptor of the extent: a second mapping of what its window maps. */
static __attribute__((noinline)) void *
map_from_window(const struct sp_task *task, const struct pager_effect *effect, uint32_t count)
{
    void *address = memory_address(task, effect->page);
    size_t bytes = count * unit_bytes(task);
    void *mapped =
        mremap(memory_window(task, effect->slot), 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address);

    check(task->extents[units_base(task, effect->slot) / task->extent_pages].known);
    if (mapped == MAP_FAILED || effect->protection == (PAGE_READ | PAGE_WRITE) ||
        mprotect(address, bytes, kernel_protection(effect->protection)) == 0)
        return mapped;
    return MAP_FAILED;
}

/* Such pages enter the page table with their mapping, which spares them a page fault: one page is mapped since the
 * program touches it, and pages that are mapped together for writing are about to be written. */
static inline bool is_used_at_once(const struct pager_effect *effect, uint32_t count)
{
    check(count > 0);
    return (count == 1 && effect->protection != 0) || (effect->protection & PAGE_WRITE) != 0;
}

static inline void *map_frames(const struct sp_task *task, const struct pager_effect *effect,
                               uint32_t count)
{
    uint32_t slot = units_base(task, effect->slot);
    const struct task_extent *extent = &task->extents[slot / task->extent_pages];
    off_t offset = (off_t)(slot % task->extent_pages) * SP_PAGE_SIZE;

    check(slot / task->extent_pages < task->extents_max && extent->known);
    if (extent->fd < 0)
        return map_from_window(task, effect, count);
    return map_over(task, effect->page, count, kernel_protection(effect->protection),
                    is_used_at_once(effect, count) ? MAP_SHARED | MAP_POPULATE : MAP_SHARED,
                    extent->fd, offset);
}

/* The kernel refuses a mapping: end the process, unless the cause is too many mappings. */
static __attribute__((noinline)) void map_failed(struct sp_task *task,
                                                 const struct pager_effect *effect)
{
    check(errno != 0);
    if (errno == EBADF)
        end_closed(task);
    if (errno != ENOMEM)
        say_and_die(task, "cannot map a frame: %s%s", strerror(errno),
                    errno == EAGAIN
                        ? " (raise the limit of locked memory, ulimit -l, or do without "
                          "mlockall)"
                        : "");
    if (task->pager.stats->map_limited == 0)
        say(task,
            "the kernel's limit of mappings (vm.max_map_count) is reached with %u in "
            "managed memory: pages are unmapped to stay below it",
            task->pager.maps);
    pager_mapping_failed(&task->pager, effect->page);
}

/* Where there are not mappings for all in one go, there may be some one by one. */
static __attribute__((noinline)) void map_each(struct sp_task *task,
                                               const struct pager_effect *effect, uint32_t count)
{
    struct pager_effect one = *effect;

    for (uint32_t i = 0; i < count; i++, one.page++, one.slot++)
        if (map_frames(task, &one, 1) == MAP_FAILED)
            map_failed(task, &one);
}

/* ---- Early ---- */

void memory_map_early(const struct sp_task *task, sp_page page, uint32_t slot,
                      struct task_early *early)
{
    const struct pager_effect effect = {.kind = EFFECT_MAP, .page = page, .slot = slot};
    const struct task_extent *extent = &task->extents[units_base(task, slot) / task->extent_pages];

    check(!hold_is_ours() && extent->known);
    *early = (struct task_early){.page = page, .slot = slot, .extent = extent->number};
    /* A mapping that is made from a window has its rights for a moment. */
    early->made = extent->fd >= 0 && map_frames(task, &effect, 1) != MAP_FAILED;
}

void memory_early_begin(struct sp_task *task, struct task_early *early)
{
    ensure(hold_is_ours() && task->early == NULL);
    task->early = early;
}

void memory_early_end(struct sp_task *task)
{
    struct task_early *early = task->early;

    ensure(hold_is_ours() && early != NULL);
    task->early = NULL;
    if (early->made)
        memory_unmap(task, early->page, 1);
}

/* Put the page into the page table, where the kernel can (Linux 5.14): else its next touch does. */
static void populate(const struct sp_task *task, const struct pager_effect *effect)
{
    bool writes = (effect->protection & PAGE_WRITE) != 0;

    check(effect->protection != 0);
    if (madvise(memory_address(task, effect->page), unit_bytes(task),
                writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) != 0)
        return;
}

/* Give rights to the mapping that is there. False: there is none of this frame. */
static __attribute__((noinline)) bool map_rest(struct sp_task *task,
                                               const struct pager_effect *effect, uint32_t count)
{
    struct task_early *early = task->early;
    uint32_t extent = units_base(task, effect->slot) / task->extent_pages;

    check(hold_is_ours() && early != NULL);
    if (!early->made || count != 1 || effect->page != early->page)
        return false;
    /* What the page is mapped to from now on is what the effect says. */
    early->made = false;
    if (effect->slot != early->slot || task->extents[extent].number != early->extent ||
        mprotect(memory_address(task, effect->page), unit_bytes(task),
                 kernel_protection(effect->protection)) != 0)
        return false;
    populate(task, effect);
    return true;
}

void memory_map(struct sp_task *task, const struct pager_effect *effect, uint32_t count)
{
    check(hold_is_ours() && count > 0 && effect->page < task->pager.config.pages);
    if (task->early != NULL && map_rest(task, effect, count))
        return;
    if (map_frames(task, effect, count) == MAP_FAILED)
        map_each(task, effect, count);
}

/* Linux lets the last mapping go one beyond its limit, and from then on refuses every mmap, even one
 * that would make fewer mappings of it; but not munmap. Should another thread get the address in
 * between, that is noticed. */
static bool unmap_beyond_limit(const struct sp_task *task, sp_page page, uint32_t count)
{
    void *address = memory_address(task, page);
    size_t bytes = count * unit_bytes(task);

    check(page < task->pager.config.pages);
    return munmap(address, bytes) == 0 &&
           mmap(address, bytes, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                0) == address;
}

void memory_unmap(struct sp_task *task, sp_page page, uint32_t count)
{
    void *address = memory_address(task, page);

    check((hold_is_ours() || task->pager.config.evicts_apart) && count > 0);
    if (map_over(task, page, count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                 0) == MAP_FAILED &&
        (errno != ENOMEM || !unmap_beyond_limit(task, page, count)))
        say_and_die(task, "cannot unmap a page: %s (is vm.max_map_count reached?)",
                    strerror(errno));
    VALGRIND_MAKE_MEM_DEFINED(address, count * unit_bytes(task));
}

void memory_protect(struct sp_task *task, const struct pager_effect *effect, uint32_t count)
{
    void *address = memory_address(task, effect->page);
    size_t bytes = count * unit_bytes(task);

    check(hold_is_ours() && count > 0);
    if (mprotect(address, bytes, kernel_protection(effect->protection)) != 0)
        say_and_die(task, "cannot protect a page: %s (is vm.max_map_count reached?)",
                    strerror(errno));
    VALGRIND_MAKE_MEM_DEFINED(address, bytes);
}

void memory_clear(struct sp_task *task, uint32_t slot)
{
    check(hold_is_ours());
    memset(memory_window(task, slot), 0, unit_bytes(task));
}

uint32_t memory_map_limit(void)
{
    unsigned long limit = 65530;
    unsigned long used = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    int c;

    if (file != NULL) {
        if (fscanf(file, "%lu", &limit) != 1)
            limit = 65530;
        fclose(file);
    }
    file = fopen("/proc/self/maps", "re");
    if (file != NULL) {
        while ((c = getc(file)) != EOF)
            used += c == '\n';
        fclose(file);
    }
    if (RUNNING_ON_VALGRIND && limit > VALGRIND_MAP_LIMIT)
        limit = VALGRIND_MAP_LIMIT;
    if (limit > INT32_MAX)
        limit = INT32_MAX;
    return limit > used + 2 * MAPS_FOR_OTHERS ? (uint32_t)(limit - used - MAPS_FOR_OTHERS)
                                              : MAPS_FOR_OTHERS / 2;
}
