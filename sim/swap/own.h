/* A client's own file: its slots lie there, and it loads them by itself.
 *
 * The client gets a descriptor to read with. It asks the server for everything else: to store, to free, to
 * reserve, and to load what it could not read itself. Its slots are numbered within its file.
 *
 * ROOM. All room belongs to the device at the start. What a client with a file reserves moves there, slot for
 * slot (room.h): the books of the device count these slots as used by it, and the books of its file have as many
 * more. When the client gives reserved slots up, slots of its file that are free retire, and their room goes
 * back. So no store finds the file system full, and what has left a file holds nothing.
 *
 * THE END. When nothing of the client's is under way any more, its file gives up all room, and only then
 * does the device get it back: the client's process may still hold the descriptor, and would keep the
 * room for ever. A process that reads the file all the time can make this wait; it is done in an errand. */
#ifndef SWAP_OWN_H
#define SWAP_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/swap/map.h"
#include "device.h"
#include "io/server.h"

/* Slots in a row. */
struct own_run {
    uint32_t first;
    uint32_t count;
};

struct own_runs {
    struct own_run *run;
    uint32_t count;
    uint32_t room;
};

/* What the files of all clients have in common. */
struct own_world {
    struct server *server;
    struct swap_device *device;
    struct swap_map *map;         /* of the device */
    bool waits;                   /* their ends are errands; else they are done at once */
    void (*freed)(void *context); /* slots of the device have come free */
    void *context;
    uint32_t files;
    uint32_t most;
};

struct own_file {
    struct errand errand; /* first */
    struct own_world *world;
    struct user *user;   /* one reference */
    void *place;         /* the backend's */
    struct swap_map map; /* of its slots; its only client is 0, and has reserved all of them */
    uint32_t *retired;   /* slots without room, which client 0 writes for ever */
    uint32_t retired_count, retired_room;
    bool moving;          /* room is on its way: see room.h */
    struct own_runs left; /* of the device: to be given back at the end */
};

/* Add a slot to runs: to the last one, if it is a neighbour. -ENOMEM. */
int own_runs_add(struct own_runs *runs, uint32_t slot);
void own_runs_free(struct own_runs *runs);

/* Have room for the slots of runs in a place, the device's own or that of a file, or give it up. Returns the
 * first error; all runs are tried. */
int own_runs_room(const struct own_runs *runs, const struct swap_device *device, void *place,
                  bool there);

/* Make a file for a client of `user`. *reader is a descriptor to read it; the caller closes it. Returns 0, -EOPNOTSUPP (not on this
 * device), -EMFILE (there are as many as may be), or another negative errno. */
int own_open(struct own_world *world, struct user *user, struct own_file **ownp, int *reader);

/* Slots that hold pages, or are being written. */
uint32_t own_used(const struct own_file *own);

/* The client leaves the books of the device, where its number is `number`: what it has there stays pinned until
 * own_end. */
void own_leave(struct own_file *own, uint32_t number);

/* Nothing is under way any more: give all room back, and free it. */
void own_end(struct own_file *own);

#endif
