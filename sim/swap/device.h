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
 * A SYNC THAT FAILS. After a failed fdatasync nobody knows what became of the writes before it, and the
 * kernel may tell only one caller. So each store notes the device's count of failed syncs before its
 * first write; if that has changed when its own sync has ended, its pages are not acknowledged, and their
 * slots and records are given up. Records of clients cover stores to come as well: the next sync writes them
 * again first. Syncs do not overlap: one that begins after a store's writes serves
 * every store that waits.
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

#include <pthread.h>
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
    pthread_mutex_t lock;     /* guards what follows */
    pthread_cond_t ended;     /* a sync has */
    uint64_t syncs_begun;
    uint64_t syncs_ended;
    uint64_t syncs_failed;
    bool suspect; /* the last sync has failed, and what it was to cover was not written again */
};

/* Open or make the device that `options` ask for. Returns 0, or a negative errno and a text; the
 * device is then closed. */
int swap_device_open(struct swap_device *device, const struct swap_options *options,
                     struct sp_error *error);

/* Close it. A device of all zeros, or one that is closed, is left alone. */
void swap_device_close(struct swap_device *device);

/* Write, or read, `count` slots from `slot` on in a place: the device's `state`, or a client's own. If it fails, any of them may have been transferred.
 * `pages` is aligned to SWAP_PAGE. Returns 0 or a negative errno (-EIO for a short count). Any thread. */
int swap_device_write(const struct swap_device *device, void *place, uint32_t slot, uint32_t count,
                      const void *pages);
int swap_device_read(const struct swap_device *device, void *place, uint32_t slot, uint32_t count,
                     void *pages);

/* Where the pages of a place lie as they are in a file: its descriptor, and the byte of slot 0 in *at. -1: they do not. Any
 * thread. */
int swap_device_descriptor(const struct swap_device *device, const void *place, uint64_t *at);

/* Nobody has these slots any more. On the loop's thread. */
void swap_device_discard(const struct swap_device *device, uint32_t slot, uint32_t count);

/* What the backend counts. */
struct swap_backend_counts swap_device_counts(const struct swap_device *device);

/* The count of failed syncs: to be read before the first write that a sync is to cover. Any thread. */
uint64_t swap_device_epoch(struct swap_device *device);

/* Make what was written since `epoch` was read outlive a power loss. Only on a device opened with
 * options->sync. Returns 0 or a negative errno; -EIO: a sync has failed since, of whatever store. Any
 * thread. */
int swap_device_sync(struct swap_device *device, uint64_t epoch);

#endif
