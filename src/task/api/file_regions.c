/* Regions backed by files of a file server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <selfpage/container.h>
#include <selfpage/file.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/container_map.h"
#include "task/api/file_link.h"

/* How often, and how long in between, the server is asked again: while its cache has no frames, and
 * while the container is busy with another thread's access. */
#define ATTEMPTS 2000u
#define PAUSE_NS 1000000

#define CHUNK_BYTES ((uint64_t)SP_FILES_BUFFER * SP_PAGE_SIZE)

_Static_assert(SP_FILES_BUFFER == SP_SUPPLY_PAGES,
               "what is filled at once is what one request fills");

/* Each region has a connection of its own, which serves one fault at a time. */
struct sp_file_region {
    struct sp_task *task;
    sp_container container; /* 0: none yet */
    uint32_t file;
    uint32_t first; /* page of the file that is page 0 */
    uint32_t pages;
    uint64_t size; /* bytes of the file */
    void *base;    /* NULL: none yet */
    struct caller caller;
    struct wire_message request, reply; /* not on the stack of a fault */
};

/* ---- Filling ---- */

/* Ask the server to fill slots. Returns 0 or a negative errno. In the fault handler. */
static int ask_fill(struct sp_file_region *region, uint32_t slot, uint32_t page, uint32_t count)
{
    struct wire_message *request = &region->request;

    check(count > 0 && count <= SP_SUPPLY_PAGES && page + count <= region->pages);
    memset(request, 0, sizeof(*request));
    request->type = WIRE_FILE_FILL;
    request->file_fill.file = region->file;
    request->file_fill.page = region->first + page;
    request->file_fill.slot = slot;
    request->file_fill.count = count;
    return caller_ask_for(&region->caller, request, WIRE_FILE_DATA, &region->reply, NULL, NULL);
}

static bool is_passing(int error)
{
    check(error <= 0);
    return error == -EBUSY || error == -ESTALE || error == -ENOMEM || error == -EAGAIN;
}

static int supply(void *arg, sp_container container, uint32_t slot, uint32_t page, uint32_t count)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct sp_file_region *region = arg;
    int result = ask_fill(region, slot, page, count);

    check(container == region->container);
    for (unsigned i = 1; i < ATTEMPTS && is_passing(result); i++) {
        nanosleep(&pause, NULL);
        result = ask_fill(region, slot, page, count);
    }
    return result;
}

/* ---- Life ---- */

/* Which pages of the file the region shows. */
static int choose_pages(struct sp_file_region *region, const struct sp_file_region_options *options,
                        const struct sp_file_info *info, struct sp_error *error)
{
    uint64_t left;

    check(region->pages == 0);
    if (info->form != SP_FILE_REGULAR)
        return error_set(error, EISDIR, "%s is a directory", options->path);
    if (options->offset % CHUNK_BYTES != 0)
        return error_set(error, EINVAL, "a region begins at a multiple of %llu bytes of its file",
                         (unsigned long long)CHUNK_BYTES);
    if (options->offset >= info->size)
        return error_set(error, ENXIO, "%s ends at byte %llu", options->path,
                         (unsigned long long)info->size);
    left = (info->size - options->offset + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
    if (options->pages > left || (options->pages == 0 && left > SP_CONTAINER_SHARED_PAGES))
        return error_set(error, ENXIO, "%s has %llu pages from there on, and a region at most %u",
                         options->path, (unsigned long long)left, SP_CONTAINER_SHARED_PAGES);
    region->file = info->file;
    region->first = (uint32_t)(options->offset / SP_PAGE_SIZE);
    region->pages = options->pages != 0 ? (uint32_t)options->pages : (uint32_t)left;
    region->size = (uint64_t)region->pages * SP_PAGE_SIZE;
    if (region->size > info->size - options->offset)
        region->size = info->size - options->offset;
    return 0;
}

/* Connect, open the file, and make the container. */
static int prepare(struct sp_file_region *region, const struct sp_file_region_options *options,
                   struct sp_error *error)
{
    struct sp_file_info info;
    int result = file_link_open(&region->caller, options->server, error);

    check(region->container == 0);
    if (result == 0)
        result = file_link_find(&region->caller, options->path, 0, &info, error);
    if (result == 0)
        result = choose_pages(region, options, &info, error);
    if (result == 0)
        result = sp_container_create(region->task, region->pages, &region->container, error);
    if (result == 0)
        result =
            file_link_give(region->task, &region->caller, region->container, SP_SHARE_WRITE, error);
    return result;
}

int sp_file_region_create(struct sp_task *task, const struct sp_file_region_options *options,
                          struct sp_file_region **regionp, void **basep, struct sp_error *error)
{
    struct sp_container_region container = {.supply = supply};
    struct sp_file_region *region;
    int result;

    check(regionp != NULL && basep != NULL);
    if (options->path == NULL || (options->flags & ~SP_FILE_PRIVATE) != 0)
        return error_set(error, EINVAL, "a region without a path, or with flags %#x",
                         options->flags);
    region = calloc(1, sizeof(*region));
    if (region == NULL)
        return error_set(error, ENOMEM, "no memory for a region");
    region->task = task;
    result = prepare(region, options, error);
    if (result == 0) {
        container.container = region->container;
        container.pages = region->pages;
        container.flags = (options->flags & SP_FILE_PRIVATE) != 0 ? SP_MAP_WRITE : 0;
        container.supply_arg = region;
        container.frames = options->frames;
        result = container_map_region(task, &container, true, &region->base, error);
    }
    *regionp = region;
    if (result != 0)
        sp_file_region_destroy(regionp);
    else
        *basep = region->base;
    return result;
}

uint64_t sp_file_region_size(const struct sp_file_region *region)
{
    check(region->base != NULL);
    return region->size;
}

void sp_file_region_destroy(struct sp_file_region **regionp)
{
    struct sp_file_region *region = regionp != NULL ? *regionp : NULL;

    if (region == NULL)
        return;
    if (region->base != NULL)
        (void)sp_container_unmap(region->task, region->base, NULL);
    file_link_close(&region->caller);
    /* A server that has it locked just now keeps it until the lock is over. */
    if (region->container != 0)
        (void)sp_container_destroy(region->task, region->container, NULL);
    free(region);
    *regionp = NULL;
    check(*regionp == NULL);
}
