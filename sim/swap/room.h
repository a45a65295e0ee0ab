/* Room that moves between the device and a client's own file, since what the client has reserved changes.
 *
 *     room_begin     on the loop   which slots; they are out of use
 *     room_transfer  any thread    the file system does it
 *     room_end       on the loop   they are in use again, or gone
 *
 * If a file does not get its room, everything is as before. Room that the device does not get back is
 * lost, and said so in the log. */
#ifndef SWAP_ROOM_H
#define SWAP_ROOM_H

#include "own.h"

struct room_move {
    struct own_file *own;
    uint32_t number; /* of the client, in the books of the device */
    uint32_t slots;  /* that move */
    uint32_t fresh;  /* to the file: of these, how many its books do not have yet */
    bool to_file;
    int error;              /* of the file */
    int error_back;         /* of the device, which was to get room back */
    struct own_runs device; /* slots there */
    struct own_runs file;   /* slots here, but for fresh ones */
};

/* Begin to move room for `slots` slots to the file, or from it. Returns 0 and the move, or -EAGAIN (try again when
 * I/O has ended), -EBUSY (from: so many are not free), -ENOSPC or -ENOMEM; nothing has changed then. */
int room_begin(struct own_file *own, uint32_t number, uint32_t slots, bool to_file,
               struct room_move **movep);

void room_transfer(struct room_move *move);

/* Settle the books, and free the move. `gone`: the client has left the books of the device meanwhile. Returns 0,
 * or why the file did not get its room. */
int room_end(struct room_move *move, bool gone);

#endif
