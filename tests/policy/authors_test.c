/* Policies against the miss counts of their authors' own programs, on scans, loops and mixes:
 *
 *   CLOCK-Pro   S. Jiang, clock-pro.c of 29 September 2005, as it comes (5 % cold pages, fixed), and
 *               with ADAPTIVE_COLD_ALLOC and 1 to 99 %
 *   LIRS        S. Jiang, lirs.c of 15 November 2002, as it comes
 *   DLIRS       sylab/cacheus, dlirs.py, as it comes
 *   LeCaR       sylab/LeCaR, lecar.py, as it comes: the least and the most misses of 16 seeds
 *   CACHEUS     sylab/cacheus, cacheus.py, the same
 *   LHD         CMU-CORGI/LHD, lhd.cpp, densities found every 2,000 references, the same (with the numbers that its own
 *               generator draws, misses are the same to the last one)
 *   LIRS2       zhongch4g/LIRS2, replace_lirs2.cc, as it comes
 *   CLOCK-Pro+  Caffeine, ClockProPlusPolicy, as it comes
 *   FRD         Caffeine, FrdPolicy, as it comes
 *   S3-FIFO (fill=1), Clock2Q+, S4-FIFO: libCacheSim of 2026, whose S3FIFO.c of 2024 was given what S3FIFO.c,
 *               Clock2QPlus.c and S4FIFO.c of 2026 have changed in it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "replay_engine.h"
#include "trace_source.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* `rounds` times the pages from 0 to `pages` - 1. */
static void make_loop(struct trace *trace, uint32_t pages, uint32_t rounds)
{
    trace_blank(trace, (size_t)pages * rounds, pages);
    for (size_t i = 0; i < trace->length; i++)
        trace->references[i] = (sp_page)(i % pages);
}

/* Up and down between 0 and `top`, `legs` times, and the page after. */
static void make_zigzag(struct trace *trace, uint32_t top, uint32_t legs)
{
    trace_blank(trace, (size_t)top * legs + 1, top + 1);
    for (size_t i = 0; i < trace->length; i++) {
        uint32_t at = (uint32_t)(i % (2 * top));

        trace->references[i] = at <= top ? at : 2 * top - at;
    }
}

static void make_trace(struct trace *trace, const char *name)
{
    if (strcmp(name, "loop") == 0)
        make_loop(trace, 1000, 5);
    else if (strcmp(name, "zigzag") == 0)
        make_zigzag(trace, 2000, 26);
    else
        assert_true(trace_generate(trace, name, 100000, 10000, 1));
}

static uint64_t misses_of(const struct trace *trace, const char *choice, uint32_t frames)
{
    return replay_run(choice, trace->references, trace->length, trace->pages, frames, false);
}

/* ---- CLOCK-Pro, LIRS and DLIRS: to the last miss ---- */

static const struct {
    const char *trace;
    uint32_t frames;
    uint64_t clockpro, adaptive, lirs, dlirs;
} counts[] = {
    {"loop", 50, 4808, 4808, 4808, 4804},          {"loop", 400, 3480, 3416, 3416, 3416},
    {"loop", 1500, 1000, 1000, 1000, 1000},        {"zigzag", 50, 51976, 51976, 51976, 51401},
    {"zigzag", 400, 51526, 51926, 51926, 47198},   {"zigzag", 1500, 27002, 17135, 27002, 26921},
    {"zipf", 50, 68428, 68428, 70681, 71617},      {"zipf", 400, 48111, 47803, 49808, 49060},
    {"zipf", 1500, 33168, 33026, 33678, 33688},    {"loopscan", 50, 53635, 53693, 54205, 54070},
    {"loopscan", 400, 39403, 39391, 36485, 39716}, {"loopscan", 1500, 17651, 17728, 17641, 18841},
    {"phases", 50, 60330, 60330, 62018, 62742},    {"phases", 400, 37890, 38077, 37945, 37314},
    {"phases", 1500, 24542, 21722, 24601, 18484},
};

static void check(const struct trace *trace, const char *name, const char *choice, uint32_t frames,
                  uint64_t expected)
{
    uint64_t misses = misses_of(trace, choice, frames);

    if (misses != expected)
        fail_msg("%s on %s, %u frames: %lu misses, the author's program has %lu", choice, name,
                 frames, (unsigned long)misses, (unsigned long)expected);
}

static void test_clockpro_lirs_and_dlirs_miss_as_their_authors_programs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct trace trace;

        if (RUNNING_ON_VALGRIND && strcmp(counts[i].trace, "loop") != 0)
            continue;
        make_trace(&trace, counts[i].trace);
        check(&trace, counts[i].trace, "clockpro", counts[i].frames, counts[i].clockpro);
        check(&trace, counts[i].trace, "clockpro:cold=0.01,most=0.99", counts[i].frames,
              counts[i].adaptive);
        check(&trace, counts[i].trace, "lirs:ghost=2500", counts[i].frames, counts[i].lirs);
        check(&trace, counts[i].trace, "dlirs", counts[i].frames, counts[i].dlirs);
        trace_fini(&trace);
    }
}

/* ---- LIRS2, CLOCK-Pro+, FRD, and the descendants of S3-FIFO: to the last miss ---- */

static const char *const newer[] = {
    "lirs2",         "clockproplus",          "frd",
    "s3fifo:fill=1", "clock2qplus:ghost=0.9", "s4fifo:small=0.2,skip=0.25,move=1,again=1",
};

