/* A device on an export of an NBD server. */
#include "backend/nbd_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/below.h"
#include "backend/nbd_queue.h"
#include "base/assert.h"
#include "base/error.h"

/* Most bytes of one transfer: every server takes this many. */
#define TRANSFER_MOST (32u << 20)

const struct sp_policy_param nbd_device_params[] = {
    {"settle", 30, 0, 3600,
     "seconds after a broken connection in which places that were being written are not written anew"},
    {"retries", 8, 0, 100,
     "how often a read or a write is sent again that the server fails with EIO"},
    {0},
};

struct nbd_device {
    struct nbd_queue *queue; /* NULL: not open */
    char *uri;
    double value[PARAMS_MAX];
    struct nbd_export export;
    uint64_t head;
    uint64_t bytes; /* that are used */
};

void nbd_device_close(void *devicep)
{
    struct nbd_device *device = devicep;

    if (device->queue != NULL)
        nbd_queue_close(device->queue);
    free(device->uri);
    free(device);
}

/* Transfer whole blocks. */
static int bytes_transfer(struct nbd_device *device, enum nbd_request_kind kind, uint64_t offset,
                          uint64_t count, void *bytes)
{
    int code = 0;

    ensure(offset <= device->bytes && count <= device->bytes - offset);
    for (uint64_t done = 0, some; done < count && code == 0; done += some) {
        some = count - done < TRANSFER_MOST ? count - done : TRANSFER_MOST;
        code = nbd_queue_transfer(device->queue, kind, offset + done, (uint32_t)some,
                                  (char *)bytes + done);
    }
    return code;
}

static int head_clear(struct nbd_device *device)
{
    static const uint8_t zeros[SWAP_PAGE];
    int code = 0;

    for (uint64_t at = 0; at < device->head && code == 0; at += SWAP_PAGE)
        code = bytes_transfer(device, NBD_WRITE, at, SWAP_PAGE, (void *)(uintptr_t)zeros);
    return code;
}

/* Has an earlier server been here? If not, the head is made zeros. */
static int head_look(struct nbd_device *device, bool *existed, struct sp_error *error)
{
    uint8_t page[SWAP_PAGE];
    int code = bytes_transfer(device, NBD_READ, 0, SWAP_PAGE, page);

    *existed = code == 0 && (page[0] != 0 || memcmp(page, page + 1, SWAP_PAGE - 1) != 0);
    if (code == 0 && !*existed)
        code = head_clear(device);
    if (code < 0)
        return error_set(error, -code, "cannot use %s: %s", device->uri, strerror(-code));
    return 0;
}

/* Can the export be used as the server wishes? */
static int export_judge(const struct nbd_device *device, const struct swap_backend_wish *wish,
                        struct sp_error *error)
{
    const struct nbd_export *export = &device->export;

    if (export->read_only)
        return error_set(error, EROFS, "%s may only be read", device->uri);
    if (export->bytes < device->bytes)
        return error_set(error, ENOSPC, "%s has %llu KiB: %u slots need %llu KiB", device->uri,
                         (unsigned long long)(export->bytes >> 10), wish->pages,
                         (unsigned long long)(device->bytes >> 10));
    if (export->block > SWAP_PAGE)
        return error_set(error, EINVAL, "%s takes blocks of %u bytes and more: pages have %u",
                         device->uri, export->block, SWAP_PAGE);
    if (wish->sync && !export->flushes)
        return error_set(error, EOPNOTSUPP, "%s cannot flush: leave out --sync", device->uri);
    return 0;
}

static int export_open(struct nbd_device *device, const struct swap_backend_wish *wish,
                       struct swap_backend_facts *facts, struct sp_error *error)
{
    int code = nbd_queue_open(&device->queue, device->uri, device->value[0],
                              (uint32_t)device->value[1], &device->export, error);

    if (code == 0)
        code = export_judge(device, wish, error);
    if (code == 0 && wish->keep)
        code = head_look(device, &facts->existed, error);
    if (code == 0 && wish->existing && !facts->existed)
        code = error_set(error, ENOENT, "%s holds no swap device", device->uri);
    return code;
}

