/* The swap server in virtual time: its books, contents of slots, and a device that takes its time.
 *
 * Each client has slots of its own, as many as it has reserved, as a live one has them in a file of its own
 * (src/backend/README.md): which slots come free, and lie side by side, does not depend on others.
 *
 * The contents of a page are one number, 0 for a page of zeros, which takes no slot. The device does
 * `depth` things at once; what comes then waits for the first that ends. A store or a load begins when it is
 * asked for, and is over at a time that the caller is told; the caller then says that it is over. */
#ifndef PLAY_DEVICE_H
#define PLAY_DEVICE_H

#include <stdbool.h>

#include <selfpage/counters.h>

#include "base/random.h"
#include "core/swap/map.h"
#include "play/costs.h"

/* What a client has there. Its number in its own map is 0. */
struct device_file {
    bool there;
    uint32_t slots; /* reserved */
    struct swap_map map;
    uint64_t *contents; /* by slot; NULL: nothing was ever stored, and there is no map */
};

/* reserved == sum of the slots of all files, and `rest`; at most `slots` */
struct device {
    const struct allocator *allocator;
    uint32_t slots, reserved, clients;
    uint32_t rest;            /* reserved by device_fill */
    struct device_file *file; /* by client */
    uint32_t files;           /* entries */
    struct costs costs;
    uint64_t busy[COSTS_DEPTH_MAX]; /* until when */
    uint64_t fails;  /* of 2^32 pages that are to be written, the number that cannot be */
    uint32_t slower; /* times as long as usual that everything takes; at least 1 */
    struct random_source random;                                /* which of them */
    uint64_t stores, loads, frees, writes, reads, failed, zero; /* counters, as swap's */
};

/* A device of `slots` free slots, with memory from `allocator`, which outlives it. Returns 0, -EINVAL
 * (slots, depth) or -ENOMEM. */
int device_init(struct device *device, uint32_t slots, const struct costs *costs, uint64_t seed,
                const struct allocator *allocator);
void device_fini(struct device *device);

/* A client of this number comes, with slots reserved. Returns 0, -EEXIST, -ENOSPC or -ENOMEM: it is then not there. */
int device_join(struct device *device, uint32_t client, uint32_t slots);

/* A client goes, if it is there, and its slots with it. Nobody may say that what is under way for it is over. */
void device_leave(struct device *device, uint32_t client);

static inline bool device_is_there(const struct device *device, uint32_t client)
{
    return client < device->files && device->file[client].there;
}

/* All slots that nobody has reserved are reserved, so that nobody else can; or not any more. */
void device_fill(struct device *device, bool full);

/* The contents that a client has stored in this slot of its own; NULL: it has not. */
const uint64_t *device_contents(const struct device *device, uint32_t client, uint32_t slot);

/* Begin to write pages of these contents, which lie in so many pieces in memory, at time `now`: to `slot`s that are
 * filled in, until *donep. Returns 0, or what swap_map_store fails with; also -ENOMEM. */
int device_store(struct device *device, uint32_t client, uint32_t count, const uint64_t *contents,
                 uint32_t pieces, uint64_t now, uint32_t *slot, uint64_t *donep);

/* When the device begins what it is given next. */
uint64_t device_free_at(const struct device *device);

/* That is over for one of the slots. False: it could not be written, and is free again. */
bool device_stored(struct device *device, uint32_t client, uint32_t slot);

/* Start to read a slot of the client. Returns 0, or the error of swap_map_load. */
int device_pin(struct device *device, uint32_t client, uint32_t slot);

/* Begin to read slots that were pinned at time `now`, at most SWAP_STORE_MAX: neighbours in one go, all side by side. The
 * starts of these overlap, the transfers of their pages do not. Returns when that is done. */
uint64_t device_load(struct device *device, const uint32_t *slot, uint32_t count, uint64_t now);

/* That is over for one of them. Returns the contents. */
uint64_t device_loaded(struct device *device, uint32_t client, uint32_t slot);

/* Count the books of one client again. Returns what is wrong with them; NULL: nothing, or it is not there. */
const char *device_check(const struct device *device, uint32_t client);

/* What swap counts; what a live server alone can see is 0. */
struct device_status {
    SP_SWAP_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};
struct device_status device_status(const struct device *device);

/* Give a slot back, which the client has stored. */
void device_free(struct device *device, uint32_t client, uint32_t slot);

#endif
