#include "selfpage/record/space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

#define BUCKETS_EACH 4u /* buckets a slot of the window */

static uint64_t page_of(uint64_t address)
{
    return address & ~(uint64_t)(SPACE_PAGE - 1);
}

static uint64_t page_end(uint64_t address)
{
    return page_of(address + SPACE_PAGE - 1);
}

/* ---- The window ---- */

static uint32_t *bucket_of(const struct space *space, uint64_t page)
{
    uint64_t mixed = (page / SPACE_PAGE) * 0x9e3779b97f4a7c15ull;

    return &space->buckets_plus1[(mixed >> 32) % (space->window * BUCKETS_EACH)];
}

static struct space_slot *find(const struct space *space, uint64_t page)
{
    for (uint32_t at = *bucket_of(space, page); at != 0; at = space->slots[at - 1].next_plus1)
        if (space->slots[at - 1].page == page)
            return &space->slots[at - 1];
    return NULL;
}

static void unlink_slot(struct space *space, struct space_slot *slot)
{
    uint32_t number = (uint32_t)(slot - space->slots) + 1;
    uint32_t *at = bucket_of(space, slot->page);

    check(slot->page != 0 && slot->pins == 0);
    while (*at != number)
        at = &space->slots[*at - 1].next_plus1;
    *at = slot->next_plus1;
    slot->page = 0;
}

static void link_slot(struct space *space, struct space_slot *slot, uint64_t page)
{
    uint32_t *bucket = bucket_of(space, page);

    check(slot->page == 0);
    *slot = (struct space_slot){.page = page, .next_plus1 = *bucket};
    *bucket = (uint32_t)(slot - space->slots) + 1;
}

/* ---- Regions ---- */

