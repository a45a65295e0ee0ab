/* Pages of a device of compressed pages: packed and written, read and expanded. */
#include "backend/compressed_pages.h"

#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "backend/compressed_merge.h"
#include "backend/compressed_records.h"
#include "backend/compressed_worker.h"
#include "base/assert.h"

/* Pages of one write, packed. */
struct packing {
    uint32_t blocks;
    uint32_t block[COMPRESSED_CHUNK]; /* of the device below */
    uint8_t fill[COMPRESSED_CHUNK];   /* granules */
    struct space_place
        place[COMPRESSED_CHUNK]; /* .block is an index of `block` until that is known */
};

/* Find `granules` neighbours in the blocks of a packing: the index of the block. */
static uint32_t packing_room(struct packing *packing, uint32_t granules)
{
    for (uint32_t i = 0; i < packing->blocks; i++)
        if (packing->fill[i] + granules <= SPACE_GRANULES)
            return i;
    packing->fill[packing->blocks] = 0;
    return packing->blocks++;
}

static void packing_add(struct packing *packing, uint32_t page, const void *bytes, uint32_t length,
                        uint8_t *blocks)
{
    uint32_t granules = space_granules(length), block = packing_room(packing, granules);
    uint8_t *to = blocks + (size_t)block * SWAP_PAGE + packing->fill[block] * SPACE_GRANULE;

    ensure(block < COMPRESSED_CHUNK && length > 0);
    memcpy(to, bytes, length);
    memset(to + length, 0, granules * SPACE_GRANULE - length);
    packing->place[page] = (struct space_place){.checksum = XXH3_64bits(bytes, length),
                                                .block = block,
                                                .next = SPACE_NONE,
                                                .length = (uint16_t)length,
                                                .first = packing->fill[block]};
    packing->fill[block] = (uint8_t)(packing->fill[block] + granules);
}

static void packing_make(struct packing *packing, const struct compressor *compressor,
                         struct worker *worker, const uint8_t *pages, uint32_t count)
{
    uint8_t bytes[COMPRESSED_WORTH];

    packing->blocks = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *page = pages + (size_t)i * SWAP_PAGE;
        uint32_t length = compressor->compress(worker->context, bytes, COMPRESSED_WORTH, page);

        ensure(length <= COMPRESSED_WORTH);
        packing_add(packing, i, length > 0 ? bytes : page, length > 0 ? length : SWAP_PAGE,
                    worker->bytes);
    }
    for (uint32_t i = 0; i < packing->blocks; i++) /* nothing of an earlier call is written */
        memset(worker->bytes + (size_t)i * SWAP_PAGE + packing->fill[i] * SPACE_GRANULE, 0,
               (SPACE_GRANULES - packing->fill[i]) * SPACE_GRANULE);
}

/* Drop what the pages held, and give them blocks. If blocks are merged for that, worker->bytes are lost. */
static int packing_place(struct compressed_device *device, struct packing *packing, uint32_t page,
                         uint32_t count, struct worker *spare)
{
    struct space *space = &device->space;
    int code = 0;

    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < count; i++)
        space_drop(space, page + i);
    while (code == 0 && space->blocks_free < packing->blocks + device->kept_back)
        code = spare != NULL ? compressed_merge(device, spare) : -EAGAIN;
    for (uint32_t i = 0; code == 0 && i < packing->blocks; i++) {
        packing->block[i] = space_take(space);
        ensure(packing->block[i] != SPACE_NONE);
    }
    pthread_mutex_unlock(&device->lock);
    for (uint32_t i = 0; code == 0 && i < count; i++)
        packing->place[i].block = packing->block[packing->place[i].block];
    return code;
}

/* The blocks of a packing that are neighbours are written as one. */
static int packing_write(const struct compressed_device *device, const struct packing *packing,
                         const uint8_t *bytes)
{
    const struct below *below = &device->below;
    int code = 0;

    for (uint32_t i = 0, run; i < packing->blocks && code == 0; i += run) {
        for (run = 1; i + run < packing->blocks; run++)
            if (packing->block[i + run] != packing->block[i] + run)
                break;
        code = below->backend->write(below->device, packing->block[i], run,
                                     bytes + (size_t)i * SWAP_PAGE);
    }
    return code;
}

/* The pages are where the packing says, if it was written (`code` is 0), and nobody writes its blocks any
 * more. */
static int packing_commit(struct compressed_device *device, const struct packing *packing,
                          uint32_t page, uint32_t count, int code)
{
    pthread_mutex_lock(&device->head_lock);
    if (code == 0 && device->keep)
        code = compressed_records_write(device, page, count, packing->place);
    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; code == 0 && i < count; i++)
        space_put(&device->space, page + i, &packing->place[i]);
    for (uint32_t i = 0; i < packing->blocks; i++)
        space_unpin(&device->space, packing->block[i]);
    pthread_mutex_unlock(&device->lock);
    pthread_mutex_unlock(&device->head_lock);
    return code;
}

