/* An analysis against counting by hand: random traces, every figure found again the slow way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "analysis/analysis.h"
#include "base/random.h"

#define MOST  200000u
#define PAGES 300u

static struct trace_reference references[MOST];
static struct analysis analysis;

static size_t length(size_t wanted)
{
    return RUNNING_ON_VALGRIND ? wanted / 20 : wanted;
}

/* Some pages are popular; ids lie anywhere. */
static void make(size_t count, uint32_t pages, uint64_t seed)
{
    struct random_source random = random_seeded(seed);

    for (size_t i = 0; i < count; i++) {
        uint32_t bound = 1 + random_below(&random, pages);

        references[i] = (struct trace_reference){.id = random_below(&random, bound) *
                                                       UINT64_C(0x9e3779b97f4a7c1),
                                                 .size = 1 + random_below(&random, 100),
                                                 .write = random_below(&random, 5) == 0};
    }
}

static void analyse(size_t count)
{
    struct sp_error error;

    if (analysis_init(&analysis, PAGES, &error) != 0)
        fail_msg("%s", error.text);
    for (size_t at = 0; at < count;) {
        size_t some = count - at < 77 ? count - at : 77;

        if (analysis_add(&analysis, references + at, some, &error) != 0)
            fail_msg("%s", error.text);
        at += some;
    }
    assert_int_equal(analysis_end(&analysis, &error), 0);
}

/* Where the page of reference i was referenced before, plus one. */
static size_t before(size_t i)
{
    size_t k = i;

    while (k > 0 && references[k - 1].id != references[i].id)
        k--;
    return k;
}

static void test_counts_are_those_counted_by_hand(void **state)
{
    size_t count = length(20000);
    uint64_t reuse[ANALYSIS_OCTAVES] = {0}, bytes = 0, writes = 0;
    uint32_t fresh = 0;

    (void)state;
    make(count, PAGES, 1);
    analyse(count);
    for (size_t i = 0; i < count; i++) {
        size_t last = before(i);

        bytes += references[i].size;
        writes += references[i].write;
        fresh += last == 0;
        if (last > 0)
            reuse[(unsigned)log2((double)(i - (last - 1)))]++;
    }
    assert_int_equal(analysis.references, count);
    assert_int_equal(analysis.bytes, bytes);
    assert_int_equal(analysis.writes, writes);
    assert_int_equal(analysis.table.count, fresh);
    assert_memory_equal(analysis.reuse, reuse, sizeof(reuse));
    analysis_fini(&analysis);
}

static void test_popularity_is_that_counted_by_hand(void **state)
{
    size_t count = length(20000);
    uint64_t sum = 0, top = 0;

    (void)state;
    make(count, PAGES, 2);
    analyse(count);
    for (uint32_t rank = 0; rank < analysis.popular.pages; rank++) {
        assert_true(rank == 0 ||
                    analysis.popular.counts[rank] <= analysis.popular.counts[rank - 1]);
        sum += analysis.popular.counts[rank];
        top += rank < analysis.popular.pages / 10 ? analysis.popular.counts[rank] : 0;
    }
    assert_int_equal(sum, count);
    assert_true(fabs(popular_share(&analysis.popular, 0.1) - (double)top / (double)count) < 1e-12);
    for (size_t t = 0; t < POPULAR_TOP; t++) {
        uint64_t id = analysis.table.ids[analysis.popular.top[t]];
        uint32_t times = 0;

        for (size_t i = 0; i < count; i++)
            times += references[i].id == id;
        assert_int_equal(times, analysis.popular.counts[t]);
    }
    analysis_fini(&analysis);
}

/* Different ids in [from, to). */
static uint64_t different(size_t from, size_t to)
{
    uint64_t pages = 0;

    for (size_t i = from; i < to; i++)
        pages += before(i) <= from;
    return pages;
}

/* Long enough for the windows to be joined, which changes no figure. */
static void test_windows_are_those_counted_by_hand(void **state)
{
    size_t count = RUNNING_ON_VALGRIND ? 5000 : MOST;

    (void)state;
    make(count, PAGES, 3);
    for (size_t i = 0; i < count; i++) /* the pages change with time */
        references[i].id += i >> 13;
    {
        struct windows windows;
        static struct {
            uint64_t id;
            size_t last_plus1;
        } seen[1u << 16];

        windows_init(&windows);
        for (size_t i = 0; i < count; i++) {
            size_t at = (references[i].id * UINT64_C(0x9e3779b97f4a7c15)) >> 48;

            while (seen[at].last_plus1 != 0 && seen[at].id != references[i].id)
                at = (at + 1) & 0xffff;
            windows_add(&windows, seen[at].last_plus1, references[i].write);
            seen[at].id = references[i].id;
            seen[at].last_plus1 = i + 1;
        }
        for (size_t w = 0; w < windows.count; w += 7) {
            size_t from = w << windows.level, to = (w + 1) << windows.level;

            assert_int_equal(windows_pages(&windows, w), different(from, to < count ? to : count));
        }
        for (unsigned level = 0; level < 14; level += 6) {
            size_t whole = 0;
            uint64_t pages = 0;

            for (size_t from = 0; from < count; from += (size_t)1 << level, whole++)
                pages += different(from, from + ((size_t)1 << level) < count
                                             ? from + ((size_t)1 << level)
                                             : count);
            assert_true(fabs(windows_mean(&windows, level) - (double)pages / (double)whole) < 1e-9);
        }
    }
}

