/* The swap device's books: each rule on its own, and tens of thousands of random steps against a
 * model that keeps nothing but arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "core/swap/map.h"

/* Memory with a count of the bytes out, and a number of allocations after which there is none. */
struct test_memory {
    size_t bytes;
    int left; /* allocations before failure; -1: never fail */
};

static void *memory_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    struct test_memory *memory = context;
    void *new_block;

    if (new_size == 0) {
        memory->bytes -= old_size;
        free(block);
        return NULL;
    }
    if (memory->left == 0)
        return NULL;
    if (memory->left > 0)
        memory->left--;
    new_block = realloc(block, new_size);
    assert_non_null(new_block);
    memory->bytes += new_size - old_size;
    return new_block;
}

static struct allocator memory_allocator(struct test_memory *memory)
{
    return (struct allocator){.resize = memory_resize, .context = memory};
}

static void map_make(struct swap_map *map, struct test_memory *memory, uint32_t slots)
{
    *memory = (struct test_memory){.left = -1};
    assert_int_equal(swap_map_init(map, slots, memory_allocator(memory)), 0);
}

static void map_end(struct swap_map *map, struct test_memory *memory)
{
    swap_map_fini(map);
    assert_int_equal(memory->bytes, 0);
}

/* Store `count` pages at once, with checksum = slot. */
static void store(struct swap_map *map, uint32_t client, uint32_t count, uint32_t *slots)
{
    assert_int_equal(swap_map_store(map, client, count, slots), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(swap_map_commit(map, slots[i], slots[i]), 0);
}

static void test_sizes(void **state)
{
    struct test_memory memory = {.left = -1};
    struct swap_map map;

    (void)state;
    assert_int_equal(sizeof(struct swap_slot), 24);
    assert_int_equal(swap_map_init(&map, 0, memory_allocator(&memory)), -EINVAL);
    assert_int_equal(swap_map_init(&map, SWAP_NONE, memory_allocator(&memory)), -EINVAL);
    for (int left = 0; left < 2; left++) {
        memory.left = left;
        assert_int_equal(swap_map_init(&map, 100, memory_allocator(&memory)), -ENOMEM);
        assert_int_equal(memory.bytes, 0);
    }
    map_make(&map, &memory, 1);
    memory.left = 0;
    assert_int_equal(swap_map_add(&map, 0, 1), -ENOMEM);
    assert_int_equal(map.clients, 0);
    map_end(&map, &memory);
}

static void test_clients(void **state)
{
    struct test_memory memory;
    struct swap_map map;

    (void)state;
    map_make(&map, &memory, 64);
    assert_null(swap_map_client(&map, 0));
    assert_null(swap_map_client(&map, SWAP_NONE));
    assert_int_equal(swap_map_add(&map, 3, 64), 0);
    assert_int_equal(swap_map_add(&map, 3, 64), -EEXIST);
    assert_int_equal(swap_map_add(&map, SWAP_CLIENTS_MAX, 64), -EINVAL);
    assert_int_equal(swap_map_add(&map, SWAP_CLIENTS_MAX - 1, 64), 0);
    assert_non_null(swap_map_client(&map, 3));
    assert_null(swap_map_client(&map, 2));
    assert_int_equal(map.clients, 2);
    assert_int_equal(swap_map_remove(&map, 2), -ENOENT);
    assert_int_equal(swap_map_remove(&map, SWAP_NONE), -ENOENT);
    assert_int_equal(swap_map_remove(&map, 3), 0);
    assert_int_equal(swap_map_remove(&map, 3), -ENOENT);
    assert_int_equal(map.clients, 1);
    map_end(&map, &memory);
}

static void test_reserve(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[8];

    (void)state;
    map_make(&map, &memory, 100);
    swap_map_add(&map, 0, 80);
    swap_map_add(&map, 1, 80);
    assert_int_equal(swap_map_reserve(&map, 2, 1, 0), -ENOENT);
    assert_int_equal(swap_map_reserve(&map, 0, 81, 0), -EDQUOT);
    assert_int_equal(swap_map_reserve(&map, 0, UINT32_MAX, 0), -EDQUOT);
    assert_int_equal(swap_map_reserve(&map, 0, 80, 0), 0);
    assert_int_equal(swap_map_reserve(&map, 1, 21, 0), -ENOSPC);
    assert_int_equal(swap_map_reserve(&map, 1, 20, 0), 0);
    assert_int_equal(swap_map_reserve(&map, 1, 0, 21), -EINVAL);
    assert_int_equal(swap_map_reserve(&map, 1, UINT32_MAX, UINT32_MAX), 0);
    assert_int_equal(swap_map_reserve(&map, 1, 10, 10), 0);
    store(&map, 1, 8, slots);
    assert_int_equal(swap_map_reserve(&map, 1, 0, 13), -EBUSY);
    assert_int_equal(swap_map_reserve(&map, 1, 0, 12), 0);
    assert_int_equal(swap_map_store(&map, 1, 1, slots), -ENOSPC);
    assert_int_equal(map.reserved, 88);
    swap_map_remove(&map, 1);
    assert_int_equal(map.reserved, 80);
    assert_int_equal(map.used, 0);
    map_end(&map, &memory);
}

static void test_slot_life(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[2];
    uint64_t checksum;

    (void)state;
    map_make(&map, &memory, 10);
    swap_map_add(&map, 0, 10);
    swap_map_add(&map, 1, 10);
    swap_map_reserve(&map, 0, 10, 0);
    assert_int_equal(swap_map_store(&map, 0, 0, slots), -EINVAL);
    assert_int_equal(swap_map_store(&map, 0, SWAP_STORE_MAX + 1, slots), -EINVAL);
    assert_int_equal(swap_map_store(&map, 9, 1, slots), -ENOENT);
    assert_int_equal(swap_map_store(&map, 0, 2, slots), 0);
    /* Being written: neither read nor freed. */
    assert_int_equal(swap_map_load(&map, 0, slots[0], &checksum), -ENOENT);
    assert_int_equal(swap_map_load_end(&map, slots[0]), -EINVAL);
    assert_int_equal(swap_map_free(&map, 0, slots[0]), -ENOENT);
    assert_int_equal(swap_map_commit(&map, slots[0], 77), 0);
    assert_int_equal(swap_map_commit(&map, slots[0], 77), -EINVAL);
    assert_int_equal(swap_map_abort(&map, slots[0]), -EINVAL);
    assert_int_equal(swap_map_abort(&map, slots[1]), 0);
    assert_int_equal(swap_map_client(&map, 0)->used, 1);
    /* Stored: for its owner alone. */
    assert_int_equal(swap_map_load(&map, 1, slots[0], &checksum), -ENOENT);
    assert_int_equal(swap_map_free(&map, 1, slots[0]), -ENOENT);
    assert_int_equal(swap_map_load(&map, 0, 10, &checksum), -ENOENT);
    assert_int_equal(swap_map_load(&map, SWAP_NONE, slots[1], &checksum), -ENOENT);
    assert_int_equal(swap_map_commit(&map, 10, 0), -EINVAL);
    assert_int_equal(swap_map_load_end(&map, SWAP_NONE), -EINVAL);
    assert_int_equal(swap_map_load(&map, 0, slots[0], &checksum), 0);
    assert_int_equal(checksum, 77);
    assert_int_equal(swap_map_load_end(&map, slots[0]), 0);
    assert_int_equal(swap_map_load_end(&map, slots[0]), -EINVAL);
    assert_int_equal(swap_map_free(&map, 0, slots[0]), 0);
    assert_int_equal(swap_map_free(&map, 0, slots[0]), -ENOENT);
    assert_int_equal(map.used, 0);
    map_end(&map, &memory);
}

/* A slot that is given up while I/O pins it is handed out only after that I/O. */
static void test_leaving(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[4], again[4];
    uint64_t checksum;

    (void)state;
    map_make(&map, &memory, 4);
    swap_map_add(&map, 0, 4);
    swap_map_reserve(&map, 0, 4, 0);
    store(&map, 0, 4, slots);
    assert_int_equal(swap_map_load(&map, 0, slots[1], &checksum), 0);
    assert_int_equal(swap_map_load(&map, 0, slots[1], &checksum), 0);
    assert_int_equal(swap_map_free(&map, 0, slots[1]), 0);
    assert_int_equal(swap_map_load(&map, 0, slots[1], &checksum), -ENOENT);
    assert_int_equal(swap_map_store(&map, 0, 1, again), -EAGAIN);
    assert_int_equal(swap_map_load_end(&map, slots[1]), 0);
    assert_int_equal(swap_map_store(&map, 0, 1, again), -EAGAIN);
    assert_int_equal(swap_map_load_end(&map, slots[1]), 0);
    assert_int_equal(swap_map_store(&map, 0, 1, again), 0);
    assert_int_equal(again[0], slots[1]);
    /* The owner of a write goes away. */
    swap_map_remove(&map, 0);
    assert_int_equal(map.leaving, 1);
    swap_map_add(&map, 0, 4);
    swap_map_reserve(&map, 0, 4, 0);
    assert_int_equal(swap_map_store(&map, 0, 4, slots), -EAGAIN);
    assert_int_equal(swap_map_commit(&map, again[0], 5), -ECANCELED);
    assert_int_equal(swap_map_store(&map, 0, 4, slots), 0);
    swap_map_remove(&map, 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(swap_map_abort(&map, slots[i]), -ECANCELED);
    assert_int_equal(map.leaving, 0);
    map_end(&map, &memory);
}

static void test_pins_do_not_overflow(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slot;
    uint64_t checksum;

    (void)state;
    map_make(&map, &memory, 1);
    swap_map_add(&map, 0, 1);
    swap_map_reserve(&map, 0, 1, 0);
    store(&map, 0, 1, &slot);
    for (uint32_t i = 0; i < UINT16_MAX; i++)
        assert_int_equal(swap_map_load(&map, 0, slot, &checksum), 0);
    assert_int_equal(swap_map_load(&map, 0, slot, &checksum), -EBUSY);
    map_end(&map, &memory);
}

static void test_restore(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint64_t checksum;

    (void)state;
    map_make(&map, &memory, 8);
    swap_map_add(&map, 0, 2);
    swap_map_add(&map, 1, 8);
    assert_int_equal(swap_map_restore(&map, 2, 0, 1), -ENOENT);
    assert_int_equal(swap_map_restore(&map, 0, 8, 1), -EINVAL);
    assert_int_equal(swap_map_restore(&map, 0, 5, 11), 0);
    assert_int_equal(swap_map_restore(&map, 1, 5, 11), -EEXIST);
    assert_int_equal(swap_map_restore(&map, 0, 6, 12), 0);
    assert_int_equal(swap_map_restore(&map, 0, 7, 13), -EDQUOT);
    assert_int_equal(swap_map_reserve(&map, 1, 6, 0), 0);
    assert_int_equal(swap_map_client(&map, 0)->reserved, 2);
    assert_int_equal(swap_map_load(&map, 0, 6, &checksum), 0);
    assert_int_equal(checksum, 12);
    map_end(&map, &memory);
}

/* How many contiguous runs a batch of slots is. */
static uint32_t runs_of(const uint32_t *slots, uint32_t count)
{
    uint32_t runs = 1;

    for (uint32_t i = 1; i < count; i++)
        runs += slots[i] != slots[i - 1] + 1;
    return runs;
}

static void test_runs(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[256], batch[SWAP_STORE_MAX];

    (void)state;
    map_make(&map, &memory, 256);
    swap_map_add(&map, 0, 256);
    swap_map_reserve(&map, 0, 256, 0);
    /* Stores follow each other on an empty device. */
    for (uint32_t i = 0; i < 256; i += 32) {
        store(&map, 0, 32, slots + i);
        assert_int_equal(slots[i], i);
        assert_int_equal(runs_of(slots + i, 32), 1);
    }
    /* Holes of 1 at even numbers below 64, of 4 at 100, of 8 at 130, of 70 at 180: the search
     * passes the shreds by. */
    for (uint32_t i = 0; i < 64; i += 2)
        swap_map_free(&map, 0, i);
    for (uint32_t i = 100; i < 104; i++)
        swap_map_free(&map, 0, i);
    for (uint32_t i = 130; i < 138; i++)
        swap_map_free(&map, 0, i);
    for (uint32_t i = 180; i < 250; i++)
        swap_map_free(&map, 0, i);
    store(&map, 0, 8, batch);
    assert_int_equal(batch[0], 130);
    assert_int_equal(runs_of(batch, 8), 1);
    /* A run across two words. */
    store(&map, 0, 64, batch);
    assert_int_equal(batch[0], 180);
    assert_int_equal(runs_of(batch, 64), 1);
    /* 6 at 244, 4 at 100 and single ones are left: 12 slots are 4 runs at best. */
    store(&map, 0, 12, batch);
    assert_int_equal(runs_of(batch, 12), 4);
    assert_int_equal(batch[0], 244);
    /* One at a time to the last. */
    while (map.used < 256)
        store(&map, 0, 1, batch);
    assert_int_equal(swap_map_store(&map, 0, 1, batch), -ENOSPC);
    map_end(&map, &memory);
}

#define MODEL_SLOTS   203u
#define MODEL_CLIENTS 7u
#define MODEL_IO      64u /* reads under way at most */

struct model {
    struct random_source random;
    uint8_t state[MODEL_SLOTS];
    uint32_t client[MODEL_SLOTS];
    uint32_t pins[MODEL_SLOTS];
    uint64_t checksum[MODEL_SLOTS];
    bool present[MODEL_CLIENTS];
    uint32_t reserved[MODEL_CLIENTS];
    uint32_t quota[MODEL_CLIENTS];
    uint32_t reads[MODEL_IO]; /* slots */
    uint32_t read_count;
    struct swap_map map;
};

static uint32_t model_count(const struct model *m, uint8_t state, uint32_t client)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < MODEL_SLOTS; i++)
        count += m->state[i] == state && (client == SWAP_NONE || m->client[i] == client);
    return count;
}