/* Find room, by compaction if it must be. */
static int packing_place_hard(struct compressed_device *device, struct packing *packing,
                              uint32_t page, uint32_t count)
{
    int code = packing_place(device, packing, page, count, NULL);
    struct worker *spare;

    if (code != -EAGAIN)
        return code;
    spare = compressed_worker_take(device);
    if (spare == NULL)
        return -ENOMEM;
    code = packing_place(device, packing, page, count, spare);
    compressed_worker_give(device, spare);
    return code;
}

static int chunk_write(struct compressed_device *device, struct worker *worker, uint32_t page,
                       uint32_t count, const uint8_t *pages)
{
    struct packing packing;
    int code;

    packing_make(&packing, device->compressor, worker, pages, count);
    code = packing_place_hard(device, &packing, page, count);
    if (code < 0)
        return code;
    code = packing_write(device, &packing, worker->bytes);
    return packing_commit(device, &packing, page, count, code);
}

int compressed_pages_write(struct compressed_device *device, uint32_t page, uint32_t count,
                           const void *pages)
{
    struct worker *worker = compressed_worker_take(device);
    int code = worker == NULL ? -ENOMEM : 0;

    ensure(page < device->pages && count <= device->pages - page);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        some = count - done < COMPRESSED_CHUNK ? count - done : COMPRESSED_CHUNK;
        code = chunk_write(device, worker, page + done, some,
                           (const uint8_t *)pages + (size_t)done * SWAP_PAGE);
    }
    if (worker != NULL)
        compressed_worker_give(device, worker);
    return code;
}

static int page_expand(const struct compressed_device *device, struct worker *worker,
                       const struct space_place *place, const uint8_t *block, void *page)
{
    const uint8_t *bytes = block + place->first * SPACE_GRANULE;

    if (XXH3_64bits(bytes, place->length) != place->checksum)
        return -EBADMSG;
    if (place->length == SWAP_PAGE)
        memcpy(page, bytes, SWAP_PAGE);
    else if (!device->compressor->expand(worker->context, page, bytes, place->length))
        return -EBADMSG;
    return 0;
}

/* Pages of neighbouring blocks, from the i-th on: how many there are. */
static uint32_t places_run(const struct space_place *place, uint32_t count)
{
    uint32_t run = 1;

    while (
        run < count && place[run].block != SPACE_NONE &&
        (place[run].block == place[run - 1].block || place[run].block == place[run - 1].block + 1))
        run++;
    return run;
}

static int places_read(const struct compressed_device *device, struct worker *worker,
                       const struct space_place *place, uint32_t count, uint8_t *pages)
{
    const struct below *below = &device->below;
    int code = 0;

    for (uint32_t i = 0, run; i < count && code == 0; i += run) {
        uint32_t first = place[i].block;

        if (first == SPACE_NONE) { /* it was never written */
            memset(pages + (size_t)i * SWAP_PAGE, 0, SWAP_PAGE);
            run = 1;
            continue;
        }
        run = places_run(place + i, count - i);
        code = below->backend->read(below->device, first, place[i + run - 1].block - first + 1,
                                    worker->bytes);
        for (uint32_t j = i; code == 0 && j < i + run; j++)
            code = page_expand(device, worker, &place[j],
                               worker->bytes + (size_t)(place[j].block - first) * SWAP_PAGE,
                               pages + (size_t)j * SWAP_PAGE);
    }
    return code;
}

static int chunk_read(struct compressed_device *device, struct worker *worker, uint32_t page,
                      uint32_t count, uint8_t *pages)
{
    struct space_place place[COMPRESSED_CHUNK];
    int code;

    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < count; i++) {
        place[i] = device->space.place[page + i];
        if (place[i].block != SPACE_NONE)
            space_pin(&device->space, place[i].block);
    }
    pthread_mutex_unlock(&device->lock);
    code = places_read(device, worker, place, count, pages);
    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < count; i++)
        if (place[i].block != SPACE_NONE)
            space_unpin(&device->space, place[i].block);
    pthread_mutex_unlock(&device->lock);
    return code;
}

int compressed_pages_read(struct compressed_device *device, uint32_t page, uint32_t count,
                          void *pages)
{
    struct worker *worker = compressed_worker_take(device);
    int code = worker == NULL ? -ENOMEM : 0;

    ensure(page < device->pages && count <= device->pages - page);
    for (uint32_t done = 0, some; code == 0 && done < count; done += some) {
        some = count - done < COMPRESSED_CHUNK ? count - done : COMPRESSED_CHUNK;
        code = chunk_read(device, worker, page + done, some,
                          (uint8_t *)pages + (size_t)done * SWAP_PAGE);
    }
    if (worker != NULL)
        compressed_worker_give(device, worker);
    return code;
}

void compressed_pages_discard(struct compressed_device *device, uint32_t page, uint32_t count)
{
    ensure(page < device->pages && count <= device->pages - page);
    pthread_mutex_lock(&device->lock);
    for (uint32_t i = 0; i < count; i++)
        space_drop(&device->space, page + i);
    pthread_mutex_unlock(&device->lock);
}
