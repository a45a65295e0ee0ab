#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/least.h"

static void move_free(struct room_move *move)
{
    check(!move->own->moving);
    own_runs_free(&move->device);
    own_runs_free(&move->file);
    free(move);
}

/* Do something to each slot of runs. */
static void each_slot(const struct own_runs *runs, struct swap_map *map,
                      int (*act)(struct swap_map *map, uint32_t slot))
{
    check(runs->count <= runs->room);
    for (uint32_t i = 0; i < runs->count; i++)
        for (uint32_t n = 0; n < runs->run[i].count; n++)
            (void)act(map, runs->run[i].first + n);
}

/* `slots` slots of a map that are free, taken by a client of it, which writes them from now on. */
static int slots_take(struct swap_map *map, uint32_t client, uint32_t slots, struct own_runs *runs)
{
    uint32_t slot[SWAP_STORE_MAX];
    int error = 0;

    for (uint32_t taken = 0; error == 0 && taken < slots;) {
        uint32_t count = least_of(slots - taken, SWAP_STORE_MAX);

        error = swap_map_store(map, client, count, slot);
        for (uint32_t i = 0; error == 0 && i < count; i++) {
            error = own_runs_add(runs, slot[i]);
            for (uint32_t back = i; error < 0 && back < count; back++)
                (void)swap_map_abort(map, slot[back]);
        }
        taken += count;
    }
    if (error < 0)
        each_slot(runs, map, swap_map_abort);
    return error;
}

/* ---- To the file ---- */

/* Slots that have retired come back, the last one first; the others are fresh. */
static int file_choose(struct room_move *move)
{
    const struct own_file *own = move->own;
    uint32_t back = least_of(move->slots, own->retired_count);
    int error = 0;

    check(move->to_file);
    for (uint32_t i = 1; error == 0 && i <= back; i++)
        error = own_runs_add(&move->file, own->retired[own->retired_count - i]);
    move->fresh = move->slots - back;
    return error;
}

static int begin_to(struct room_move *move)
{
    int error = slots_take(move->own->world->map, move->number, move->slots, &move->device);

    check(move->slots > 0);
    if (error < 0)
        return error;
    error = file_choose(move);
    if (error < 0)
        each_slot(&move->device, move->own->world->map, swap_map_abort);
    return error;
}

static int fresh_room(const struct room_move *move, bool there)
{
    const struct own_file *own = move->own;

    check(move->to_file);
    if (move->fresh == 0)
        return 0;
    return own->world->device->backend->room(own->place, own->map.slots, move->fresh, there);
}

static void transfer_to(struct room_move *move)
{
    const struct own_file *own = move->own;
    const struct swap_device *device = own->world->device;

    check(move->error == 0);
    (void)own_runs_room(&move->device, device, device->state, false);
    move->error = own_runs_room(&move->file, device, own->place, true);
    if (move->error == 0)
        move->error = fresh_room(move, true);
    if (move->error == 0)
        return;
    (void)own_runs_room(&move->file, device, own->place, false);
    (void)fresh_room(move, false);
    move->error_back = own_runs_room(&move->device, device, device->state, true);
}

static int stored(struct swap_map *map, uint32_t slot)
{
    check(slot < map->slots);
    return swap_map_commit(map, slot, 0);
}

/* The client is gone, and its file gives up all room when it ends: only then can the device have this back. */
static void leave_behind(struct room_move *move)
{
    struct swap_map *map = move->own->world->map;

    check(move->to_file);
    for (uint32_t i = 0; i < move->device.count; i++)
        for (uint32_t n = 0; n < move->device.run[i].count; n++) {
            uint32_t slot = move->device.run[i].first + n;

            if (own_runs_add(&move->own->left, slot) < 0)
                (void)swap_map_abort(map, slot); /* without its room */
        }
}

/* The file has the room: its books have the slots. */
static int file_grow(const struct room_move *move)
{
    struct own_file *own = move->own;
    int error = swap_map_grow(&own->map, move->fresh);

    if (error < 0)
        return error;
    check(own->retired_count >= move->slots - move->fresh);
    own->retired_count -= move->slots - move->fresh;
    each_slot(&move->file, &own->map, swap_map_abort);
    /* Cannot fail: the only client has no quota, and the slots are there. */
    error = swap_map_reserve(&own->map, 0, move->fresh, 0);
    ensure(error == 0);
    return 0;
}

