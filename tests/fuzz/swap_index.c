/* Any bytes as the file of a kept swap device; and a good file with some bytes changed: each record
 * is then as it was stored, or counts as free. The first byte chooses. */
#include <stdbool.h>
#include <string.h>

#include <errno.h>

#include "backend/swap_backend.h"
#include "base/random.h"
#include "file_input.h"
#include "index.h"

#define SLOTS   40u
#define CLIENTS 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Look at all that an index tells. */
static void look(const struct swap_index *index, bool ours)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct index_slot *slot = swap_index_slot(index, i);

        if (ours && slot != NULL && (slot->client != i % CLIENTS || slot->checksum != i + 1))
            abort();
    }
    for (uint32_t i = 0; i < SWAP_INDEX_CLIENTS; i++) {
        const struct index_client *client = swap_index_client(index, i);

        if (client == NULL)
            continue;
        if (ours && (i >= CLIENTS || client->key != i + 1 || client->reserved != 10 * i))
            abort();
    }
}

static int head_write(void *device, uint64_t offset, const void *bytes, uint32_t count)
{
    const int *fd = device;

    return pwrite(*fd, bytes, count, (off_t)offset) == (ssize_t)count ? 0 : -EIO;
}

static int head_read(void *device, uint64_t offset, void *bytes, uint32_t count)
{
    const int *fd = device;

    return pread(*fd, bytes, count, (off_t)offset) == (ssize_t)count ? 0 : -EIO;
}

/* A backend that has nothing but a head: the file whose descriptor is the device. */
static const struct swap_backend heads = {
    .name = "heads", .head_write = head_write, .head_read = head_read};

/* A device with some clients, each of which has some slots. */
static void fill(int fd)
{
    struct swap_index *index = NULL;

    if (ftruncate(fd, (off_t)swap_index_data_offset(SLOTS)) != 0 ||
        swap_index_create(&index, &heads, &fd, SLOTS, "device", NULL) != 0)
        abort();
    for (uint32_t i = 0; i < CLIENTS; i++) {
        const struct index_client client = {.key = i + 1, .id = i + 1, .reserved = 10 * i};

        if (swap_index_set_client(index, i, &client) != 0)
            abort();
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t checksum = i + 1;

        if (i % 4 != 0 &&
            swap_index_store(index, i % CLIENTS, i % CLIENTS + 1, &i, &checksum, 1) != 0)
            abort();
    }
    swap_index_free(&index);
}

/* Change bytes: three bytes of the input say where, and one what. */
static void damage(int fd, const uint8_t *data, size_t size)
{
    uint64_t bytes = swap_index_data_offset(SLOTS);

    for (; size >= 4; data += 4, size -= 4) {
        uint64_t at = data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16;

        if (pwrite(fd, data + 3, 1, (off_t)(at % bytes)) != 1)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct swap_index *index = NULL;
    struct sp_error error = {0};
    bool ours = size > 0 && data[0] % 4 != 0;
    char path[40];
    int fd = file_of(data, ours ? 0 : size, path);

    if (ours) {
        fill(fd);
        damage(fd, data + 1, size - 1);
    }
    if (swap_index_load(&index, &heads, &fd, SLOTS, "device", &error) == 0)
        look(index, ours);
    else if (error.text[0] == '\0')
        abort();
    swap_index_free(&index);
    close(fd);
    return 0;
}
