#include "selfpage/record/blinds.h"

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
    return address & ~(uint64_t)(BLINDS_PAGE - 1);
}

static uint64_t page_end(uint64_t address)
{
    return page_of(address + BLINDS_PAGE - 1);
}

/* ---- The window ---- */

static uint32_t *bucket_of(const struct blinds *blinds, uint64_t page)
{
    uint64_t mixed = (page / BLINDS_PAGE) * 0x9e3779b97f4a7c15ull;

    return &blinds->buckets_plus1[(mixed >> 32) % (blinds->window * BUCKETS_EACH)];
}

static struct blinds_slot *find(const struct blinds *blinds, uint64_t page)
{
    for (uint32_t at = *bucket_of(blinds, page); at != 0; at = blinds->slots[at - 1].next_plus1)
        if (blinds->slots[at - 1].page == page)
            return &blinds->slots[at - 1];
    return NULL;
}

static void unlink_slot(struct blinds *blinds, struct blinds_slot *slot)
{
    uint32_t number = (uint32_t)(slot - blinds->slots) + 1;
    uint32_t *at = bucket_of(blinds, slot->page);

    check(slot->page != 0 && slot->pins == 0);
    while (*at != number)
        at = &blinds->slots[*at - 1].next_plus1;
    *at = slot->next_plus1;
    slot->page = 0;
}

static void link_slot(struct blinds *blinds, struct blinds_slot *slot, uint64_t page)
{
    uint32_t *bucket = bucket_of(blinds, page);

    check(slot->page == 0);
    *slot = (struct blinds_slot){.page = page, .next_plus1 = *bucket};
    *bucket = (uint32_t)(slot - blinds->slots) + 1;
}

/* ---- Regions ---- */

