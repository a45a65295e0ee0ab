/* The index of a kept device. */
#include "base/assert.h"
#include "index.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "backend/swap_backend.h"
#include "base/error.h"

#define BLOCK             4096u
#define READ_MOST         (1u << 24) /* bytes of one transfer */
#define INDEX_VERSION     1u
#define CLIENTS_PER_BLOCK (BLOCK / sizeof(struct index_client))
#define SLOTS_PER_BLOCK   (BLOCK / sizeof(struct index_slot))
#define CLIENT_BLOCKS     (SWAP_INDEX_CLIENTS / CLIENTS_PER_BLOCK)

static const char index_magic[16] = "selfpage swap\r\n";

struct index_header {
    char magic[16];
    uint32_t version;
    uint32_t page_size;
    uint32_t slots;
    uint32_t clients;
    uint64_t data;
    uint64_t check;
};

struct swap_index {
    const struct swap_backend *backend;
    void *device; /* the backend's */
    uint32_t slots;
    uint32_t slot_blocks;
    pthread_mutex_t lock;        /* guards what follows, and the order of writes to a block */
    struct index_client *client; /* CLIENT_BLOCKS blocks */
    uint64_t clients_written;    /* bit i: block i of them, since the start */
    struct index_slot *slot;     /* slot_blocks blocks */
};

static uint32_t slot_blocks_of(uint32_t slots)
{
    check(slots > 0);
    return (uint32_t)((slots - 1) / SLOTS_PER_BLOCK + 1);
}

uint64_t swap_index_data_offset(uint32_t slots)
{
    check(slots > 0);
    return (uint64_t)BLOCK * (1 + CLIENT_BLOCKS + slot_blocks_of(slots));
}

/* The place is part of the check, so that a record that strayed to another one is bad. */
static uint64_t slot_check(const struct index_slot *record, uint32_t slot)
{
    return XXH3_64bits_withSeed(record, offsetof(struct index_slot, check), slot);
}

static uint64_t client_check(const struct index_client *record, uint32_t number)
{
    check(number < SWAP_INDEX_CLIENTS);
    return XXH3_64bits_withSeed(record, offsetof(struct index_client, check), number);
}

static uint64_t header_check(const struct index_header *header)
{
    return XXH3_64bits(header, offsetof(struct index_header, check));
}

static int bytes_write(const struct swap_index *index, const void *bytes, uint32_t count,
                       uint64_t offset)
{
    check(count > 0 && offset + count <= swap_index_data_offset(index->slots));
    return index->backend->head_write(index->device, offset, bytes, count);
}

/* Read bytes, in several transfers if necessary. */
static int bytes_read(const struct swap_index *index, void *bytes, uint64_t count, uint64_t offset)
{
    char *next = bytes;

    check(count > 0);
    while (count > 0) {
        uint32_t some = count < READ_MOST ? (uint32_t)count : READ_MOST;
        int code = index->backend->head_read(index->device, offset, next, some);

        if (code < 0)
            return code;
        next += some;
        offset += some;
        count -= some;
    }
    return 0;
}

static int clients_block_write(const struct swap_index *index, uint32_t block)
{
    check(block < CLIENT_BLOCKS);
    return bytes_write(index, index->client + block * CLIENTS_PER_BLOCK, BLOCK,
                       (uint64_t)BLOCK * (1 + block));
}

static int slots_block_write(const struct swap_index *index, uint32_t block)
{
    check(block < index->slot_blocks);
    return bytes_write(index, index->slot + block * SLOTS_PER_BLOCK, BLOCK,
                       (uint64_t)BLOCK * (1 + CLIENT_BLOCKS + block));
}

static struct swap_index *index_new(const struct swap_backend *backend, void *device,
                                    uint32_t slots)
{
    struct swap_index *index = calloc(1, sizeof(*index));

    if (index == NULL)
        return NULL;
    index->backend = backend;
    index->device = device;
    index->slots = slots;
    index->slot_blocks = slot_blocks_of(slots);
    check((uint64_t)index->slot_blocks * SLOTS_PER_BLOCK >= slots);
    index->client = calloc(CLIENT_BLOCKS, BLOCK);
    index->slot = calloc(index->slot_blocks, BLOCK);
    pthread_mutex_init(&index->lock, NULL);
    if (index->client == NULL || index->slot == NULL)
        swap_index_free(&index);
    return index;
}

