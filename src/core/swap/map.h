/* Which client has which slot of the swap device: the swap server's books, without its I/O.
 *
 * A slot holds one page. A client is a number that the server gives it; it reserves slots ahead,
 * and can only store within its reservation. The books promise, after every call:
 *
 *     sum of reserved <= slots,  used <= reserved <= quota for each client
 *
 * so that a store within the reservation never finds the device full.
 *
 * A slot goes  FREE -> WRITING -> STORED -> FREE.  I/O that is under way pins a slot: a write from
 * swap_map_store to swap_map_commit or swap_map_abort, a read from swap_map_load to
 * swap_map_load_end. A pinned slot that its owner gives up (it frees it while it is being read, or
 * the client is removed) is LEAVING: it belongs to nobody and counts for nobody, but is not handed
 * out again before its I/O has ended. Only this can make a store within the reservation wait
 * (-EAGAIN): some I/O is then sure to end and to give a slot back.
 *
 *               store              commit              free, remove
 *      FREE -----------> WRITING -----------> STORED ----------------> FREE
 *        ^  <-----------    |                    |                       ^
 *        |      abort       | remove             | free, remove: pinned  |
 *        |                  +-----> LEAVING <----+                       |
 *        |                             |  the last pin ends              |
 *        +-----------------------------+---------------------------------+
 *
 * Functions return 0 or more, or a negative errno; a wrong number is an error, never a crash, and
 * an error changes nothing. All take constant time but for swap_map_store, which looks at words of
 * 64 slots until it has found enough free ones, and swap_map_remove, which visits the client's
 * slots. */
#ifndef CORE_SWAP_MAP_H
#define CORE_SWAP_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/allocator.h"

/* Slots that one swap_map_store can ask for. */
#define SWAP_STORE_MAX 64u

/* No slot, no client. */
#define SWAP_NONE 0xffffffffu

/* A slot that no device has: a page of zeros is stored there, by anybody, as often as wanted. */
#define SWAP_ZERO 0xfffffffeu

/* Clients at most: their numbers are below this. */
#define SWAP_CLIENTS_MAX 65536u

enum swap_slot_state {
    SWAP_SLOT_FREE = 0,
    SWAP_SLOT_WRITING, /* handed out; pinned by its write */
    SWAP_SLOT_STORED,  /* holds a page; may be pinned by reads */
    SWAP_SLOT_LEAVING, /* given up, and pinned */
};

/* One slot: 24 bytes. */
struct swap_slot {
    uint64_t checksum; /* of the page, while STORED */
    uint32_t client;   /* owner; SWAP_NONE while FREE and LEAVING */
    uint32_t next;     /* neighbours among the owner's slots, or SWAP_NONE */
    uint32_t prev;
    uint16_t pins; /* I/O that is under way */
    uint8_t state; /* enum swap_slot_state */
};

struct swap_client {
    uint32_t first;    /* of its slots, or SWAP_NONE */
    uint32_t used;     /* slots WRITING or STORED */
    uint32_t reserved; /* slots it may use */
    uint32_t quota;    /* slots it may reserve */
    uint8_t present;   /* 0: nobody has this number */
};

/* Read-only for others. After every call
 *
 *     used     = sum of client.used     = number of slots that are WRITING or STORED
 *     reserved = sum of client.reserved <= slots
 *     leaving  = number of slots that are LEAVING
 *     slots    = used + leaving + number of bits set in free[]
 *     clients  = number of clients that are present
 *
 *     for each client:  used <= reserved <= quota, unless a smaller quota came later
 *                       used = number of slots from `first` on along `next`
 *     for each slot:    its bit in free[] is set        <=>  FREE     => pins = 0
 *                       client = SWAP_NONE              <=>  FREE or LEAVING
 *                       pins > 0                        <=   WRITING or LEAVING
 */
struct swap_map {
    struct allocator allocator;
    uint32_t slots;
    uint32_t used;     /* sum of the clients' used */
    uint32_t reserved; /* sum of the clients' reserved */
    uint32_t leaving;  /* slots that are LEAVING; free are: slots - used - leaving */
    uint32_t clients;  /* present ones */
    uint32_t room;     /* entries of client[] */
    uint32_t cursor;   /* where the next search for free slots starts */
    uint32_t words;    /* entries of free[] */
    uint64_t *free;    /* bit set: the slot is FREE; bits beyond the last slot are clear */
    struct swap_slot *slot;
    struct swap_client *client;
};

