/* The device of the swap server: a backend, and the records at its head.
 *
 * Without `keep` the slots begin at byte 0, and nothing outlives the server. With `keep` the device
 * holds in this order
 *
 *     header      1 block: magic, version, page size, slots, where the rest lies
 *     clients     a record for each client: key, user, id, reservation   (index.h)
 *     index       a record for each slot: owner, checksum                (index.h)
 *     slots
 *
 * DIRECT: slots may be read and written with O_DIRECT; header, clients and index always go through the
 * page cache.
 *
 * WHAT OUTLIVES WHAT (with keep). Data are written before their index records, and those before the
 * acknowledgement, so what was acknowledged outlives the end of the server process, kill -9
 * included, in every mode. A power loss it outlives only with `sync`, which adds an fdatasync
 * before each acknowledgement; the device must honour flushes. A record never straddles a sector of
 * 512 bytes, so that a torn block leaves each record old or new, and each has a check of its own. A
 * reservation becomes durable with the next synced batch; a client gets back at least what its
 * slots need. */
#ifndef SWAP_DEVICE_H
#define SWAP_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "backend/swap_backend.h"
#include "options.h"
#include "index.h"

struct swap_device {
    const struct swap_backend *backend;
    void *state; /* the backend's; NULL: not open */
    struct swap_backend_facts facts;
    bool sync;
    uint32_t slots;
    struct swap_index *index; /* NULL without keep */
};

/* Open or make the device that `options` ask for. Returns 0, or a negative errno and a text; the
 * device is then closed. */
int swap_device_open(struct swap_device *device, const struct swap_options *options,
                     struct sp_error *error);

/* Close it. A device of all zeros, or one that is closed, is left alone. */
void swap_device_close(struct swap_device *device);

/* Write, or read, `count` slots from `slot` on. If it fails, any of them may have been transferred.
 * `pages` is aligned to SWAP_PAGE. Returns 0 or a negative errno (-EIO for a short count). Any thread. */
int swap_device_write(const struct swap_device *device, uint32_t slot, uint32_t count,
                      const void *pages);
int swap_device_read(const struct swap_device *device, uint32_t slot, uint32_t count, void *pages);

/* Make what was written outlive a power loss. Only on a device opened with options->sync. Returns 0 or
 * a negative errno. Any thread. */
int swap_device_sync(const struct swap_device *device);

#endif
