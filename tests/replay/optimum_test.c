/* The optimum counts what Belady's rule does, after each reference. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "base/random.h"
#include "replay/optimum.h"

#define LENGTH 70000u /* more than there are positions before they are numbered anew */
#define PAGES  50u

static uint32_t references[LENGTH], next[LENGTH];
static uint32_t pages; /* that the trace has, numbered as they come */

/* Skewed references, loops, and some that follow each other. */
static void make_trace(uint64_t seed, uint32_t length)
{
    struct random_source random = random_seeded(seed);
    uint32_t number[PAGES] = {0}, last[PAGES];

    pages = 0;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t page = random_below(&random, 1 + random_below(&random, PAGES));

        if (i / 100 % 3 == 1)
            page = i % PAGES;
        if (number[page] == 0)
            number[page] = ++pages;
        references[i] = (number[page] - 1) << 1 | (random_below(&random, 4) == 0);
        if (i > 0 && random_below(&random, 6) == 0)
            references[i] = references[i - 1] ^ random_below(&random, 2);
    }
    for (uint32_t i = 0; i < pages; i++)
        last[i] = UINT32_MAX;
    for (uint32_t i = length; i-- > 0;) {
        next[i] = last[references[i] >> 1];
        last[references[i] >> 1] = i;
    }
}

/* Belady's rule as it is written. */
struct model {
    bool resident[PAGES], dirty[PAGES];
    uint32_t next[PAGES], last[PAGES];
    uint32_t frames, used;
    struct optimum_counts counts;
};

/* The page needed last leaves; of those that are not needed again, the one referenced least recently. */
static void model_evict(struct model *m)
{
    uint32_t chosen = PAGES;

    for (uint32_t p = 0; p < pages; p++)
        if (m->resident[p] && (chosen == PAGES || m->next[p] > m->next[chosen] ||
                               (m->next[p] == m->next[chosen] && m->last[p] < m->last[chosen])))
            chosen = p;
    m->resident[chosen] = false;
    m->counts.evictions++;
    m->counts.dirty_evictions += m->dirty[chosen];
}

static void model_refer(struct model *m, uint32_t i)
{
    uint32_t page = references[i] >> 1;

    if (!m->resident[page]) {
        m->counts.misses++;
        m->counts.missed_bytes += i % 7;
        if (m->used == m->frames)
            model_evict(m);
        else
            m->used++;
        m->resident[page] = true;
        m->dirty[page] = false;
    }
    m->dirty[page] |= references[i] & 1;
    m->next[page] = next[i];
    m->last[page] = i;
}

/* A few references at a time. */
static void compare(uint32_t frames, uint32_t length, uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    struct model m = {.frames = frames};
    struct optimum optimum;
    uint32_t sizes[64];

    assert_int_equal(optimum_init(&optimum, frames, pages), 0);
    for (uint32_t i = 0, count; i < length; i += count) {
        count = 1 + random_below(&random, 64);
        count = count < length - i ? count : length - i;
        for (uint32_t k = 0; k < count; k++) {
            model_refer(&m, i + k);
            sizes[k] = (i + k) % 7;
        }
        optimum_run(&optimum, &references[i], sizes, count);
        assert_int_equal(optimum.counts.misses, m.counts.misses);
        assert_int_equal(optimum.counts.evictions, m.counts.evictions);
        assert_int_equal(optimum.counts.missed_bytes, m.counts.missed_bytes);
    }
    optimum_end(&optimum);
    assert_int_equal(optimum.counts.dirty_evictions, m.counts.dirty_evictions);
    optimum_fini(&optimum);
}

static void test_each_reference_hits_or_misses_as_by_the_rule(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        make_trace(seed, 500);
        for (uint32_t frames = 1; frames <= pages + 1; frames += 1 + frames / 4)
            compare(frames, 500, seed);
    }
}

static void test_numbering_positions_anew_changes_nothing(void **state)
{
    (void)state;
    make_trace(77, LENGTH);
    compare(1, LENGTH, 77);
    compare(13, LENGTH, 78);
    compare(PAGES, LENGTH, 79);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reference_hits_or_misses_as_by_the_rule),
        cmocka_unit_test(test_numbering_positions_anew_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
