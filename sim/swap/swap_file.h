/* The device of the swap server: a preallocated file of slots.
 *
 * Without `keep` the file never has a name, or loses it before anything is written, so that nothing
 * is left after any ending; its slots begin at byte 0. With `keep` it appears under its name
 * complete with its header, is locked against a second server, and holds in this order
 *
 *     header      1 block: magic, version, page size, slots, where the rest lies
 *     clients     a record for each client: key, user, id, reservation   (swap_index.h)
 *     index       a record for each slot: owner, checksum                (swap_index.h)
 *     slots
 *
 * DIRECT: slots are read and written with O_DIRECT; header, clients and index always go through the
 * page cache.
 *
 * WHAT OUTLIVES WHAT (with keep). Data are written before their index records, and those before the
 * acknowledgement, so what was acknowledged outlives the end of the server process, kill -9
 * included, in every mode. A power loss it outlives only with `sync`, which adds an fdatasync
 * before each acknowledgement; the device must honour flushes. A record never straddles a sector of
 * 512 bytes, so that a torn block leaves each record old or new, and each has a check of its own. A
 * reservation becomes durable with the next synced batch; a client gets back at least what its
 * slots need. */
#ifndef SWAP_FILE_H
#define SWAP_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "options.h"
#include "swap_index.h"

#define SWAP_PAGE 4096u

struct swap_file {
    int fd;    /* of the slots */
    int plain; /* of everything else: not direct; equals fd without keep */
    bool direct;
    bool fell_back; /* direct was wanted, and could not be had */
    bool existed;   /* keep: there was a file already */
    bool sync;
    uint32_t slots;
    uint64_t data;            /* byte at which slot 0 starts */
    struct swap_index *index; /* NULL without keep */
};

/* Open or make the device that `options` ask for. Returns 0, or a negative errno and a text. */
int swap_file_open(struct swap_file *file, const struct swap_options *options,
                   struct sp_error *error);

/* Close it. */
void swap_file_close(struct swap_file *file);

/* Write, or read, `count` slots from `slot` on, all or nothing as far as the caller knows. `pages`
 * is aligned to SWAP_PAGE. Returns 0 or a negative errno (-EIO for a short count). Any thread. */
int swap_file_write(const struct swap_file *file, uint32_t slot, uint32_t count, const void *pages);
int swap_file_read(const struct swap_file *file, uint32_t slot, uint32_t count, void *pages);

/* Make what was written outlive a power loss. Returns 0 or a negative errno. Any thread. */
int swap_file_sync(const struct swap_file *file);

#endif