void swap_index_free(struct swap_index **index)
{
    if (*index == NULL)
        return;
    pthread_mutex_destroy(&(*index)->lock);
    free((*index)->client);
    free((*index)->slot);
    free(*index);
    *index = NULL;
}

static struct index_header header_of(uint32_t slots)
{
    struct index_header header = {.version = INDEX_VERSION,
                                  .page_size = BLOCK,
                                  .slots = slots,
                                  .clients = SWAP_INDEX_CLIENTS,
                                  .data = swap_index_data_offset(slots)};

    memcpy(header.magic, index_magic, sizeof(header.magic));
    header.check = header_check(&header);
    check(header.data % BLOCK == 0);
    return header;
}

int swap_index_create(struct swap_index **index, const struct swap_backend *backend, void *device,
                      uint32_t slots, const char *path, struct sp_error *error)
{
    struct index_header header = header_of(slots);
    int code;

    *index = index_new(backend, device, slots);
    if (*index == NULL)
        return error_set(error, ENOMEM, "no memory for the index of %s", path);
    check(header_check(&header) == header.check);
    code = bytes_write(*index, &header, sizeof(header), 0);
    if (code < 0) {
        swap_index_free(index);
        return error_set(error, -code, "cannot write the header of %s: %s", path, strerror(-code));
    }
    return 0;
}

/* Is this the header of a device that this server, with this many slots, can use? */
static int header_judge(const struct index_header *header, uint32_t slots, const char *path,
                        struct sp_error *error)
{
    if (memcmp(header->magic, index_magic, sizeof(index_magic)) != 0)
        return error_set(error, EEXIST,
                         "%s exists and is not a swap file of selfpage: it is left alone; name "
                         "another file or remove it",
                         path);
    if (header->version != INDEX_VERSION)
        return error_set(error, EPROTO, "%s has version %u; this server knows version %u", path,
                         header->version, INDEX_VERSION);
    if (header->check != header_check(header))
        return error_set(error, EBADMSG, "%s has a damaged header", path);
    if (header->page_size != BLOCK)
        return error_set(error, EINVAL, "%s has pages of %u bytes; this server's have %u", path,
                         header->page_size, BLOCK);
    if (header->slots != slots)
        return error_set(error, EINVAL,
                         "%s has %u slots: start with --slots %u, or name another file", path,
                         header->slots, header->slots);
    if (header->clients != SWAP_INDEX_CLIENTS || header->data != swap_index_data_offset(slots))
        return error_set(error, EPROTO, "%s has another layout than this server's", path);
    check(header->data % BLOCK == 0);
    return 0;
}

/* Forget records that fail their check. */
static void records_check(struct swap_index *index)
{
    check((uint64_t)index->slot_blocks * SLOTS_PER_BLOCK >= index->slots);
    for (uint32_t i = 0; i < SWAP_INDEX_CLIENTS; i++) {
        struct index_client *client = &index->client[i];

        if (client->check != client_check(client, i) || client->key == 0)
            memset(client, 0, sizeof(*client));
        client->name[SWAP_INDEX_NAME - 1] = '\0';
    }
    for (uint32_t i = 0; i < index->slots; i++) {
        struct index_slot *slot = &index->slot[i];

        if (slot->check != slot_check(slot, i) || slot->key == 0)
            memset(slot, 0, sizeof(*slot));
    }
}

int swap_index_load(struct swap_index **index, const struct swap_backend *backend, void *device,
                    uint32_t slots, const char *path, struct sp_error *error)
{
    struct index_header header;
    int code;

    memset(&header, 0, sizeof(header));
    code = backend->head_read(device, 0, &header, sizeof(header));
    if (code < 0 && code != -EIO)
        return error_set(error, -code, "cannot read %s: %s", path, strerror(-code));
    code = header_judge(&header, slots, path, error);
    if (code < 0)
        return code;
    *index = index_new(backend, device, slots);
    if (*index == NULL)
        return error_set(error, ENOMEM, "no memory for the index of %s", path);
    code = bytes_read(*index, (*index)->client, (uint64_t)CLIENT_BLOCKS * BLOCK, BLOCK);
    if (code == 0)
        code = bytes_read(*index, (*index)->slot, (uint64_t)(*index)->slot_blocks * BLOCK,
                          (uint64_t)BLOCK * (1 + CLIENT_BLOCKS));
    if (code < 0) {
        swap_index_free(index);
        return error_set(error, -code, "cannot read the index of %s: %s", path, strerror(-code));
    }
    check((*index)->slots == slots);
    records_check(*index);
    return 0;
}

