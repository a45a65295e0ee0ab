/* Making room on a device of compressed pages. */
#include "backend/compressed_merge.h"

#include <errno.h>
#include <string.h>

#include "backend/compressed_records.h"
#include "base/assert.h"

/* A page that is moved. */
struct move {
    uint32_t page;
    struct space_place from;
    struct space_place to;
};

/* List the pages of a block, and where they are to go: to granule `fill` and behind of block `to`. With the
 * lock. Returns how many there are. */
static uint32_t moves_list(const struct space *space, uint32_t block, uint32_t to, uint32_t *fill,
                           struct move *move)
{
    uint32_t count = 0;

    for (uint32_t page = space->first[block]; page != SPACE_NONE; page = space->place[page].next) {
        struct move *one = &move[count++];

        one->page = page;
        one->from = one->to = space->place[page];
        one->to.block = to;
        one->to.first = (uint8_t)*fill;
        *fill += space_granules(one->to.length);
    }
    ensure(*fill <= SPACE_GRANULES);
    return count;
}

/* Copy the bytes. Without the lock. */
static int moves_copy(struct compressed_device *device, const struct move *move, uint32_t count,
                      struct worker *worker)
{
    const struct below *below = &device->below;
    uint8_t *from = worker->bytes, *to = worker->bytes + SWAP_PAGE;
    uint32_t block = SPACE_NONE;
    int code = 0;

    memset(to, 0, SWAP_PAGE);
    for (uint32_t i = 0; i < count && code == 0; i++) {
        if (move[i].from.block != block)
            code = below->backend->read(below->device, move[i].from.block, 1, from);
        block = move[i].from.block;
        memcpy(to + move[i].to.first * SPACE_GRANULE, from + move[i].from.first * SPACE_GRANULE,
               move[i].to.length);
    }
    if (code == 0)
        code = below->backend->write(below->device, move[0].to.block, 1, to);
    return code == 0 && device->sync ? compressed_records_sync(device) : code;
}

/* The pages that are still where they were are at their new places from now on. Without the locks. */
static int moves_commit(struct compressed_device *device, const struct move *move, uint32_t count)
{
    int code = 0;

    pthread_mutex_lock(&device->head_lock);
    for (uint32_t i = 0; i < count; i++) {
        struct space_place *place = &device->space.place[move[i].page];
        bool stays;

        pthread_mutex_lock(&device->lock);
        stays = place->block == move[i].from.block && place->first == move[i].from.first;
        if (stays) {
            space_drop(&device->space, move[i].page);
            space_put(&device->space, move[i].page, &move[i].to);
        }
        pthread_mutex_unlock(&device->lock);
        if (stays && device->keep && code == 0)
            code = compressed_records_write(device, move[i].page, 1, &move[i].to);
    }
    pthread_mutex_unlock(&device->head_lock);
    return code == 0 && device->sync ? compressed_records_sync(device) : code;
}

/* Move pages of some blocks to one. With the lock, which is released meanwhile. Returns -ENOSPC if there is
 * nothing to gain. */
static int blocks_merge(struct compressed_device *device, struct worker *worker)
{
    struct space *space = &device->space;
    uint32_t blocks[SPACE_GRANULES], count = 0, fill = 0;
    struct move move[SPACE_GRANULES];
    uint32_t emptied = space_emptiest(space, blocks, SPACE_GRANULES);
    uint32_t to = emptied >= 2 ? space_take(space) : SPACE_NONE;
    bool trusted = true;
    int code;

    if (to == SPACE_NONE)
        return -ENOSPC;
    for (uint32_t i = 0; i < emptied; i++) {
        space_pin(space, blocks[i]);
        count += moves_list(space, blocks[i], to, &fill, move + count);
    }
    pthread_mutex_unlock(&device->lock);
    code = moves_copy(device, move, count, worker);
    if (code == 0) {
        code = moves_commit(device, move, count);
        trusted = code == 0;
    }
    pthread_mutex_lock(&device->lock);
    device->compactions += code == 0;
    /* If a record may be old or new, neither place is used again: the blocks stay pinned. */
    for (uint32_t i = 0; trusted && i < emptied; i++)
        space_unpin(space, blocks[i]);
    if (trusted)
        space_unpin(space, to);
    return code;
}

int compressed_merge(struct compressed_device *device, struct worker *worker)
{
    int code = 0;

    if (device->compacting) {
        while (device->compacting)
            pthread_cond_wait(&device->compacted, &device->lock);
        return 0;
    }
    device->compacting = true;
    code = blocks_merge(device, worker);
    device->compacting = false;
    pthread_cond_broadcast(&device->compacted);
    return code;
}