static uint32_t model_used(const struct model *m, uint32_t client)
{
    return model_count(m, SWAP_SLOT_WRITING, client) + model_count(m, SWAP_SLOT_STORED, client);
}

static uint32_t model_reserved(const struct model *m)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < MODEL_CLIENTS; i++)
        sum += m->reserved[i];
    return sum;
}

/* Compare every book with the model. */
static void model_check(const struct model *m)
{
    const struct swap_map *map = &m->map;
    uint32_t present = 0;

    assert_null(swap_map_check(map));
    assert_true(map->reserved <= map->slots);
    assert_int_equal(map->reserved, model_reserved(m));
    assert_int_equal(map->used, model_used(m, SWAP_NONE));
    assert_int_equal(map->leaving, model_count(m, SWAP_SLOT_LEAVING, SWAP_NONE));
    assert_true(map->cursor < map->slots);
    for (uint32_t i = 0; i < MODEL_SLOTS; i++) {
        const struct swap_slot *slot = &map->slot[i];

        assert_int_equal(slot->state, m->state[i]);
        assert_int_equal(slot->pins, m->pins[i]);
        assert_int_equal(map->free[i / 64] >> i % 64 & 1, m->state[i] == SWAP_SLOT_FREE);
        if (m->state[i] == SWAP_SLOT_WRITING || m->state[i] == SWAP_SLOT_STORED)
            assert_int_equal(slot->client, m->client[i]);
        else
            assert_int_equal(slot->client, SWAP_NONE);
        if (m->state[i] == SWAP_SLOT_STORED)
            assert_int_equal(slot->checksum, m->checksum[i]);
    }
    assert_int_equal(map->free[map->words - 1] >> MODEL_SLOTS % 64, 0);
    for (uint32_t c = 0; c < MODEL_CLIENTS; c++) {
        const struct swap_client *client = swap_map_client(map, c);
        uint32_t listed = 0;

        present += m->present[c];
        assert_int_equal(client != NULL, m->present[c]);
        if (client == NULL)
            continue;
        assert_int_equal(client->used, model_used(m, c));
        assert_int_equal(client->reserved, m->reserved[c]);
        assert_true(client->used <= client->reserved && client->reserved <= client->quota);
        for (uint32_t i = client->first; i != SWAP_NONE; i = map->slot[i].next) {
            assert_int_equal(map->slot[i].client, c);
            assert_true(++listed <= client->used);
        }
        assert_int_equal(listed, client->used);
    }
    assert_int_equal(map->clients, present);
}