const struct index_slot *swap_index_slot(const struct swap_index *index, uint32_t slot)
{
    ensure(slot < index->slots);
    return index->slot[slot].key != 0 ? &index->slot[slot] : NULL;
}

const struct index_client *swap_index_client(const struct swap_index *index, uint32_t number)
{
    ensure(number < SWAP_INDEX_CLIENTS);
    return index->client[number].key != 0 ? &index->client[number] : NULL;
}

/* Write each block that one of the slots lies in; a run of neighbours in one block is written once.
 */
static int slots_write(const struct swap_index *index, const uint32_t *slots, uint32_t count)
{
    uint32_t written = UINT32_MAX;

    check(count <= SWAP_INDEX_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = (uint32_t)(slots[i] / SLOTS_PER_BLOCK);
        int code = block == written ? 0 : slots_block_write(index, block);

        if (code < 0)
            return code;
        written = block;
    }
    return 0;
}

/* Change the records of some slots to `records`, in the file and in memory or not at all. */
static int slots_change(struct swap_index *index, const uint32_t *slots,
                        const struct index_slot *records, uint32_t count)
{
    struct index_slot before[SWAP_INDEX_BATCH];
    int code;

    check(count <= SWAP_INDEX_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        ensure(slots[i] < index->slots);
        before[i] = index->slot[slots[i]];
        index->slot[slots[i]] = records[i];
    }
    code = slots_write(index, slots, count);
    if (code < 0) {
        for (uint32_t i = 0; i < count; i++)
            index->slot[slots[i]] = before[i];
        /* Errors are ignored: the device has just failed. */
        (void)slots_write(index, slots, count);
    }
    return code;
}

int swap_index_store(struct swap_index *index, uint32_t number, uint64_t key, const uint32_t *slots,
                     const uint64_t *checksums, uint32_t count)
{
    struct index_slot records[SWAP_INDEX_BATCH];
    int code;

    check(key != 0 && number < SWAP_INDEX_CLIENTS);
    if (count > SWAP_INDEX_BATCH)
        return -EINVAL;
    pthread_mutex_lock(&index->lock);
    for (uint32_t i = 0; i < count; i++) {
        check(slots[i] < index->slots);
        records[i] = (struct index_slot){.key = key, .checksum = checksums[i], .client = number};
        records[i].check = slot_check(&records[i], slots[i]);
    }
    code = slots_change(index, slots, records, count);
    pthread_mutex_unlock(&index->lock);
    return code;
}

int swap_index_clear(struct swap_index *index, const uint32_t *slots, uint32_t count)
{
    static const struct index_slot records[SWAP_INDEX_BATCH];
    int code;

    if (count > SWAP_INDEX_BATCH)
        return -EINVAL;
    check(count > 0);
    pthread_mutex_lock(&index->lock);
    code = slots_change(index, slots, records, count);
    pthread_mutex_unlock(&index->lock);
    return code;
}

int swap_index_set_client(struct swap_index *index, uint32_t number,
                          const struct index_client *client)
{
    struct index_client *record = &index->client[number];
    struct index_client before = *record;
    int code;

    ensure(number < SWAP_INDEX_CLIENTS);
    pthread_mutex_lock(&index->lock);
    if (client != NULL) {
        *record = *client;
        record->check = client_check(record, number);
    } else {
        memset(record, 0, sizeof(*record));
    }
    index->clients_written |= UINT64_C(1) << number / CLIENTS_PER_BLOCK;
    code = clients_block_write(index, (uint32_t)(number / CLIENTS_PER_BLOCK));
    if (code < 0)
        *record = before;
    pthread_mutex_unlock(&index->lock);
    return code;
}

int swap_index_rewrite(struct swap_index *index)
{
    int code = 0;

    pthread_mutex_lock(&index->lock);
    check((index->clients_written >> (CLIENT_BLOCKS - 1)) <= 1);
    for (uint32_t block = 0; block < CLIENT_BLOCKS && code == 0; block++)
        if ((index->clients_written >> block & 1) != 0)
            code = clients_block_write(index, block);
    pthread_mutex_unlock(&index->lock);
    return code;
}