/* 256 windows become 128 again and again; their sums stay. */
static void test_joined_windows_lose_nothing(void **state)
{
    uint64_t references_in = 0, fresh = 0, writes = 0;
    static struct windows windows;

    (void)state;
    windows_init(&windows);
    for (uint64_t i = 0; i < 3000000; i++)
        windows_add(&windows, i < 1000 ? 0 : i - 1000 + 1, i % 3 == 0);
    assert_int_equal(windows.level, WINDOWS_FIRST + 4); /* 184 windows of 2^14 */
    for (size_t w = 0; w < windows.count; w++) {
        references_in += windows.window[w].references;
        fresh += windows.window[w].fresh;
        writes += windows.window[w].writes;
        assert_int_equal(windows_pages(&windows, w), 1000);
    }
    assert_int_equal(references_in, 3000000);
    assert_int_equal(fresh, 1000);
    assert_int_equal(writes, 1000000);
    assert_true(windows_mean(&windows, 0) == 1);
}

static void test_lru_is_that_of_a_list(void **state)
{
    size_t count = length(10000), misses = 0;
    uint64_t held[50];
    size_t used = 0;

    (void)state;
    make(count, PAGES, 4);
    analyse(count);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < used && held[at] != references[i].id)
            at++;
        if (at == used) {
            misses++;
            used += used < 50;
            at = used - 1;
        }
        memmove(held + 1, held, at * sizeof(held[0]));
        held[0] = references[i].id;
    }
    assert_true(fabs(analysis_lru(&analysis, 50) - (double)misses / (double)count) < 1e-12);
    assert_true(analysis_lru(&analysis, UINT32_MAX) ==
                (double)analysis.table.count / (double)count);
    analysis_fini(&analysis);
}

static void test_a_law_that_is_there_is_found(void **state)
{
    uint32_t counts[4000];
    struct popular popular;

    (void)state;
    for (uint32_t i = 0; i < 4000; i++) /* in any order */
        counts[i * 1237 % 4000] = (uint32_t)(1e8 * pow(i + 1, -0.8));
    assert_int_equal(popular_find(&popular, counts, 1, 4000), 0);
    assert_true(fabs(popular.exponent - 0.8) < 0.001 && popular.fit > 0.999);
    assert_int_equal(popular.top[1], 1237);
    popular_fini(&popular);
    for (uint32_t i = 0; i < 4000; i++)
        counts[i] = 7;
    assert_int_equal(popular_find(&popular, counts, 1, 4000), 0);
    assert_true(popular.fit == 0);
    popular_fini(&popular);
}

static void test_samples_are_even_in_time(void **state)
{
    size_t count = length(100000);

    (void)state;
    make(count, PAGES, 5);
    analyse(count);
    for (uint32_t i = 0; i < analysis.sample_count; i++)
        assert_int_equal(analysis.table.ids[analysis.samples[i]],
                         references[(size_t)i << analysis.sample_shift].id);
    assert_int_equal(analysis.sample_count,
                     (count + ((size_t)1 << analysis.sample_shift) - 1) >> analysis.sample_shift);
    analysis_fini(&analysis);
}

static void test_an_empty_trace_has_no_figures_and_too_many_pages_are_refused(void **state)
{
    struct sp_error error;

    (void)state;
    analyse(0);
    assert_int_equal(analysis.references, 0);
    assert_true(analysis_lru(&analysis, 1) == 0 && popular_share(&analysis.popular, 0.5) == 0);
    analysis_fini(&analysis);
    make(512, 5000, 6);
    assert_int_equal(analysis_init(&analysis, 100, &error), 0);
    assert_int_equal(analysis_add(&analysis, references, 512, &error), -ENOSPC);
    analysis_fini(&analysis);
}

/* Lines of two pages, by hand: in a span, in the next one, and ever. */
static void test_hot_lines(void **state)
{
    struct hot hot;

    (void)state;
    assert_int_equal(hot_init(&hot, 2), 0);
    assert_true(hot_lines(&hot) == 0 && hot_lines_ever(&hot) == 0);
    hot_add(&hot, 0, 0x3);
    hot_add(&hot, 0, 0x6);
    hot_add(&hot, 1, 1);
    assert_true(hot_lines(&hot) == (3 + 1) / 2.0);
    for (uint32_t i = 3; i < HOT_SPAN; i++)
        hot_add(&hot, 1, 1);
    hot_add(&hot, 0, 0x18); /* in the second span two lines of page 0 alone */
    assert_true(hot_lines(&hot) == (3 + 1 + 2) / 3.0);
    assert_true(hot_lines_ever(&hot) == (5 + 1) / 2.0);
    hot_fini(&hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hot_lines),
        cmocka_unit_test(test_counts_are_those_counted_by_hand),
        cmocka_unit_test(test_popularity_is_that_counted_by_hand),
        cmocka_unit_test(test_windows_are_those_counted_by_hand),
        cmocka_unit_test(test_joined_windows_lose_nothing),
        cmocka_unit_test(test_lru_is_that_of_a_list),
        cmocka_unit_test(test_a_law_that_is_there_is_found),
        cmocka_unit_test(test_samples_are_even_in_time),
        cmocka_unit_test(test_an_empty_trace_has_no_figures_and_too_many_pages_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
