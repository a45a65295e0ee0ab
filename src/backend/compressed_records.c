/* What a kept device of compressed pages remembers. */
#include "backend/compressed_records.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/assert.h"
#include "base/error.h"

#define HEADER_VERSION 1u
#define NAME_BYTES     COMPRESSED_NAME

static const char header_magic[8] = "SELFPGCM";

/* The header of a kept device. */
struct header {
    char magic[8];
    char compressor[NAME_BYTES];
    uint32_t version;
    uint32_t pages;
    uint32_t blocks;
    uint32_t zero;
    uint64_t check;
};

/* Where a page of a kept device lies. All zeros: nowhere. */
struct compressed_record {
    uint64_t order; /* of two records that name one granule, the larger is right */
    uint64_t checksum;
    uint32_t block;
    uint16_t length;
    uint8_t first;
    uint8_t zero;
    uint64_t check; /* of the record and its page */
};
_Static_assert(sizeof(struct compressed_record) == 32, "a record must not straddle a sector");

static uint64_t record_check(const struct compressed_record *record, uint32_t page)
{
    return XXH3_64bits_withSeed(record, offsetof(struct compressed_record, check), page);
}

static uint64_t record_offset(uint32_t page)
{
    return SWAP_PAGE + (uint64_t)page * sizeof(struct compressed_record);
}

int compressed_records_write(struct compressed_device *device, uint32_t page, uint32_t count,
                             const struct space_place *place)
{
    struct compressed_record record[COMPRESSED_CHUNK];

    ensure(count <= COMPRESSED_CHUNK);
    for (uint32_t i = 0; i < count; i++) {
        record[i] = (struct compressed_record){.order = ++device->order,
                                               .checksum = place[i].checksum,
                                               .block = place[i].block,
                                               .length = place[i].length,
                                               .first = place[i].first};
        record[i].check = record_check(&record[i], page + i);
    }
    return device->below.backend->head_write(device->below.device, record_offset(page), record,
                                             count * (uint32_t)sizeof(record[0]));
}

int compressed_records_sync(struct compressed_device *device)
{
    int code;

    pthread_mutex_lock(&device->sync_lock);
    code = device->below.backend->sync(device->below.device);
    device->sync_broken = device->sync_broken || code < 0;
    pthread_mutex_unlock(&device->sync_lock);
    return code;
}

static uint64_t header_check(const struct header *header)
{
    return XXH3_64bits(header, offsetof(struct header, check));
}

static struct header header_of(const struct compressed_device *device)
{
    struct header header = {
        .version = HEADER_VERSION, .pages = device->pages, .blocks = device->space.blocks};

    memcpy(header.magic, header_magic, sizeof(header.magic));
    snprintf(header.compressor, NAME_BYTES, "%s", device->compressor->name);
    header.check = header_check(&header);
    return header;
}

int compressed_records_judge(const struct compressed_device *device, struct sp_error *error)
{
    struct header wanted = header_of(device), header = {0};
    const char *name = device->compressor->name;
    int code = device->below.backend->head_read(device->below.device, 0, &header, sizeof(header));

    if (code < 0)
        return error_set(error, -code, "cannot read the header of %s:: %s", name, strerror(-code));
    if (memcmp(header.magic, header_magic, sizeof(header_magic)) != 0)
        return error_set(
            error, EEXIST,
            "what is below %s: exists, and is not compressed: it is left alone; leave out "
            "%s:, or name another place",
            name, name);
    if (header.version != HEADER_VERSION)
        return error_set(error, EPROTO, "what is below %s: has version %u; this server knows %u",
                         name, header.version, HEADER_VERSION);
    if (header.check != header_check(&header))
        return error_set(error, EBADMSG, "what is below %s: has a damaged header", name);
    if (memcmp(header.compressor, wanted.compressor, NAME_BYTES) != 0)
        return error_set(error, EINVAL, "what is below %s: was compressed by %.*s: use that", name,
                         (int)NAME_BYTES - 1, header.compressor);
    if (header.pages != wanted.pages || header.blocks != wanted.blocks)
        return error_set(error, EINVAL,
                         "what is below %s: was made for %u pages in %u blocks, and not for %u in "
                         "%u: use the same --slots and ratio",
                         name, header.pages, header.blocks, wanted.pages, wanted.blocks);
    return 0;
}

/* A record of an earlier life. Of pages that claim one granule, the one that was written last has it. */
static void record_take(struct compressed_device *device, uint32_t page,
                        const struct compressed_record *record, uint64_t *order)
{
    struct space *space = &device->space;
    const struct space_place place = {.checksum = record->checksum,
                                      .block = record->block,
                                      .length = record->length,
                                      .first = record->first};
    uint32_t count = space_granules(record->length), other, next;

    if (record->order == 0 || record->check != record_check(record, page) ||
        record->block >= space->blocks || count == 0 || count > SPACE_GRANULES ||
        record->first + count > SPACE_GRANULES ||
        (record->length > COMPRESSED_WORTH && record->length != SWAP_PAGE))
        return;
    for (other = space->first[record->block]; other != SPACE_NONE; other = next) {
        const struct space_place *theirs = &space->place[other];

        next = theirs->next;
        if (theirs->first >= place.first + count ||
            place.first >= theirs->first + space_granules(theirs->length))
            continue;
        if (order[other] >= record->order)
            return;
        space_drop(space, other);
    }
    ensure(space_fits(space, place.block, place.first, place.length));
    space_put(space, page, &place);
    order[page] = record->order;
    if (record->order > device->order)
        device->order = record->order;
}

int compressed_records_load(struct compressed_device *device, struct sp_error *error)
{
    uint64_t *order = calloc(device->pages, sizeof(*order));
    struct compressed_record *record = malloc(COMPRESSED_CHUNK * SWAP_PAGE);
    uint32_t most = COMPRESSED_CHUNK * SWAP_PAGE / (uint32_t)sizeof(*record);
    int code = order == NULL || record == NULL ? -ENOMEM : 0;

    for (uint32_t page = 0, some; code == 0 && page < device->pages; page += some) {
        some = device->pages - page < most ? device->pages - page : most;
        code = device->below.backend->head_read(device->below.device, record_offset(page), record,
                                                some * (uint32_t)sizeof(*record));
        for (uint32_t i = 0; code == 0 && i < some; i++)
            record_take(device, page + i, &record[i], order);
    }
    free(order);
    free(record);
    if (code < 0)
        return error_set(error, -code, "cannot read the records of %s:: %s",
                         device->compressor->name, strerror(-code));
    return 0;
}

int compressed_records_create(struct compressed_device *device, struct sp_error *error)
{
    struct header header = header_of(device);
    int code = device->below.backend->head_write(device->below.device, 0, &header, sizeof(header));

    if (code < 0)
        return error_set(error, -code, "cannot write the header of %s:: %s",
                         device->compressor->name, strerror(-code));
    return 0;
}

uint64_t compressed_records_bytes(uint32_t pages)
{
    return (record_offset(pages) + SWAP_PAGE - 1) / SWAP_PAGE * SWAP_PAGE;
}