static void model_give_up(struct model *m, uint32_t slot)
{
    m->state[slot] = m->pins[slot] > 0 ? SWAP_SLOT_LEAVING : SWAP_SLOT_FREE;
}

static void step_client(struct model *m, uint32_t c)
{
    uint32_t quota = random_below(&m->random, MODEL_SLOTS + 1);

    if (!m->present[c]) {
        assert_int_equal(swap_map_add(&m->map, c, quota), 0);
        m->present[c] = true;
        m->quota[c] = quota;
        return;
    }
    assert_int_equal(swap_map_add(&m->map, c, quota), -EEXIST);
    if (random_below(&m->random, 4) != 0)
        return;
    assert_int_equal(swap_map_remove(&m->map, c), 0);
    m->present[c] = false;
    m->reserved[c] = 0;
    for (uint32_t i = 0; i < MODEL_SLOTS; i++)
        if (m->client[i] == c &&
            (m->state[i] == SWAP_SLOT_WRITING || m->state[i] == SWAP_SLOT_STORED))
            model_give_up(m, i);
}

static void step_reserve(struct model *m, uint32_t c)
{
    uint32_t add = random_below(&m->random, 60), subtract = random_below(&m->random, 50);
    uint32_t after = m->reserved[c] + add - subtract;
    int expected = 0;

    if (!m->present[c])
        expected = -ENOENT;
    else if (subtract > m->reserved[c] + add)
        expected = -EINVAL;
    else if (after < model_used(m, c))
        expected = -EBUSY;
    else if (after > m->reserved[c] && after > m->quota[c])
        expected = -EDQUOT;
    else if (after > m->reserved[c] && model_reserved(m) - m->reserved[c] + after > MODEL_SLOTS)
        expected = -ENOSPC;
    assert_int_equal(swap_map_reserve(&m->map, c, add, subtract), expected);
    if (expected == 0)
        m->reserved[c] = after;
}

