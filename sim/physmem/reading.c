#include "reading.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/clock.h"
#include "os/extent.h"

/* Read a page of an extent as it will be once all changes are made. What its task has cut off
 * reads as zeros. Returns 0 or a negative errno. */
static int page_read(const struct backing *backing, uint32_t page, uint8_t *bytes)
{
    const struct contents *lists[] = {backing->fill, backing->fills};
    const uint64_t *clears[] = {backing->clear, backing->clears};
    ssize_t got;

    ensure(page < EXTENT_PAGES);
    memset(bytes, 0, SP_PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *there = contents_find(lists[i], page);

        if (there != NULL) {
            memcpy(bytes, there, SP_PAGE_SIZE);
            return 0;
        }
        if (pages_has(clears[i], page) && (i == 0 || backing->changing))
            return 0;
    }
    if (backing->fd < 0)
        return 0;
    got = pread(backing->fd, bytes, SP_PAGE_SIZE, (off_t)page * (off_t)SP_PAGE_SIZE);
    return got < 0 ? -errno : 0;
}

bool reading_is_settled(const struct backing *backing, uint32_t page, uint32_t count)
{
    if (backing->fill != NULL || (backing->changing && backing->fills != NULL))
        return false;
    for (uint32_t i = page; i < page + count; i++)
        if (pages_has(backing->clear, i) || (backing->changing && pages_has(backing->clears, i)))
            return false;
    return true;
}

int reading_pages(const struct backing *backing, uint32_t page, uint32_t count, uint8_t *bytes)
{
    size_t size = (size_t)count * SP_PAGE_SIZE;
    int code = 0;
    ssize_t got;

    ensure(count > 0 && page + count <= EXTENT_PAGES);
    if (backing->fd < 0 || !reading_is_settled(backing, page, count)) {
        for (uint32_t i = 0; i < count && code == 0; i++)
            code = page_read(backing, page + i, bytes + (size_t)i * SP_PAGE_SIZE);
        return code;
    }
    got = pread(backing->fd, bytes, size, (off_t)page * (off_t)SP_PAGE_SIZE);
    if (got < 0)
        return -errno;
    memset(bytes + got, 0, size - (size_t)got); /* what its task has cut off */
    return 0;
}

void reading_audit(struct service *service, const struct physmem_effect *effect)
{
    const struct backing *backing = backing_of(service, effect);
    int64_t pages;

    if (backing->changing || backing->fd < 0)
        return; /* pages are there that are not to be; or none are */
    pages = extent_blocks(backing->fd);
    if (pages < 0)
        backing_complain(service, "audit", pages);
    else
        physmem_audit_done(service->physmem, clock_now_ns(), effect->extent.extent,
                           effect->extent.count +
                               (backing->later ? pages_count(backing->clear) : 0),
                           (uint64_t)pages);
}
