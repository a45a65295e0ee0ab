#include "trace_source.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- From ids to pages ---- */

/* Open addressing, at most half full. */
struct id_map {
    uint64_t *ids;
    uint32_t *pages_plus1;
    size_t size; /* a power of two */
};

static void trace_start(struct trace *trace, struct id_map *map, size_t length)
{
    map->size = 1;
    while (map->size < 2 * length + 2)
        map->size *= 2;
    map->ids = calloc(map->size, sizeof(*map->ids));
    map->pages_plus1 = calloc(map->size, sizeof(*map->pages_plus1));
    *trace = (struct trace){calloc(length + 1, sizeof(sp_page)), 0, 0};
    assert_non_null(map->ids);
    assert_non_null(map->pages_plus1);
    assert_non_null(trace->references);
}

static void trace_add(struct trace *trace, struct id_map *map, uint64_t id)
{
    size_t i = (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->size - 1);

    while (map->pages_plus1[i] != 0 && map->ids[i] != id)
        i = (i + 1) & (map->size - 1);
    if (map->pages_plus1[i] == 0) {
        map->ids[i] = id;
        map->pages_plus1[i] = ++trace->pages;
    }
    trace->references[trace->length++] = map->pages_plus1[i] - 1;
}

static void trace_end(struct id_map *map)
{
    free(map->ids);
    free(map->pages_plus1);
}

void trace_blank(struct trace *trace, size_t length, uint32_t pages)
{
    *trace = (struct trace){calloc(length + 1, sizeof(sp_page)), length, pages};
    assert_non_null(trace->references);
}

void trace_fini(struct trace *trace)
{
    free(trace->references);
    trace->references = NULL;
}

/* ---- Synthetic traces ---- */

/* xorshift64* */
static uint64_t draw_bits(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545f4914f6cdd1d)) >> 11;
}

/* Cumulative weights of 1/rank^0.9. */
static uint64_t *zipf_table(uint32_t size)
{
    uint64_t *table = calloc(size, sizeof(*table)), sum = 0;

    assert_non_null(table);
    for (uint32_t i = 0; i < size; i++) {
        uint64_t weight = (uint64_t)(1099511627776.0 / pow(i + 1.0, 0.9) + 0.5);

        sum += weight > 0 ? weight : 1;
        table[i] = sum;
    }
    return table;
}

static uint64_t draw_rank(const uint64_t *table, uint32_t size, uint64_t *state)
{
    uint64_t wanted = draw_bits(state) % table[size - 1] + 1;
    uint32_t low = 0, high = size;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (table[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t at_least_one(uint32_t number)
{
    return number > 0 ? number : 1;
}

static void generate_loopscan(struct trace *trace, struct id_map *map, size_t length,
                              uint32_t pages, uint64_t *state)
{
    uint32_t hot = at_least_one(pages / 100), loop = at_least_one(pages / 10), scan = 0;
    uint64_t *table = zipf_table(hot);

    while (trace->length < length) {
        uint64_t burst = 200 + draw_bits(state) % 2000;
        uint64_t mode = draw_bits(state) % 10;

        for (; burst > 0 && trace->length < length; burst--) {
            if (mode < 6) {
                trace_add(trace, map, 1000000000 + draw_rank(table, hot, state));
            } else if (mode < 9) {
                trace_add(trace, map, 2000000000 + trace->length % loop);
            } else {
                trace_add(trace, map, UINT64_C(3000000000) + scan);
                scan = (scan + 1) % pages;
            }
        }
    }
    free(table);
}

bool trace_generate(struct trace *trace, const char *kind, size_t length, uint32_t pages,
                    uint64_t seed)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    bool zipf = strcmp(kind, "zipf") == 0, loopscan = strcmp(kind, "loopscan") == 0;
    uint32_t size = zipf ? pages : at_least_one(pages / 5);
    size_t span = length / 20 > 0 ? length / 20 : 1;
    uint64_t *table;
    struct id_map map;

    if (!zipf && !loopscan && strcmp(kind, "phases") != 0)
        return false;
    trace_start(trace, &map, length);
    if (loopscan)
        generate_loopscan(trace, &map, length, pages, &state);
    table = zipf_table(size);
    for (size_t i = trace->length; i < length; i++) {
        uint64_t rank = draw_rank(table, size, &state);

        if (zipf)
            trace_add(trace, &map, rank * 2654435761 % 4294967291);
        else
            trace_add(trace, &map, i / span * (size / 3) + (rank * 40503 + i / span) % size);
    }
    free(table);
    trace_end(&map);
    return true;
}

/* ---- A trace from a file ---- */

/* Records of u32 time, u64 id, u32 size, i64 next, little-endian. */
bool trace_read(struct trace *trace, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char record[24];
    struct id_map map;
    long bytes;

    if (file == NULL)
        return false;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    bytes = ftell(file);
    assert_true(bytes >= 0);
    rewind(file);
    trace_start(trace, &map, (size_t)bytes / sizeof(record));
    while (fread(record, sizeof(record), 1, file) == 1) {
        uint64_t id = 0;

        for (int i = 11; i >= 4; i--)
            id = id << 8 | record[i];
        trace_add(trace, &map, id);
    }
    fclose(file);
    trace_end(&map);
    return true;
}