static void step_store(struct model *m, uint32_t c)
{
    uint32_t count = 1 + random_below(&m->random, random_below(&m->random, 3) == 0 ? 64 : 8);
    uint32_t slots[SWAP_STORE_MAX], descents = 0;
    int expected = 0;

    if (!m->present[c])
        expected = -ENOENT;
    else if (model_used(m, c) + count > m->reserved[c])
        expected = -ENOSPC;
    else if (count > model_count(m, SWAP_SLOT_FREE, SWAP_NONE))
        expected = -EAGAIN;
    assert_int_equal(swap_map_store(&m->map, c, count, slots), expected);
    for (uint32_t i = 0; expected == 0 && i < count; i++) {
        assert_true(slots[i] < MODEL_SLOTS);
        assert_int_equal(m->state[slots[i]], SWAP_SLOT_FREE);
        m->state[slots[i]] = SWAP_SLOT_WRITING;
        m->client[slots[i]] = c;
        m->pins[slots[i]] = 1;
        descents += i > 0 && slots[i] < slots[i - 1];
    }
    assert_true(descents <= 1);
}

static void step_write_end(struct model *m, uint32_t slot)
{
    bool commit = random_below(&m->random, 5) != 0;
    uint64_t checksum = random_bits(&m->random);
    int expected = 0;

    /* What is read cannot be told from what is written once it is leaving: the server knows. */
    for (uint32_t i = 0; i < m->read_count; i++)
        if (m->reads[i] == slot)
            return;
    if (m->state[slot] == SWAP_SLOT_LEAVING)
        expected = -ECANCELED;
    else if (m->state[slot] != SWAP_SLOT_WRITING)
        expected = -EINVAL;
    if (commit)
        assert_int_equal(swap_map_commit(&m->map, slot, checksum), expected);
    else
        assert_int_equal(swap_map_abort(&m->map, slot), expected);
    if (expected == -EINVAL)
        return;
    m->pins[slot] = 0;
    m->state[slot] = commit && expected == 0 ? SWAP_SLOT_STORED : SWAP_SLOT_FREE;
    m->checksum[slot] = checksum;
}

