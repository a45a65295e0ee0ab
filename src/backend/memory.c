/* Pages in the server's own anonymous memory, for tests and for machines without a disk. Nothing
 * outlives the server. The kernel gives memory as pages are first written, and could kill the server
 * when there is none. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/registry.h"
#include "base/error.h"

struct memory_device {
    uint8_t *pages;
    size_t bytes;
};

static int memory_judge(const struct swap_backend_wish *wish, struct sp_error *error)
{
    if (wish->place[0] != '\0')
        return error_set(error, EINVAL,
                         "mem:%s: nothing may follow \"mem:\"; --slots says how many pages",
                         wish->place);
    if (wish->mode == SWAP_MODE_DIRECT)
        return error_set(error, EINVAL, "mem: has no page cache to bypass: leave out --direct");
    return 0;
}

static int memory_open(void **devicep, const struct swap_backend_wish *wish,
                       struct swap_backend_facts *facts, struct sp_error *error)
{
    struct memory_device *device;
    int code = memory_judge(wish, error);

    if (code < 0)
        return code;
    device = malloc(sizeof(*device));
    if (device == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    device->bytes = (size_t)wish->pages * SWAP_PAGE;
    device->pages =
        mmap(NULL, device->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (device->pages == MAP_FAILED) {
        code = error_set(error, errno, "no memory for %u pages in mem:: %s", wish->pages,
                         strerror(errno));
        free(device);
        return code;
    }
    facts->existed = false;
    *devicep = device;
    return 0;
}

static int memory_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)device;
    (void)error;
    facts->waits = false;
    facts->fell_back = false;
    facts->how = "memory";
    return 0;
}

static int memory_write(void *devicep, uint32_t page, uint32_t count, const void *pages)
{
    struct memory_device *device = devicep;

    memcpy(device->pages + (size_t)page * SWAP_PAGE, pages, (size_t)count * SWAP_PAGE);
    return 0;
}

static int memory_read(void *devicep, uint32_t page, uint32_t count, void *pages)
{
    const struct memory_device *device = devicep;

    memcpy(pages, device->pages + (size_t)page * SWAP_PAGE, (size_t)count * SWAP_PAGE);
    return 0;
}

static void memory_close(void *devicep)
{
    struct memory_device *device = devicep;

    munmap(device->pages, device->bytes);
    free(device);
}

const struct swap_backend backend_memory = {
    .name = "mem",
    .place = "",
    .help = "anonymous memory of the server, without a file; not with --keep, --sync or --direct",
    .open = memory_open,
    .finish = memory_finish,
    .write = memory_write,
    .read = memory_read,
    .close = memory_close,
};