static void end_to(struct room_move *move, bool gone)
{
    struct swap_map *map = move->own->world->map;
    const struct swap_device *device = move->own->world->device;

    check(move->to_file);
    if (gone) {
        leave_behind(move);
        return;
    }
    if (move->error == 0) {
        move->error = file_grow(move);
        if (move->error < 0)
            move->error_back = own_runs_room(&move->device, device, device->state, true);
    }
    each_slot(&move->device, map, move->error == 0 ? stored : swap_map_abort);
}

/* ---- From the file ---- */

/* Free slots of the file retire. */
static int file_retire(struct room_move *move)
{
    struct own_file *own = move->own;
    uint32_t wanted = own->retired_count + move->slots;
    uint32_t *retired;
    int error;

    check(!move->to_file);
    if (wanted > own->retired_room) {
        retired = realloc(own->retired, wanted * sizeof(*retired));
        if (retired == NULL)
            return -ENOMEM;
        own->retired = retired;
        own->retired_room = wanted;
    }
    error = slots_take(&own->map, 0, move->slots, &move->file);
    if (error < 0)
        return error;
    for (uint32_t i = 0; i < move->file.count; i++)
        for (uint32_t n = 0; n < move->file.run[i].count; n++)
            own->retired[own->retired_count++] = move->file.run[i].first + n;
    check(own->retired_count == wanted);
    return 0;
}

/* Which slots of the device get their room back. */
static int device_choose(struct room_move *move)
{
    const struct swap_map *map = move->own->world->map;
    uint32_t slot = swap_map_client(map, move->number)->first;
    int error = 0;

    check(!move->to_file);
    for (uint32_t i = 0; error == 0 && i < move->slots; i++) {
        ensure(slot != SWAP_NONE && map->slot[slot].state == SWAP_SLOT_STORED);
        error = own_runs_add(&move->device, slot);
        slot = map->slot[slot].next;
    }
    return error;
}

/* Out of the client's hands, and into nobody's until room_end. */
static void device_pin(const struct room_move *move)
{
    struct swap_map *map = move->own->world->map;

    check(!move->to_file);
    for (uint32_t i = 0; i < move->device.count; i++)
        for (uint32_t n = 0; n < move->device.run[i].count; n++) {
            uint32_t slot = move->device.run[i].first + n;
            uint64_t checksum;

            ensure(swap_map_load(map, move->number, slot, &checksum) == 0);
            ensure(swap_map_free(map, move->number, slot) == 0);
        }
}

static int begin_from(struct room_move *move)
{
    const struct swap_client *client = swap_map_client(move->own->world->map, move->number);
    int error;

    check(client != NULL && client->used >= own_used(move->own));
    if (client->used - own_used(move->own) < move->slots)
        return -EBUSY;
    error = device_choose(move);
    if (error == 0)
        error = file_retire(move);
    if (error == 0)
        device_pin(move);
    return error;
}

static void transfer_from(struct room_move *move)
{
    const struct swap_device *device = move->own->world->device;

    check(!move->to_file);
    (void)own_runs_room(&move->file, device, move->own->place, false);
    move->error_back = own_runs_room(&move->device, device, device->state, true);
}

/* ---- */

int room_begin(struct own_file *own, uint32_t number, uint32_t slots, bool to_file,
               struct room_move **movep)
{
    struct room_move *move;
    int error;

    check(slots > 0);
    if (own->moving)
        return -EAGAIN;
    move = malloc(sizeof(*move));
    if (move == NULL)
        return -ENOMEM;
    *move = (struct room_move){.own = own, .number = number, .slots = slots, .to_file = to_file};
    error = to_file ? begin_to(move) : begin_from(move);
    if (error < 0) {
        move_free(move);
        return error;
    }
    own->moving = true;
    *movep = move;
    return 0;
}

void room_transfer(struct room_move *move)
{
    check(move->own->moving);
    if (move->to_file)
        transfer_to(move);
    else
        transfer_from(move);
}

int room_end(struct room_move *move, bool gone)
{
    struct own_world *world = move->own->world;
    int error;

    check(move->own->moving);
    move->own->moving = false;
    if (move->to_file)
        end_to(move, gone);
    else
        each_slot(&move->device, world->map, swap_map_load_end);
    if (move->error_back < 0)
        log_line(&world->server->log, "device",
                 "room of %u slots cannot be reserved again: the file system is full", move->slots);
    error = move->error;
    move_free(move);
    return error;
}