static void step_load(struct model *m, uint32_t c, uint32_t slot)
{
    bool mine = m->state[slot] == SWAP_SLOT_STORED && m->client[slot] == c;
    uint64_t checksum;

    if (m->read_count == MODEL_IO)
        return;
    assert_int_equal(swap_map_load(&m->map, c, slot, &checksum), mine ? 0 : -ENOENT);
    if (!mine)
        return;
    assert_int_equal(checksum, m->checksum[slot]);
    m->pins[slot]++;
    m->reads[m->read_count++] = slot;
}

static void step_load_end(struct model *m)
{
    uint32_t index, slot;

    if (m->read_count == 0)
        return;
    index = random_below(&m->random, m->read_count);
    slot = m->reads[index];
    m->reads[index] = m->reads[--m->read_count];
    assert_int_equal(swap_map_load_end(&m->map, slot), 0);
    m->pins[slot]--;
    if (m->state[slot] == SWAP_SLOT_LEAVING && m->pins[slot] == 0)
        m->state[slot] = SWAP_SLOT_FREE;
}

static void step_free(struct model *m, uint32_t c, uint32_t slot)
{
    bool mine = m->state[slot] == SWAP_SLOT_STORED && m->client[slot] == c;

    assert_int_equal(swap_map_free(&m->map, c, slot), mine ? 0 : -ENOENT);
    if (mine)
        model_give_up(m, slot);
}

