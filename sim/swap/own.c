#include "own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#define RUNS_FIRST 4u

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

/* ---- Runs ---- */

int own_runs_add(struct own_runs *runs, uint32_t slot)
{
    struct own_run *last = runs->count > 0 ? &runs->run[runs->count - 1] : NULL;

    check(runs->count <= runs->room);
    if (last != NULL && slot == last->first + last->count) {
        last->count++;
        return 0;
    }
    if (last != NULL && slot + 1 == last->first) {
        last->first = slot;
        last->count++;
        return 0;
    }
    if (runs->count == runs->room) {
        uint32_t room = runs->room == 0 ? RUNS_FIRST : 2 * runs->room;
        struct own_run *run = realloc(runs->run, room * sizeof(*run));

        if (run == NULL)
            return -ENOMEM;
        runs->run = run;
        runs->room = room;
    }
    runs->run[runs->count++] = (struct own_run){.first = slot, .count = 1};
    return 0;
}

void own_runs_free(struct own_runs *runs)
{
    check(runs->count <= runs->room);
    free(runs->run);
    *runs = (struct own_runs){0};
}

int own_runs_room(const struct own_runs *runs, const struct swap_device *device, void *place,
                  bool there)
{
    int first = 0;

    check(device->backend->room != NULL && place != NULL);
    for (uint32_t i = 0; i < runs->count; i++) {
        int error = device->backend->room(place, runs->run[i].first, runs->run[i].count, there);

        if (first == 0)
            first = error;
    }
    return first;
}

/* ---- Files ---- */

/* Books of one slot, which has retired: books have at least one. */
static int books_open(struct own_file *own)
{
    struct allocator allocator = {.resize = libc_resize};
    int error = swap_map_init(&own->map, 1, allocator);

    check(own->retired == NULL);
    if (error == 0)
        error = swap_map_add(&own->map, 0, SWAP_ZERO);
    if (error < 0)
        return error;
    own->retired = malloc(sizeof(*own->retired));
    if (own->retired == NULL)
        return -ENOMEM;
    own->retired_count = own->retired_room = 1;
    /* Cannot fail: the slot is free, and nobody else is there. */
    (void)swap_map_reserve(&own->map, 0, 1, 0);
    error = swap_map_store(&own->map, 0, 1, own->retired);
    ensure(error == 0 && own->retired[0] == 0);
    return 0;
}

static void own_free(struct own_file *own)
{
    const struct swap_device *device = own->world->device;

    check(!own->moving);
    if (own->place != NULL)
        device->backend->close(own->place);
    if (own->map.slot != NULL)
        swap_map_fini(&own->map);
    free(own->retired);
    own_runs_free(&own->left);
    free(own);
}

int own_open(struct own_world *world, struct user *user, struct own_file **ownp, int *reader)
{
    const struct swap_backend *backend = world->device->backend;
    struct own_file *own;
    int error;

    check(world->files <= world->most || world->most == 0);
    if (backend->own_open == NULL)
        return -EOPNOTSUPP;
    if (world->files >= world->most)
        return -EMFILE;
    own = calloc(1, sizeof(*own));
    if (own == NULL)
        return -ENOMEM;
    own->world = world;
    error = books_open(own);
    if (error == 0)
        error = backend->own_open(world->device->state, &own->place, reader);
    if (error < 0) {
        own_free(own);
        return error;
    }
    own->user = user;
    user->references++;
    world->files++;
    *ownp = own;
    return 0;
}

uint32_t own_used(const struct own_file *own)
{
    check(own->map.used >= own->retired_count);
    return own->map.used - own->retired_count;
}

void own_leave(struct own_file *own, uint32_t number)
{
    struct swap_map *map = own->world->map;
    uint32_t slot = swap_map_client(map, number)->first;

    for (; slot != SWAP_NONE; slot = map->slot[slot].next) {
        uint64_t checksum;

        /* Other slots are being moved: see room.c. Without memory to note it, a slot loses its room. */
        if (map->slot[slot].state != SWAP_SLOT_STORED || own_runs_add(&own->left, slot) < 0)
            continue;
        ensure(swap_map_load(map, number, slot, &checksum) == 0);
    }
    check(own->left.count <= map->slots);
}

/* The file has given up its room: the device has it again. */
static void end_done(struct errand *errand)
{
    struct own_file *own = (struct own_file *)errand;
    struct own_world *world = own->world;

    check(world->files > 0);
    /* A server that is about to end needs no room. */
    if (!world->server->stopping &&
        own_runs_room(&own->left, world->device, world->device->state, true) < 0)
        log_line(&world->server->log, "device",
                 "room that a client had cannot be reserved again: the file system is full");
    for (uint32_t i = 0; i < own->left.count; i++)
        for (uint32_t n = 0; n < own->left.run[i].count; n++)
            (void)swap_map_load_end(world->map, own->left.run[i].first + n);
    world->files--;
    user_release(&world->server->users, own->user);
    own_free(own);
    if (world->freed != NULL)
        world->freed(world->context);
}

static void end_run(struct errand *errand)
{
    struct own_file *own = (struct own_file *)errand;
    const struct swap_backend *backend = own->world->device->backend;

    (void)backend->room(own->place, 0, own->world->device->slots, false);
    backend->close(own->place);
    own->place = NULL;
}

void own_end(struct own_file *own)
{
    check(!own->moving);
    own->errand.run = end_run;
    own->errand.done = end_done;
    if (own->world->waits && own->world->server->errands != NULL) {
        errand_submit(own->world->server->errands, &own->user->lane, &own->errand);
        return;
    }
    end_run(&own->errand);
    end_done(&own->errand);
}