static const struct {
    const char *trace;
    uint32_t frames;
    uint64_t misses[COUNT(newer)];
} newer_counts[] = {
    {"loop", 50, {4816, 4808, 4820, 4820, 4820, 4840}},
    {"loop", 400, {3416, 3416, 3560, 3560, 3560, 3720}},
    {"loop", 1500, {1000, 1000, 1000, 1000, 1000, 1000}},
    {"zigzag", 50, {50776, 51424, 51901, 51901, 51901, 50976}},
    {"zigzag", 400, {42026, 47222, 51026, 51026, 51026, 43526}},
    {"zigzag", 1500, {14526, 32953, 23301, 24492, 26578, 21352}},
    {"zipf", 50, {68100, 71174, 71154, 67896, 68818, 68159}},
    {"zipf", 400, {47458, 48757, 50391, 47466, 48399, 47575}},
    {"zipf", 1500, {32333, 33286, 34118, 32553, 33469, 32353}},
    {"loopscan", 50, {53362, 53988, 54309, 53409, 54274, 53407}},
    {"loopscan", 400, {35881, 40067, 36973, 38661, 38921, 41735}},
    {"loopscan", 1500, {18706, 18577, 17807, 17823, 17874, 19930}},
    {"phases", 50, {60285, 62426, 62501, 60255, 60664, 61803}},
    {"phases", 400, {41135, 37447, 38005, 39132, 37765, 40338}},
    {"phases", 1500, {32141, 19540, 24116, 24533, 22501, 23662}},
};

static void test_newer_policies_miss_as_their_authors_programs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(newer_counts); i++) {
        struct trace trace;

        if (RUNNING_ON_VALGRIND && strcmp(newer_counts[i].trace, "loop") != 0)
            continue;
        make_trace(&trace, newer_counts[i].trace);
        for (size_t p = 0; p < COUNT(newer); p++)
            check(&trace, newer_counts[i].trace, newer[p], newer_counts[i].frames,
                  newer_counts[i].misses[p]);
        trace_fini(&trace);
    }
}

/* With the paper's own settings it is S3-FIFO. */
static void test_s4fifo_begins_as_s3fifo(void **state)
{
    struct trace trace;

    (void)state;
    make_trace(&trace, "loop");
    assert_int_equal(misses_of(&trace, "s4fifo", 400), misses_of(&trace, "s3fifo:fill=1", 400));
    trace_fini(&trace);
}

/* ---- LeCaR, CACHEUS and LHD: within the spread of seeds ---- */

static const struct {
    const char *policy, *trace;
    uint32_t frames;
    uint64_t least, most;
} spreads[] = {
    {"lecar", "zigzag", 400, 42754, 44113},
    {"lecar", "zigzag", 1500, 14843, 14888},
    {"lecar", "loop", 400, 3838, 3973},
    {"lecar", "zipf", 400, 48027, 48557},
    {"lecar", "zipf", 1500, 32992, 33307},
    {"lecar", "loopscan", 400, 34685, 41338},
    {"lecar", "phases", 400, 36845, 36999},
    {"lecar", "phases", 1500, 17720, 17943},
    {"cacheus", "zigzag", 400, 44279, 47229},
    {"cacheus", "zigzag", 1500, 16714, 17560},
    {"cacheus", "loop", 400, 3420, 3420},
    {"cacheus", "zipf", 400, 47188, 48192},
    {"cacheus", "zipf", 1500, 31969, 32381},
    {"lhd:period=2000", "zigzag", 400, 42920, 43374},
    {"lhd:period=2000", "zigzag", 1500, 15847, 15951},
    {"lhd:period=2000", "zipf", 400, 53707, 54381},
    {"lhd:period=2000", "zipf", 1500, 35580, 36191},
    {"lhd:period=2000", "loopscan", 1500, 22847, 22975},
    {"lhd:period=2000", "phases", 400, 38186, 38372},
    {"lhd:period=2000", "phases", 1500, 17870, 17968},
};

#define SEEDS 8u

/* Mean of the misses with several seeds. */
static uint64_t mean_misses(const struct trace *trace, const char *choice, uint32_t frames)
{
    uint64_t sum = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct replay replay;

        replay_init(&replay, choice, trace->pages, frames, seed, false);
        for (size_t i = 0; i < trace->length; i++)
            replay_reference(&replay, trace->references[i]);
        sum += replay.misses;
        replay_fini(&replay);
    }
    return sum / SEEDS;
}

static void test_lecar_cacheus_and_lhd_miss_as_their_authors_programs(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    for (size_t i = 0; i < COUNT(spreads); i++) {
        struct trace trace;
        uint64_t misses;

        make_trace(&trace, spreads[i].trace);
        misses = mean_misses(&trace, spreads[i].policy, spreads[i].frames);
        if (misses < spreads[i].least || misses > spreads[i].most)
            fail_msg("%s on %s, %u frames: %lu misses, the authors' program has %lu to %lu",
                     spreads[i].policy, spreads[i].trace, spreads[i].frames, (unsigned long)misses,
                     (unsigned long)spreads[i].least, (unsigned long)spreads[i].most);
        trace_fini(&trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clockpro_lirs_and_dlirs_miss_as_their_authors_programs),
        cmocka_unit_test(test_newer_policies_miss_as_their_authors_programs),
        cmocka_unit_test(test_s4fifo_begins_as_s3fifo),
        cmocka_unit_test(test_lecar_cacheus_and_lhd_miss_as_their_authors_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