static void step_restore(struct model *m, uint32_t c, uint32_t slot)
{
    uint64_t checksum = random_bits(&m->random);
    bool grow = m->present[c] && model_used(m, c) == m->reserved[c];
    int expected = 0;

    if (!m->present[c])
        expected = -ENOENT;
    else if (m->state[slot] != SWAP_SLOT_FREE)
        expected = -EEXIST;
    else if (grow && m->reserved[c] == m->quota[c])
        expected = -EDQUOT;
    else if (grow && model_reserved(m) == MODEL_SLOTS)
        expected = -ENOSPC;
    assert_int_equal(swap_map_restore(&m->map, c, slot, checksum), expected);
    if (expected < 0)
        return;
    m->reserved[c] += grow;
    m->state[slot] = SWAP_SLOT_STORED;
    m->client[slot] = c;
    m->checksum[slot] = checksum;
}

static void model_step(struct model *m)
{
    uint32_t c = random_below(&m->random, MODEL_CLIENTS);
    uint32_t slot = random_below(&m->random, MODEL_SLOTS);
    uint32_t dice = random_below(&m->random, 100);

    /* Half of the time the slot's owner asks, or else most requests would be refused. */
    if (random_below(&m->random, 2) == 0 && m->client[slot] < MODEL_CLIENTS)
        c = m->client[slot];
    if (dice < 4)
        step_client(m, c);
    else if (dice < 14)
        step_reserve(m, c);
    else if (dice < 25)
        step_store(m, c);
    else if (dice < 55)
        step_write_end(m, slot);
    else if (dice < 68)
        step_load(m, c, slot);
    else if (dice < 80)
        step_load_end(m);
    else if (dice < 97)
        step_free(m, c, slot);
    else
        step_restore(m, c, slot);
}

static void model_run(uint64_t seed, uint32_t steps)
{
    struct test_memory memory;
    struct model m;

    memset(&m, 0, sizeof(m));
    memset(m.client, 0xff, sizeof(m.client));
    m.random = random_seeded(seed);
    map_make(&m.map, &memory, MODEL_SLOTS);
    for (uint32_t i = 0; i < steps; i++) {
        model_step(&m);
        model_check(&m);
    }
    map_end(&m.map, &memory);
}

static void test_random_steps(void **state)
{
    uint32_t steps = RUNNING_ON_VALGRIND ? 1500 : 15000;

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        print_message("seed %d, %u steps\n", (int)seed, steps);
        model_run(seed, steps);
    }
}

/* More slots behind the others, all free; or nothing has changed. */
static void test_growing(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[200];

    (void)state;
    map_make(&map, &memory, 70);
    assert_int_equal(swap_map_add(&map, 0, 300), 0);
    assert_int_equal(swap_map_reserve(&map, 0, 70, 0), 0);
    for (uint32_t i = 0; i < 70; i += 10)
        store(&map, 0, 10, slots + i);
    assert_int_equal(swap_map_grow(&map, 0), 0);
    assert_int_equal(swap_map_grow(&map, SWAP_ZERO - 70), -EINVAL);
    for (int left = 0; left < 2; left++) {
        memory.left = left;
        assert_int_equal(swap_map_grow(&map, 130), -ENOMEM);
        assert_int_equal(map.slots, 70);
        assert_null(swap_map_check(&map));
    }
    memory.left = -1;
    assert_int_equal(swap_map_reserve(&map, 0, 1, 0), -ENOSPC);
    assert_int_equal(swap_map_grow(&map, 130), 0);
    assert_null(swap_map_check(&map));
    assert_int_equal(swap_map_reserve(&map, 0, 130, 0), 0);
    for (uint32_t i = 0; i < 130; i += 10)
        store(&map, 0, 10, slots + i);
    for (uint32_t i = 0; i < 130; i++)
        assert_int_equal(slots[i], 70 + i);
    assert_int_equal(swap_map_reserve(&map, 0, 1, 0), -ENOSPC);
    assert_null(swap_map_check(&map));
    map_end(&map, &memory);
}