static struct space_region *region_at(const struct space *space, uint64_t address)
{
    size_t low = 0, high = space->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (space->regions[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < space->count && space->regions[low].start <= address ? &space->regions[low] : NULL;
}

bool space_guards(const struct space *space, uint64_t address)
{
    return region_at(space, address) != NULL;
}

/* Put a region at index `at`. */
static int put(struct space *space, size_t at, struct space_region region)
{
    if (space->count == space->room) {
        size_t room = space->room == 0 ? 64 : 2 * space->room;
        struct space_region *grown = realloc(space->regions, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        space->regions = grown;
        space->room = room;
    }
    memmove(space->regions + at + 1, space->regions + at, (space->count - at) * sizeof(region));
    space->regions[at] = region;
    space->count++;
    return 0;
}

/* The window has no page of the range any more. */
static void forget_pages(struct space *space, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < space->window; i++) {
        struct space_slot *slot = &space->slots[i];

        if (slot->page >= start && slot->page < end && slot->page != 0 && slot->pins == 0)
            unlink_slot(space, slot);
    }
}

/* Take the range out of all regions. */
static int cut(struct space *space, uint64_t start, uint64_t end)
{
    for (size_t i = space->count; i-- > 0;) {
        struct space_region *region = &space->regions[i];
        struct space_region rest = *region;

        if (region->end <= start || region->start >= end)
            continue;
        rest.start = end;
        if (region->start < start)
            region->end = start;
        else
            memmove(region, region + 1, (--space->count - i) * sizeof(*region));
        if (rest.start < rest.end &&
            put(space, i + (i < space->count && space->regions[i].start < start), rest) != 0)
            return -ENOMEM;
    }
    forget_pages(space, start, end);
    return 0;
}

static bool is_wanted(const struct space *space, int rights)
{
    bool code = (rights & PROT_EXEC) != 0;

    return rights != 0 && (space->what == SPACE_ALL || code == (space->what == SPACE_CODE));
}

/* What is mapped there is this from now on. */
static int set(struct space *space, uint64_t start, uint64_t end, int rights)
{
    size_t at = 0;
    int result = cut(space, start, end);

    if (result != 0 || start >= end || !is_wanted(space, rights))
        return result;
    while (at < space->count && space->regions[at].start < start)
        at++;
    return put(space, at, (struct space_region){start, end, rights});
}

/* ---- Making and copying ---- */

struct space *space_new(uint64_t number, uint32_t window, enum space_what what)
{
    struct space *space = calloc(1, sizeof(*space));

    if (space == NULL)
        return NULL;
    *space =
        (struct space){.number = number,
                       .users = 1,
                       .memory = -1,
                       .what = what,
                       .open = true,
                       .window = window,
                       .slots = calloc(window, sizeof(*space->slots)),
                       .buckets_plus1 = calloc((size_t)window * BUCKETS_EACH, sizeof(uint32_t))};
    if (space->slots != NULL && space->buckets_plus1 != NULL)
        return space;
    space_leave(space);
    return NULL;
}

struct space *space_copy(const struct space *space, uint64_t number)
{
    struct space *copy = space_new(number, space->window, space->what);

    if (copy == NULL)
        return NULL;
    copy->regions = malloc(space->room * sizeof(*copy->regions));
    copy->kept = malloc(space->kept_room * sizeof(*copy->kept));
    if ((space->room > 0 && copy->regions == NULL) ||
        (space->kept_room > 0 && copy->kept == NULL)) {
        space_leave(copy);
        return NULL;
    }
    copy->room = space->room;
    copy->kept_room = space->kept_room;
    copy->count = space->count;
    copy->kept_count = space->kept_count;
    copy->brk = space->brk;
    if (space->count > 0)
        memcpy(copy->regions, space->regions, space->count * sizeof(*copy->regions));
    if (space->kept_count > 0)
        memcpy(copy->kept, space->kept, space->kept_count * sizeof(*copy->kept));
    return copy;
}

void space_leave(struct space *space)
{
    ensure(space->users > 0);
    if (--space->users > 0)
        return;
    if (space->memory >= 0)
        close(space->memory);
    free(space->regions);
    free(space->kept);
    free(space->slots);
    free(space->buckets_plus1);
    free(space);
}

/* A line of /proc/PID/maps. Returns false if it is of memory that is never closed. */
static bool parse_line(const char *line, uint64_t *start, uint64_t *end, int *rights)
{
    char letters[8] = "";

    if (sscanf(line, "%lx-%lx %7s", start, end, letters) != 3 || strstr(line, "[stack]") != NULL ||
        strstr(line, "[v") != NULL)
        return false;
    *rights = (letters[0] == 'r' ? PROT_READ : 0) | (letters[1] == 'w' ? PROT_WRITE : 0) |
              (letters[2] == 'x' ? PROT_EXEC : 0);
    return true;
}

int space_look(struct space *space, pid_t pid, struct sp_error *error)
{
    char path[64], line[4096 + 128];
    uint64_t start, end;
    int rights, result = 0;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    space->memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (maps == NULL || space->memory < 0)
        result = error_set(error, errno, "cannot read the memory of process %d: %s", (int)pid,
                           strerror(errno));
    while (result == 0 && fgets(line, sizeof(line), maps) != NULL)
        if (parse_line(line, &start, &end, &rights) && set(space, start, end, rights) != 0)
            result = error_set(error, ENOMEM, "no memory for what process %d has mapped", (int)pid);
    if (maps != NULL)
        fclose(maps);
    return result;
}

/* ---- Opening and closing ---- */

static bool is_kept(const struct space *space, uint64_t page)
{
    const struct space_slot *slot = find(space, page);

    if (slot != NULL && slot->pins > 0)
        return true;
    for (size_t i = 0; i < space->kept_count; i++)
        if (space->kept[i] == page)
            return true;
    return false;
}

/* The first page from `start` on that may not be closed now; `end` if there is none before. */
static uint64_t next_kept(const struct space *space, uint64_t start, uint64_t end)
{
    uint64_t least = end;

    for (size_t i = 0; i < space->kept_count; i++)
        if (space->kept[i] >= start && space->kept[i] < least)
            least = space->kept[i];
    for (uint32_t i = 0; space->pinned > 0 && i < space->window; i++)
        if (space->slots[i].pins > 0 && space->slots[i].page >= start &&
            space->slots[i].page < least)
            least = space->slots[i].page;
    return least;
}

/* Close what may be closed of a range. Returns 0, -ESRCH, or another negative errno: it cannot be. */
static int close_range_of(struct space *space, struct tracee *tracee, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t until = next_kept(space, start, end);
        int result = until > start ? tracee_protect(tracee, start, until - start, PROT_NONE) : 0;

        if (result != 0)
            return result;
        start = until + (until < end ? SPACE_PAGE : 0);
    }
    return 0;
}

int space_open(struct space *space, struct tracee *tracee)
{
    if (space->open)
        return 0;
    space->open = true;
    space->changes++;
    for (size_t i = 0; i < space->count; i++) {
        const struct space_region *region = &space->regions[i];

        if (tracee_protect(tracee, region->start, region->end - region->start, region->rights) ==
            -ESRCH)
            return -ESRCH;
    }
    return 0;
}

int space_close(struct space *space, struct tracee *tracee)
{
    if (!space->open)
        return 0;
    space->open = false;
    space->changes++;
    forget_pages(space, 0, UINT64_MAX);
    for (size_t i = space->count; i-- > 0;) {
        struct space_region region = space->regions[i];
        int result = close_range_of(space, tracee, region.start, region.end);

        if (result == -ESRCH)
            return result;
        if (result != 0) { /* nothing that can be closed, such as huge pages */
            tracee_protect(tracee, region.start, region.end - region.start, region.rights);
            if (cut(space, region.start, region.end) != 0)
                return -ESRCH;
        }
    }
    return 0;
}

/* A free slot of the window: the page that came first leaves it. NULL: calls use all of them. */
static struct space_slot *free_slot(struct space *space, struct tracee *tracee, int *result)
{
    for (uint32_t tried = 0; tried < space->window; tried++) {
        struct space_slot *slot = &space->slots[space->hand];

        space->hand = (space->hand + 1) % space->window;
        if (slot->pins > 0)
            continue;
        *result = 0;
        if (slot->page != 0) {
            uint64_t page = slot->page;

            unlink_slot(space, slot);
            if (!space->open && !is_kept(space, page))
                *result = tracee_protect(tracee, page, SPACE_PAGE, PROT_NONE);
        }
        return slot;
    }
    *result = -ENOSPC;
    return NULL;
}

/* What a page is opened for first. */
static int readable(const struct space_region *region)
{
    int rights = region->rights & ~PROT_WRITE;

    return rights != 0 ? rights : PROT_READ;
}

/* Open a page that is closed. */
static int open_page(struct space *space, struct tracee *tracee, uint64_t page, int rights,
                     struct space_slot **slotp)
{
    int result;
    struct space_slot *slot = free_slot(space, tracee, &result);