static struct blinds_region *region_at(const struct blinds *blinds, uint64_t address)
{
    size_t low = 0, high = blinds->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (blinds->regions[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < blinds->count && blinds->regions[low].start <= address ? &blinds->regions[low]
                                                                        : NULL;
}

bool blinds_guards(const struct blinds *blinds, uint64_t address)
{
    return region_at(blinds, address) != NULL;
}

/* Put a region at index `at`. */
static int put(struct blinds *blinds, size_t at, struct blinds_region region)
{
    if (blinds->count == blinds->room) {
        size_t room = blinds->room == 0 ? 64 : 2 * blinds->room;
        struct blinds_region *grown = realloc(blinds->regions, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        blinds->regions = grown;
        blinds->room = room;
    }
    memmove(blinds->regions + at + 1, blinds->regions + at, (blinds->count - at) * sizeof(region));
    blinds->regions[at] = region;
    blinds->count++;
    return 0;
}

/* The window has no page of the range any more. */
static void forget_pages(struct blinds *blinds, uint64_t start, uint64_t end)
{
    for (uint32_t i = 0; i < blinds->window; i++) {
        struct blinds_slot *slot = &blinds->slots[i];

        if (slot->page >= start && slot->page < end && slot->page != 0 && slot->pins == 0)
            unlink_slot(blinds, slot);
    }
}

/* Take the range out of all regions. */
static int cut(struct blinds *blinds, uint64_t start, uint64_t end)
{
    for (size_t i = blinds->count; i-- > 0;) {
        struct blinds_region *region = &blinds->regions[i];
        struct blinds_region rest = *region;

        if (region->end <= start || region->start >= end)
            continue;
        rest.start = end;
        if (region->start < start)
            region->end = start;
        else
            memmove(region, region + 1, (--blinds->count - i) * sizeof(*region));
        if (rest.start < rest.end &&
            put(blinds, i + (i < blinds->count && blinds->regions[i].start < start), rest) != 0)
            return -ENOMEM;
    }
    forget_pages(blinds, start, end);
    return 0;
}

static bool is_wanted(const struct blinds *blinds, int rights)
{
    bool code = (rights & PROT_EXEC) != 0;

    return rights != 0 && (blinds->what == BLINDS_ALL || code == (blinds->what == BLINDS_CODE));
}

/* What is mapped there is this from now on. */
static int set(struct blinds *blinds, uint64_t start, uint64_t end, int rights)
{
    size_t at = 0;
    int result = cut(blinds, start, end);

    if (result != 0 || start >= end || !is_wanted(blinds, rights))
        return result;
    while (at < blinds->count && blinds->regions[at].start < start)
        at++;
    return put(blinds, at, (struct blinds_region){start, end, rights});
}

/* ---- Making and copying ---- */

struct blinds *blinds_new(uint64_t number, uint32_t window, enum blinds_what what)
{
    struct blinds *blinds = calloc(1, sizeof(*blinds));

    if (blinds == NULL)
        return NULL;
    *blinds =
        (struct blinds){.number = number,
                        .users = 1,
                        .memory = -1,
                        .what = what,
                        .open = true,
                        .window = window,
                        .slots = calloc(window, sizeof(*blinds->slots)),
                        .buckets_plus1 = calloc((size_t)window * BUCKETS_EACH, sizeof(uint32_t))};
    if (blinds->slots != NULL && blinds->buckets_plus1 != NULL)
        return blinds;
    blinds_leave(blinds);
    return NULL;
}

struct blinds *blinds_copy(const struct blinds *blinds, uint64_t number)
{
    struct blinds *copy = blinds_new(number, blinds->window, blinds->what);

    if (copy == NULL)
        return NULL;
    copy->regions = malloc(blinds->room * sizeof(*copy->regions));
    copy->kept = malloc(blinds->kept_room * sizeof(*copy->kept));
    if ((blinds->room > 0 && copy->regions == NULL) ||
        (blinds->kept_room > 0 && copy->kept == NULL)) {
        blinds_leave(copy);
        return NULL;
    }
    copy->room = blinds->room;
    copy->kept_room = blinds->kept_room;
    copy->count = blinds->count;
    copy->kept_count = blinds->kept_count;
    copy->brk = blinds->brk;
    if (blinds->count > 0)
        memcpy(copy->regions, blinds->regions, blinds->count * sizeof(*copy->regions));
    if (blinds->kept_count > 0)
        memcpy(copy->kept, blinds->kept, blinds->kept_count * sizeof(*copy->kept));
    return copy;
}

void blinds_leave(struct blinds *blinds)
{
    ensure(blinds->users > 0);
    if (--blinds->users > 0)
        return;
    if (blinds->memory >= 0)
        close(blinds->memory);
    free(blinds->regions);
    free(blinds->kept);
    free(blinds->slots);
    free(blinds->buckets_plus1);
    free(blinds);
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

int blinds_look(struct blinds *blinds, pid_t pid, struct sp_error *error)
{
    char path[64], line[4096 + 128];
    uint64_t start, end;
    int rights, result = 0;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    blinds->memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (maps == NULL || blinds->memory < 0)
        result = error_set(error, errno, "cannot read the memory of process %d: %s", (int)pid,
                           strerror(errno));
    while (result == 0 && fgets(line, sizeof(line), maps) != NULL)
        if (parse_line(line, &start, &end, &rights) && set(blinds, start, end, rights) != 0)
            result = error_set(error, ENOMEM, "no memory for what process %d has mapped", (int)pid);
    if (maps != NULL)
        fclose(maps);
    return result;
}

/* ---- Opening and closing ---- */

static bool is_kept(const struct blinds *blinds, uint64_t page)
{
    const struct blinds_slot *slot = find(blinds, page);

    if (slot != NULL && slot->pins > 0)
        return true;
    for (size_t i = 0; i < blinds->kept_count; i++)
        if (blinds->kept[i] == page)
            return true;
    return false;
}

/* The first page from `start` on that may not be closed now; `end` if there is none before. */
static uint64_t next_kept(const struct blinds *blinds, uint64_t start, uint64_t end)
{
    uint64_t least = end;

    for (size_t i = 0; i < blinds->kept_count; i++)
        if (blinds->kept[i] >= start && blinds->kept[i] < least)
            least = blinds->kept[i];
    for (uint32_t i = 0; blinds->pinned > 0 && i < blinds->window; i++)
        if (blinds->slots[i].pins > 0 && blinds->slots[i].page >= start &&
            blinds->slots[i].page < least)
            least = blinds->slots[i].page;
    return least;
}

/* Close what may be closed of a range. Returns 0, -ESRCH, or another negative errno: it cannot be. */
static int close_range_of(struct blinds *blinds, struct tracee *tracee, uint64_t start,
                          uint64_t end)
{
    while (start < end) {
        uint64_t until = next_kept(blinds, start, end);
        int result = until > start ? tracee_protect(tracee, start, until - start, PROT_NONE) : 0;

        if (result != 0)
            return result;
        start = until + (until < end ? BLINDS_PAGE : 0);
    }
    return 0;
}

int blinds_open(struct blinds *blinds, struct tracee *tracee)
{
    if (blinds->open)
        return 0;
    blinds->open = true;
    blinds->changes++;
    for (size_t i = 0; i < blinds->count; i++) {
        const struct blinds_region *region = &blinds->regions[i];

        if (tracee_protect(tracee, region->start, region->end - region->start, region->rights) ==
            -ESRCH)
            return -ESRCH;
    }
    return 0;
}

int blinds_close(struct blinds *blinds, struct tracee *tracee)
{
    if (!blinds->open)
        return 0;
    blinds->open = false;
    blinds->changes++;
    forget_pages(blinds, 0, UINT64_MAX);
    for (size_t i = blinds->count; i-- > 0;) {
        struct blinds_region region = blinds->regions[i];
        int result = close_range_of(blinds, tracee, region.start, region.end);

        if (result == -ESRCH)
            return result;
        if (result != 0) { /* nothing that can be closed, such as huge pages */
            tracee_protect(tracee, region.start, region.end - region.start, region.rights);
            if (cut(blinds, region.start, region.end) != 0)
                return -ESRCH;
        }
    }
    return 0;
}

/* A free slot of the window: the page that came first leaves it. NULL: calls use all of them. */
static struct blinds_slot *free_slot(struct blinds *blinds, struct tracee *tracee, int *result)
{
    for (uint32_t tried = 0; tried < blinds->window; tried++) {
        struct blinds_slot *slot = &blinds->slots[blinds->hand];

        blinds->hand = (blinds->hand + 1) % blinds->window;
        if (slot->pins > 0)
            continue;
        *result = 0;
        if (slot->page != 0) {
            uint64_t page = slot->page;

            unlink_slot(blinds, slot);
            if (!blinds->open && !is_kept(blinds, page))
                *result = tracee_protect(tracee, page, BLINDS_PAGE, PROT_NONE);
        }
        return slot;
    }
    *result = -ENOSPC;
    return NULL;
}

/* What a page is opened for first. */
static int readable(const struct blinds_region *region)
{
    int rights = region->rights & ~PROT_WRITE;

    return rights != 0 ? rights : PROT_READ;
}

/* Open a page that is closed. */
static int open_page(struct blinds *blinds, struct tracee *tracee, uint64_t page, int rights,
                     struct blinds_slot **slotp)
{
    int result;
    struct blinds_slot *slot = free_slot(blinds, tracee, &result);

    if (slot == NULL || result == -ESRCH)
        return result;
    link_slot(blinds, slot, page);
    slot->written = (rights & PROT_WRITE) != 0;
    blinds->changes++;
    *slotp = slot;
    return blinds->open ? 0 : tracee_protect(tracee, page, BLINDS_PAGE, rights);
}

int blinds_fault(struct blinds *blinds, struct tracee *tracee, uint64_t address)
{
    const struct blinds_region *region = region_at(blinds, address);
    uint64_t page = page_of(address);
    struct blinds_slot *slot = find(blinds, page);

    if (region == NULL)
        return BLINDS_FOREIGN;
    if (blinds->open || is_kept(blinds, page))
        return BLINDS_REPEAT;
    if (slot == NULL)
        return open_page(blinds, tracee, page, readable(region), &slot) == 0 ? BLINDS_OPENED
                                                                             : -ESRCH;
    if (slot->written || (region->rights & PROT_WRITE) == 0)
        return BLINDS_REPEAT;
    slot->written = true;
    blinds->changes++;
    return tracee_protect(tracee, page, BLINDS_PAGE, region->rights) == 0 ? BLINDS_WRITABLE
                                                                          : -ESRCH;
}

bool blinds_needs(const struct blinds *blinds, uint64_t page, bool writes)
{
    const struct blinds_region *region = region_at(blinds, page);
    const struct blinds_slot *slot = find(blinds, page);

    if (region == NULL || blinds->open)
        return false;
    if (slot == NULL)
        return !is_kept(blinds, page);
    return writes && !slot->written && (region->rights & PROT_WRITE) != 0;
}

int blinds_pin(struct blinds *blinds, struct tracee *tracee, uint64_t page, bool writes)
{
    const struct blinds_region *region = region_at(blinds, page);
    bool needs = blinds_needs(blinds, page, writes);
    struct blinds_slot *slot = find(blinds, page);
    int result = 0;

    if (region == NULL || (slot == NULL && is_kept(blinds, page)))
        return 0;
    if (slot == NULL && blinds->pinned >= blinds->window / 2)
        return -ENOSPC;
    if (slot == NULL) {
        result = open_page(blinds, tracee, page, writes ? region->rights : readable(region), &slot);
    } else if (needs) {
        slot->written = true;
        result = tracee_protect(tracee, page, BLINDS_PAGE, region->rights);
    }
    if (result == -ESRCH || slot == NULL)
        return result;
    blinds->pinned += slot->pins++ == 0;
    return needs;
}

void blinds_unpin(struct blinds *blinds, uint64_t page)
{
    struct blinds_slot *slot = find(blinds, page);

    if (slot == NULL || slot->pins == 0)
        return; /* it was unmapped meanwhile */
    blinds->pinned -= --slot->pins == 0;
}

int blinds_keep(struct blinds *blinds, struct tracee *tracee, uint64_t page)
{
    const struct blinds_region *region = region_at(blinds, page);

    if (region == NULL || is_kept(blinds, page))
        return 0;
    if (blinds->kept_count == blinds->kept_room) {
        size_t room = blinds->kept_room == 0 ? 16 : 2 * blinds->kept_room;
        uint64_t *grown = realloc(blinds->kept, room * sizeof(*grown));

        if (grown == NULL)
            return -ESRCH;
        blinds->kept = grown;
        blinds->kept_room = room;
    }
    blinds->kept[blinds->kept_count++] = page;
    return blinds->open ? 0 : tracee_protect(tracee, page, BLINDS_PAGE, region->rights);
}

/* ---- Mapping ---- */

/* Close what has just been mapped, unless all is open. */
static int mapped(struct blinds *blinds, struct tracee *tracee, uint64_t start, uint64_t end,
                  int rights)
{
    int result = set(blinds, start, end, rights);

    if (result != 0)
        return -ESRCH;
    if (blinds->open || !is_wanted(blinds, rights))
        return 0;
    result = close_range_of(blinds, tracee, start, end);
    if (result == 0 || result == -ESRCH)
        return result;
    return cut(blinds, start, end) == 0 ? 0 : -ESRCH;
}

static int moved_brk(struct blinds *blinds, struct tracee *tracee, uint64_t brk)
{
    uint64_t before = blinds->brk == 0 ? page_end(brk) : page_end(blinds->brk);

    blinds->brk = brk;
    if (page_end(brk) < before)
        return cut(blinds, page_end(brk), before) == 0 ? 0 : -ESRCH;
    return page_end(brk) > before
               ? mapped(blinds, tracee, before, page_end(brk), PROT_READ | PROT_WRITE)
               : 0;
}

int blinds_mapped(struct blinds *blinds, struct tracee *tracee, const struct tracee_call *call)
{
    uint64_t start = call->args[0], end = page_end(call->args[0] + call->args[1]);

    if (call->result < 0 && call->result > -4096)
        return 0;
    blinds->changes++;
    switch (call->number) {
    case SYS_mmap:
        start = (uint64_t)call->result;
        return mapped(blinds, tracee, start, page_end(start + call->args[1]), (int)call->args[2]);
    case SYS_munmap:
        return cut(blinds, start, end) == 0 ? 0 : -ESRCH;
    case SYS_mprotect:
        return mapped(blinds, tracee, start, end, (int)call->args[2]);
    case SYS_brk:
        return moved_brk(blinds, tracee, (uint64_t)call->result);
    default:
        return 0;
    }
}