int nbd_device_open(void **devicep, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error, const char *scheme)
{
    bool plain = wish->place[0] == '/'; /* no options: a = may stand in the URI */
    struct nbd_device *device = calloc(1, sizeof(*device));
    int code;

    if (device == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    device->head = wish->head;
    device->bytes = wish->head + (uint64_t)wish->pages * SWAP_PAGE;
    facts->existed = false;
    code = below_options("nbd", nbd_device_params, plain ? "" : wish->place, device->value, error);
    if (code == 0 && wish->mode == SWAP_MODE_DIRECT)
        code =
            error_set(error, EINVAL, "%s has no page cache to bypass: leave out --direct", scheme);
    if (code == 0 && asprintf(&device->uri, "%s%s", scheme,
                              plain ? wish->place : below_device(wish->place)) < 0) {
        device->uri = NULL;
        code = error_set(error, ENOMEM, "no memory for a device");
    }
    if (code == 0)
        code = export_open(device, wish, facts, error);
    if (code < 0)
        nbd_device_close(device);
    else
        *devicep = device;
    return code;
}

int nbd_device_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)device;
    (void)error;
    facts->waits = true;
    facts->fell_back = false;
    facts->how = "nbd";
    return 0;
}

int nbd_device_write(void *devicep, uint32_t page, uint32_t count, const void *pages)
{
    struct nbd_device *device = devicep;

    return bytes_transfer(device, NBD_WRITE, device->head + (uint64_t)page * SWAP_PAGE,
                          (uint64_t)count * SWAP_PAGE, (void *)(uintptr_t)pages);
}

int nbd_device_read(void *devicep, uint32_t page, uint32_t count, void *pages)
{
    struct nbd_device *device = devicep;

    return bytes_transfer(device, NBD_READ, device->head + (uint64_t)page * SWAP_PAGE,
                          (uint64_t)count * SWAP_PAGE, pages);
}

/* Read the blocks in which some bytes of the head lie into new memory. NULL: `code` says why not. */
static uint8_t *blocks_read(struct nbd_device *device, uint64_t offset, uint32_t count,
                            uint64_t *first, uint32_t *bytes, int *code)
{
    uint64_t end = offset + count + SWAP_PAGE - 1;
    uint8_t *blocks;

    *first = offset - offset % SWAP_PAGE;
    *bytes = (uint32_t)(end - end % SWAP_PAGE - *first);
    blocks = malloc(*bytes);
    *code = blocks == NULL ? -ENOMEM : bytes_transfer(device, NBD_READ, *first, *bytes, blocks);
    if (*code == 0)
        return blocks;
    free(blocks);
    return NULL;
}

static bool is_aligned(const struct nbd_device *device, uint64_t offset, uint32_t count)
{
    return offset % device->export.block == 0 && count % device->export.block == 0;
}

int nbd_device_head_write(void *devicep, uint64_t offset, const void *bytes, uint32_t count)
{
    struct nbd_device *device = devicep;
    uint64_t first;
    uint32_t size;
    uint8_t *blocks;
    int code;

    if (is_aligned(device, offset, count))
        return bytes_transfer(device, NBD_WRITE, offset, count, (void *)(uintptr_t)bytes);
    blocks = blocks_read(device, offset, count, &first, &size, &code);
    if (blocks == NULL)
        return code;
    memcpy(blocks + (offset - first), bytes, count);
    code = bytes_transfer(device, NBD_WRITE, first, size, blocks);
    free(blocks);
    return code;
}

int nbd_device_head_read(void *devicep, uint64_t offset, void *bytes, uint32_t count)
{
    struct nbd_device *device = devicep;
    uint64_t first;
    uint32_t size;
    uint8_t *blocks;
    int code;

    if (is_aligned(device, offset, count))
        return bytes_transfer(device, NBD_READ, offset, count, bytes);
    blocks = blocks_read(device, offset, count, &first, &size, &code);
    if (blocks == NULL)
        return code;
    memcpy(bytes, blocks + (offset - first), count);
    free(blocks);
    return 0;
}

int nbd_device_sync(void *devicep)
{
    struct nbd_device *device = devicep;

    return nbd_queue_transfer(device->queue, NBD_FLUSH, 0, 0, NULL);
}

void nbd_device_count(void *devicep, struct swap_backend_counts *counts)
{
    struct nbd_device *device = devicep;
    uint64_t reconnects;
    uint32_t in_flight;

    nbd_queue_count(device->queue, &reconnects, &in_flight);
    counts->reconnects += reconnects;
    counts->in_flight += in_flight;
}