/* Books of `slots` free slots and no client. Memory comes from `allocator`: about 24 bytes a slot
 * now, and 20 bytes a client later. -EINVAL for 0 slots or more than fit a slot number, -ENOMEM. */
int swap_map_init(struct swap_map *map, uint32_t slots, struct allocator allocator);

/* Have `add` slots more, behind the others, all free. -EINVAL: more than fit a slot number. -ENOMEM: nothing has
 * changed. */
int swap_map_grow(struct swap_map *map, uint32_t add);

/* Free the memory. I/O that is under way is forgotten. */
void swap_map_fini(struct swap_map *map);

/* Add a client under the number `client`, with nothing reserved, and a limit of `quota` slots on
 * what it may reserve. -EEXIST: the number is taken. -EINVAL: it is too large. -ENOMEM. */
int swap_map_add(struct swap_map *map, uint32_t client, uint32_t quota);

/* Another limit on what a client may reserve from now on; what it has reserved stays. -ENOENT: no such client. */
int swap_map_quota(struct swap_map *map, uint32_t client, uint32_t quota);

/* Remove a client: its reservation ends, its slots become FREE or LEAVING. -ENOENT. */
int swap_map_remove(struct swap_map *map, uint32_t client);

/* Change what a client has reserved by `add` - `subtract`, in one step. Returns 0, or
 *   -ENOENT  no such client
 *   -EINVAL  subtract is more than reserved and add together
 *   -EBUSY   less would remain than it uses
 *   -EDQUOT  more than its quota
 *   -ENOSPC  more than all others have left over */
int swap_map_reserve(struct swap_map *map, uint32_t client, uint32_t add, uint32_t subtract);

/* Hand out `count` free slots for a client to write to, in `slots`, ascending but for one wrap at
 * the end of the device: one contiguous run if the search meets one, else the fewest runs among the
 * free slots it has met. The search goes on where the last one ended (next fit), so that successive
 * stores lie next to each other. All or nothing. Returns 0, or
 *   -ENOENT  no such client
 *   -EINVAL  count is 0 or above SWAP_STORE_MAX
 *   -ENOSPC  more than its reservation has left
 *   -EAGAIN  too many slots are LEAVING: try again when I/O has ended */
int swap_map_store(struct swap_map *map, uint32_t client, uint32_t count, uint32_t *slots);

/* The write to a slot has ended well: it is STORED, with this checksum. Returns 0, -EINVAL if the
 * slot is not WRITING, or -ECANCELED if it was LEAVING: the client is gone, and the slot is FREE
 * now. */
int swap_map_commit(struct swap_map *map, uint32_t slot, uint64_t checksum);

/* The write to a slot has failed: it is FREE. Returns as swap_map_commit. */
int swap_map_abort(struct swap_map *map, uint32_t slot);

/* A read of a client's slot begins. Fills *checksum and pins the slot. Returns 0, or
 *   -ENOENT  it is not a slot, or not one that this client has stored
 *   -EBUSY   65535 reads of this slot are under way */
int swap_map_load(struct swap_map *map, uint32_t client, uint32_t slot, uint64_t *checksum);

/* A read of a slot has ended. -EINVAL: none was under way. */
int swap_map_load_end(struct swap_map *map, uint32_t slot);

/* Give a client's STORED slot back. It counts for the client no more, at once; while reads of it
 * are under way it is LEAVING. -ENOENT as for swap_map_load: a slot that is still being written is
 * not stored, and its owner has not been told its number. */
int swap_map_free(struct swap_map *map, uint32_t client, uint32_t slot);

/* Enter a slot that a client had stored in an earlier life of the device. Its reservation grows if
 * it must. Returns 0, -ENOENT (client), -EINVAL (slot), -EEXIST if the slot is not FREE, -EDQUOT or
 * -ENOSPC as swap_map_reserve. */
int swap_map_restore(struct swap_map *map, uint32_t client, uint32_t slot, uint64_t checksum);

/* The client of that number, or NULL. Valid until the next swap_map_add. */
const struct swap_client *swap_map_client(const struct swap_map *map, uint32_t client);

/* Count everything again, in time proportional to the slots and the clients. Returns which of the equations at struct
 * swap_map does not hold, as text, or NULL: all do. */
const char *swap_map_check(const struct swap_map *map);

#endif
