/* Which chunk of a file server's cache gives way: stories, and a random walk against a list that is searched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "core/cache/chunks.h"

#define MOST 8u

struct cache_here {
    struct chunks chunks;
    struct chunk_place place[MOST];
};

/* Chunks 0, 1, ... have been filled in this order. */
static void fill(struct cache_here *cache, uint32_t count, uint32_t filled)
{
    chunks_init(&cache->chunks, cache->place, count);
    for (uint32_t i = 0; i < filled; i++) {
        assert_int_equal(chunks_victim(&cache->chunks), i);
        chunks_frame(&cache->chunks, i);
        chunks_hold(&cache->chunks, i);
        chunks_use(&cache->chunks, i);
    }
}

static void the_chunk_unused_for_the_longest_time_is_filled_next(void **state)
{
    struct cache_here cache;

    (void)state;
    fill(&cache, 3, 3);
    assert_int_equal(chunks_victim(&cache.chunks), 0);
    chunks_use(&cache.chunks, 0);
    assert_int_equal(chunks_victim(&cache.chunks), 1);
    assert_int_equal(chunks_pages(&cache.chunks), 3 * CHUNKS_PAGES);
}

static void frames_for_a_chunk_come_from_another_one_that_has_some(void **state)
{
    struct cache_here cache;

    (void)state;
    fill(&cache, 4, 3);
    chunks_release(&cache.chunks, 0); /* physmem has these frames */
    assert_int_equal(chunks_giver(&cache.chunks, 3), 1);
    assert_int_equal(chunks_giver(&cache.chunks, 1), 2);
    chunks_give_back(&cache.chunks, 1);
    chunks_give_back(&cache.chunks, 2);
    assert_int_equal(chunks_giver(&cache.chunks, 3), CHUNKS_NONE);
    assert_int_equal(chunks_pages(&cache.chunks), 0);
}

static void what_is_recalled_is_released_from_the_oldest_on(void **state)
{
    struct cache_here cache;

    (void)state;
    fill(&cache, 4, 3);
    chunks_use(&cache.chunks, 0);
    chunks_forget(&cache.chunks, 2); /* it holds nothing, but has frames */
    assert_int_equal(chunks_next(&cache.chunks, CHUNKS_NONE), 1);
    chunks_release(&cache.chunks, 1);
    assert_int_equal(chunks_next(&cache.chunks, 1), 2);
    chunks_give_back(&cache.chunks, 2);
    assert_int_equal(chunks_next(&cache.chunks, 2), 0);
    assert_int_equal(chunks_next(&cache.chunks, 0), CHUNKS_NONE);
    chunks_recover(&cache.chunks, 1);
    assert_int_equal(cache.place[1].state, CHUNK_HELD);
    assert_int_equal(chunks_next(&cache.chunks, CHUNKS_NONE), 1);
}

/* The framed chunk with the lowest time of use, after this time. */
static uint32_t oldest_of(const struct cache_here *cache, const uint64_t *used, uint64_t after,
                          bool framed)
{
    uint32_t best = CHUNKS_NONE;

    for (uint32_t i = 0; i < MOST; i++)
        if ((!framed || cache->place[i].framed) && used[i] > after &&
            (best == CHUNKS_NONE || used[i] < used[best]))
            best = i;
    return best;
}

static void a_walk_chooses_what_a_list_of_times_chooses(void **state)
{
    struct cache_here cache;
    struct random_source random = random_seeded(11);
    uint64_t used[MOST], now = 1 + MOST;

    (void)state;
    fill(&cache, MOST, 0);
    for (uint32_t i = 0; i < MOST; i++)
        used[i] = 1 + i;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t chunk = random_below(&random, MOST), first;
        struct chunk_place *place = &cache.place[chunk];

        if (place->state == CHUNK_HELD && random_below(&random, 3) == 0)
            chunks_release(&cache.chunks, chunk);
        else if (place->state == CHUNK_SOFT && random_below(&random, 2) == 0)
            chunks_recover(&cache.chunks, chunk);
        else if (random_below(&random, 4) == 0)
            chunks_give_back(&cache.chunks, chunk);
        else if (random_below(&random, 4) == 0)
            chunks_forget(&cache.chunks, chunk);
        else if (place->state == CHUNK_EMPTY)
            chunks_frame(&cache.chunks, chunk), chunks_hold(&cache.chunks, chunk);
        if (random_below(&random, 2) == 0) {
            chunks_use(&cache.chunks, chunk);
            used[chunk] = ++now;
        }
        assert_int_equal(chunks_victim(&cache.chunks), oldest_of(&cache, used, 0, false));
        first = oldest_of(&cache, used, 0, true);
        assert_int_equal(chunks_next(&cache.chunks, CHUNKS_NONE), first);
        assert_int_equal(chunks_giver(&cache.chunks, chunk),
                         first != chunk ? first : oldest_of(&cache, used, used[chunk], true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chunk_unused_for_the_longest_time_is_filled_next),
        cmocka_unit_test(frames_for_a_chunk_come_from_another_one_that_has_some),
        cmocka_unit_test(what_is_recalled_is_released_from_the_oldest_on),
        cmocka_unit_test(a_walk_chooses_what_a_list_of_times_chooses),
    };

    return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
