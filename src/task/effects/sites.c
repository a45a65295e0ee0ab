#include "task/effects/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/descriptor.h"
#include "os/unlocked.h"
#include "task/effects/memory.h"
#include "task/effects/site_hints.h"
#include "task/effects/site_objects.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/units.h"

struct sites {
    struct fault_table *table;
    struct site_hints *hints; /* NULL: none */
    int fd;                   /* -1: the table is in no file */
    bool missing;             /* an instruction lies in a file that is not known */
    struct fault_site *last;  /* the one that faulted last */
};

/* ---- Beginning ---- */

/* The file that SELFPAGE_FAULTS names, or a new one in the directory that it names. */
static int name_file(const struct sp_task *task, const char *path, char *file, size_t size,
                     struct sp_error *error)
{
    struct stat info;
    bool directory = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    int length = snprintf(file, size, directory ? "%s/%s-%ld.faults" : "%s", path, task->name,
                          (long)getpid());

    check(length > 0);
    if (length >= (int)size || (directory && strchr(task->name, '/') != NULL))
        return error_set(
            error, EINVAL,
            "SELFPAGE_FAULTS: the path is too long, or the task's name is none for a file");
    return 0;
}

static int open_file(struct sites *sites, const char *file, struct sp_error *error)
{
    struct stat info;

    check(file[0] != '\0');
    sites->fd = descriptor_raise(open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666));
    if (sites->fd < 0)
        return error_set(error, errno, "SELFPAGE_FAULTS: cannot write %.150s: %s", file,
                         strerror(errno));
    if (fstat(sites->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return error_set(error, EINVAL, "SELFPAGE_FAULTS: %.150s is no regular file", file);
    if (flock(sites->fd, LOCK_EX | LOCK_NB) != 0)
        return error_set(error, EBUSY,
                         "SELFPAGE_FAULTS: another task writes %.150s: name a directory, and each "
                         "task has a file of its own",
                         file);
    /* All of it is given room now: a full disk must not be met in a fault handler. */
    if (ftruncate(sites->fd, 0) != 0 ||
        (errno = posix_fallocate(sites->fd, 0, sizeof(struct fault_table))) != 0)
        return error_set(error, errno, "SELFPAGE_FAULTS: cannot make room in %.150s: %s", file,
                         strerror(errno));
    return 0;
}

static int make_table(struct sp_task *task, const char *path, struct sp_error *error)
{
    struct sites *sites = task->sites;
    char file[4096];
    int result = 0;

    check(sites->table == NULL && sites->fd < 0);
    if (path != NULL)
        result = name_file(task, path, file, sizeof(file), error);
    if (result == 0 && path != NULL)
        result = open_file(sites, file, error);
    if (result < 0)
        return result;
    sites->table =
        unlocked_map(NULL, sizeof(*sites->table),
                     sites->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, sites->fd);
    if (sites->table == NULL)
        return error_set(error, ENOMEM, "no memory for the table of faults");
    fault_table_begin(sites->table, task->name, (uint32_t)unit_bytes(task));
    site_objects_look(sites->table);
    return 0;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    check(name[0] != '\0');
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int sites_begin(struct sp_task *task, struct sp_error *error)
{
    const char *faults = variable("SELFPAGE_FAULTS"), *hints = variable("SELFPAGE_HINTS");
    int result;

    if (faults == NULL && hints == NULL)
        return 0;
    task->sites = unlocked_map(NULL, sizeof(*task->sites), MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (task->sites == NULL)
        return error_set(error, ENOMEM, "no memory for the table of faults");
    task->sites->fd = -1;
    result = make_table(task, faults, error);
    if (result == 0 && hints != NULL)
        result = site_hints_read(&task->sites->hints, hints, error);
    check(result != 0 || task->sites->table != NULL);
    return result;
}

void sites_end(struct sp_task *task)
{
    struct sites *sites = task->sites;

    if (sites == NULL)
        return;
    if (sites->table != NULL)
        munmap(sites->table, sizeof(*sites->table));
    check(sites->fd < 0 || sites->fd > STDERR_FILENO);
    if (sites->fd >= 0)
        close(sites->fd);
    site_hints_free(&sites->hints);
    munmap(sites, sizeof(*sites));
    task->sites = NULL;
}

/* ---- Regions and faults ---- */

void sites_region(struct sp_task *task, sp_page first, uintptr_t code)
{
    const struct pager_region *region = pager_regions_of(&task->pager, first);
    struct fault_row row = {.code = code,
                            .address = (uintptr_t)memory_address(task, first),
                            .pages = region->pages,
                            .kind = region->kind};

    ensure(hold_is_ours() && region->first == first);
    pager_regions_tally(&task->pager, first, &fault_table_add_row(task->sites->table, &row)->tally);
}

void sites_before(const struct sp_task *task, sp_page page, struct sites_moment *moment)
{
    const struct sp_stats *stats = task->stats;

    check(hold_is_ours() && page < task->pager.config.pages);
    *moment = (struct sites_moment){.faults = stats->faults,
                                    .soft = stats->soft_faults,
                                    .evicted = stats->evictions,
                                    .ahead = stats->read_ahead,
                                    .stored = task->pager.stores,
                                    .swapped = task->pager.page[page].state == PAGE_SWAPPED};
}

/* A new instruction: which file is it in, and is there a hint about it? */
static __attribute__((noinline)) void meet(struct sp_task *task, struct fault_site *site)
{
    struct sites *sites = task->sites;
    const struct fault_object *object = fault_table_object_at(sites->table, site->code);

    check(site->code != 0);
    if (object == NULL) {
        __atomic_store_n(&sites->missing, true, __ATOMIC_RELEASE);
        if (task->wake_fd >= 0)
            events_poke(task);
    } else if (sites->hints != NULL) {
        site_hints_apply(sites->hints, object, site);
    }
}

static struct fault_site *find_site(struct sp_task *task, uintptr_t code,
                                    const struct pager_region *region)
{
    struct sites *sites = task->sites;
    const struct fault_row *row =
        (const struct fault_row *)(void *)((char *)region->tally -
                                           offsetof(struct fault_row, tally));
    uint32_t index = (uint32_t)(row - sites->table->row);
    struct fault_site *site = sites->last;
    bool new;

    check(code != 0 && index < FAULT_TABLE_ROWS);
    if (site != NULL && site->code == code && site->row == index)
        return site;
    site = fault_table_find_site(sites->table, code, index, &new);
    if (site != NULL && new)
        meet(task, site);
    sites->last = site;
    return site;
}

/* Load what the hint says, as far as one batch goes. */
static void follow_hint(struct sp_task *task, struct fault_site *site, sp_page page,
                        uint32_t loading)
{
    uint32_t most = task->pager.config.batch - loading;
    uint32_t pages = site->hint_pages < most ? site->hint_pages : most;

    check(loading >= 1 && loading <= task->pager.config.batch);
    site->ahead += pager_ahead_more(&task->pager, page, site->hint_stride, pages);
}

/* The page came where the hint had it: those between were used. */
static void praise_hint(struct sp_task *task, const struct fault_site *site, sp_page page)
{
    int64_t steps = ((int64_t)page - site->last) / site->hint_stride;
    int64_t from = (int64_t)site->last + site->hint_stride;

    check(site->hint_pages > 0);
    if (site->loads == 0 || ((int64_t)page - site->last) % site->hint_stride != 0 || steps <= 1 ||
        steps > (int64_t)site->hint_pages + 1)
        return;
    if (pager_regions_of(&task->pager, site->last) == pager_regions_of(&task->pager, page))
        pager_ahead_used(&task->pager, (sp_page)from, site->hint_stride, (uint32_t)steps - 1);
}

static void note_load(struct sp_task *task, struct fault_site *site, sp_page page, uint64_t ahead)
{
    check(task->pager.page[page].state == PAGE_LOADING);
    if (site->hint_pages > 0)
        praise_hint(task, site, page);
    fault_table_stride(site, page);
    site->loads++;
    site->ahead += ahead;
    if (site->hint_pages > 0)
        follow_hint(task, site, page, 1 + (uint32_t)ahead);
}

void sites_after(struct sp_task *task, sp_page page, uintptr_t code,
                 const struct sites_moment *before)
{
    const struct sp_stats *stats = task->stats;
    const struct pager_region *region = pager_regions_of(&task->pager, page);
    struct fault_site *site;

    ensure(hold_is_ours());
    check(stats->evictions >= before->evicted && stats->faults >= before->faults);
    if (code == 0 || region == NULL || region->tally == NULL)
        return;
    site = find_site(task, code, region);
    if (site == NULL)
        return;
    site->faults += stats->faults - before->faults;
    site->soft += stats->soft_faults - before->soft;
    if (before->swapped && stats->faults != before->faults &&
        task->pager.page[page].state == PAGE_LOADING)
        note_load(task, site, page, stats->read_ahead - before->ahead);
    site->evicted += stats->evictions - before->evicted;
    site->stored += task->pager.stores - before->stored;
}

void sites_look(struct sp_task *task)
{
    struct sites *sites = task->sites;

    check(!hold_is_ours());
    if (sites == NULL || !__atomic_exchange_n(&sites->missing, false, __ATOMIC_ACQ_REL))
        return;
    site_objects_look(sites->table);
    if (sites->hints == NULL)
        return;
    hold_take(task);
    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++) {
        struct fault_site *site = &sites->table->site[i];
        const struct fault_object *object = fault_table_object_at(sites->table, site->code);

        if (site->code != 0 && site->hint_pages == 0 && object != NULL)
            site_hints_apply(sites->hints, object, site);
    }
    hold_release(task);
}