static unsigned missed;

static void expect_found(const struct swap_map *map, const char *what)
{
    if (swap_map_check(map) != NULL)
        return;
    print_error("%s, and nothing is said to be wrong\n", what);
    missed++;
}

#define WRONG_AS(map, member, value)                                                               \
    do {                                                                                           \
        __typeof__(member) was = (member);                                                         \
        (member) = (__typeof__(was))(value);                                                       \
        expect_found(map, #member " = " #value);                                                   \
        (member) = was;                                                                            \
    } while (0)

#define WRONG(map, number)                                                                         \
    do {                                                                                           \
        WRONG_AS(map, number, was + 1);                                                            \
        WRONG_AS(map, number, was - 1);                                                            \
    } while (0)

/* Many tests lean on swap_map_check: whatever is wrong in the books has to be noticed. */
static void test_wrong_books_are_found(void **state)
{
    struct test_memory memory;
    struct swap_map map;
    uint32_t slots[10];
    uint64_t checksum;

    (void)state;
    map_make(&map, &memory, 100);
    for (uint32_t client = 0; client < 2; client++) {
        assert_int_equal(swap_map_add(&map, client, 50), 0);
        assert_int_equal(swap_map_reserve(&map, client, 7, 0), 0);
        store(&map, client, 5, slots);
        assert_int_equal(swap_map_store(&map, client, 2, slots + 5), 0); /* under way */
    }
    assert_int_equal(swap_map_load(&map, 1, slots[0], &checksum), 0);
    assert_int_equal(swap_map_free(&map, 1, slots[0]), 0); /* it is leaving */
    assert_null(swap_map_check(&map));
    WRONG(&map, map.used);
    WRONG(&map, map.reserved);
    WRONG(&map, map.leaving);
    WRONG(&map, map.clients);
    for (uint32_t client = 0; client < 2; client++) {
        WRONG(&map, map.client[client].used);
        WRONG(&map, map.client[client].reserved);
        WRONG_AS(&map, map.client[client].reserved, map.client[client].used - 1);
        WRONG_AS(&map, map.client[client].present, 0);
        WRONG_AS(&map, map.client[client].first, SWAP_NONE);
        WRONG_AS(&map, map.client[client].first, map.slot[map.client[client].first].next);
    }
    for (uint32_t slot = 0; slot < map.slots; slot++) {
        struct swap_slot *s = &map.slot[slot];

        WRONG_AS(&map, map.free[slot / 64], was ^ UINT64_C(1) << slot % 64);
        WRONG(&map, s->client);
        if (s->state != SWAP_SLOT_STORED)
            WRONG_AS(&map, s->pins, !was);
        for (uint8_t other = SWAP_SLOT_FREE; other <= SWAP_SLOT_LEAVING; other++)
            if (other != s->state && (s->pins == 0 || other != SWAP_SLOT_STORED))
                WRONG_AS(&map, s->state, other);
        if (s->client == SWAP_NONE)
            continue;
        WRONG_AS(&map, s->next, map.slots);
        WRONG_AS(&map, s->next, slot);
        WRONG(&map, s->prev);
    }
    assert_int_equal(missed, 0);
    assert_null(swap_map_check(&map));
    swap_map_load_end(&map, slots[0]);
    map_end(&map, &memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_reserve),      cmocka_unit_test(test_slot_life),
        cmocka_unit_test(test_leaving),      cmocka_unit_test(test_pins_do_not_overflow),
        cmocka_unit_test(test_restore),      cmocka_unit_test(test_runs),
        cmocka_unit_test(test_growing),      cmocka_unit_test(test_wrong_books_are_found),
        cmocka_unit_test(test_random_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