    if (slot == NULL || result == -ESRCH)
        return result;
    link_slot(space, slot, page);
    slot->written = (rights & PROT_WRITE) != 0;
    space->changes++;
    *slotp = slot;
    return space->open ? 0 : tracee_protect(tracee, page, SPACE_PAGE, rights);
}

int space_fault(struct space *space, struct tracee *tracee, uint64_t address)
{
    const struct space_region *region = region_at(space, address);
    uint64_t page = page_of(address);
    struct space_slot *slot = find(space, page);

    if (region == NULL)
        return SPACE_FOREIGN;
    if (space->open || is_kept(space, page))
        return SPACE_REPEAT;
    if (slot == NULL)
        return open_page(space, tracee, page, readable(region), &slot) == 0 ? SPACE_OPENED : -ESRCH;
    if (slot->written || (region->rights & PROT_WRITE) == 0)
        return SPACE_REPEAT;
    slot->written = true;
    space->changes++;
    return tracee_protect(tracee, page, SPACE_PAGE, region->rights) == 0 ? SPACE_WRITABLE : -ESRCH;
}

bool space_needs(const struct space *space, uint64_t page, bool writes)
{
    const struct space_region *region = region_at(space, page);
    const struct space_slot *slot = find(space, page);

    if (region == NULL || space->open)
        return false;
    if (slot == NULL)
        return !is_kept(space, page);
    return writes && !slot->written && (region->rights & PROT_WRITE) != 0;
}

int space_pin(struct space *space, struct tracee *tracee, uint64_t page, bool writes)
{
    const struct space_region *region = region_at(space, page);
    bool needs = space_needs(space, page, writes);
    struct space_slot *slot = find(space, page);
    int result = 0;

    if (region == NULL || (slot == NULL && is_kept(space, page)))
        return 0;
    if (slot == NULL && space->pinned >= space->window / 2)
        return -ENOSPC;
    if (slot == NULL) {
        result = open_page(space, tracee, page, writes ? region->rights : readable(region), &slot);
    } else if (needs) {
        slot->written = true;
        result = tracee_protect(tracee, page, SPACE_PAGE, region->rights);
    }
    if (result == -ESRCH || slot == NULL)
        return result;
    space->pinned += slot->pins++ == 0;
    return needs;
}

void space_unpin(struct space *space, uint64_t page)
{
    struct space_slot *slot = find(space, page);

    if (slot == NULL || slot->pins == 0)
        return; /* it was unmapped meanwhile */
    space->pinned -= --slot->pins == 0;
}

int space_keep(struct space *space, struct tracee *tracee, uint64_t page)
{
    const struct space_region *region = region_at(space, page);

    if (region == NULL || is_kept(space, page))
        return 0;
    if (space->kept_count == space->kept_room) {
        size_t room = space->kept_room == 0 ? 16 : 2 * space->kept_room;
        uint64_t *grown = realloc(space->kept, room * sizeof(*grown));

        if (grown == NULL)
            return -ESRCH;
        space->kept = grown;
        space->kept_room = room;
    }
    space->kept[space->kept_count++] = page;
    return space->open ? 0 : tracee_protect(tracee, page, SPACE_PAGE, region->rights);
}

/* ---- Mapping ---- */

/* Close what has just been mapped, unless all is open. */
static int mapped(struct space *space, struct tracee *tracee, uint64_t start, uint64_t end,
                  int rights)
{
    int result = set(space, start, end, rights);

    if (result != 0)
        return -ESRCH;
    if (space->open || !is_wanted(space, rights))
        return 0;
    result = close_range_of(space, tracee, start, end);
    if (result == 0 || result == -ESRCH)
        return result;
    return cut(space, start, end) == 0 ? 0 : -ESRCH;
}

static int moved_brk(struct space *space, struct tracee *tracee, uint64_t brk)
{
    uint64_t before = space->brk == 0 ? page_end(brk) : page_end(space->brk);

    space->brk = brk;
    if (page_end(brk) < before)
        return cut(space, page_end(brk), before) == 0 ? 0 : -ESRCH;
    return page_end(brk) > before
               ? mapped(space, tracee, before, page_end(brk), PROT_READ | PROT_WRITE)
               : 0;
}

int space_mapped(struct space *space, struct tracee *tracee, const struct tracee_call *call)
{
    uint64_t start = call->args[0], end = page_end(call->args[0] + call->args[1]);

    if (call->result < 0 && call->result > -4096)
        return 0;
    space->changes++;
    switch (call->number) {
    case SYS_mmap:
        start = (uint64_t)call->result;
        return mapped(space, tracee, start, page_end(start + call->args[1]), (int)call->args[2]);
    case SYS_munmap:
        return cut(space, start, end) == 0 ? 0 : -ESRCH;
    case SYS_mprotect:
        return mapped(space, tracee, start, end, (int)call->args[2]);
    case SYS_brk:
        return moved_brk(space, tracee, (uint64_t)call->result);
    default:
        return 0;
    }
}
