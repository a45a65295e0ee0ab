/* Small examples of what each policy's paper says, worked by hand, and properties that all policies
 * have. In the examples pages are letters, and a string is a trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "policy/registry.h"
#include "replay_engine.h"
#include "trace_source.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Examples ---- */

static void play(struct replay *replay, const char *trace)
{
    for (; *trace != '\0'; trace++)
        replay_reference(replay, (sp_page)(*trace - 'a'));
}

static void expect_resident(const struct replay *replay, const char *choice, const char *trace,
                            const char *expected)
{
    char resident[27] = "";
    size_t length = 0;

    for (int page = 0; page < 26; page++)
        if (replay->resident[page])
            resident[length++] = (char)('a' + page);
    if (strcmp(resident, expected) != 0)
        fail_msg("%s, %u frames, after %s: resident are %s, not %s", choice, replay->config.frames,
                 trace, resident, expected);
}

static const struct example {
    const char *choice;
    uint32_t frames;
    const char *trace;
    const char *resident; /* after it, in alphabetical order */
} examples[] = {
    /* The last page referenced leaves: c for d, then d for e. */
    {"mru", 3, "abcde", "abe"},

    /* SIEVE (b's turn is where the hand stops). d: the hand passes a, which was referenced, and
     * takes b; e: it goes on to c. a is as old as before, where CLOCK would have it young again;
     * f: the hand is at d. */
    {"sieve", 3, "abcad", "acd"},
    {"sieve", 3, "abcade", "ade"},
    {"sieve", 3, "abcadef", "aef"},

    /* S3-FIFO: one frame is for the small queue, but free frames are used first. k: a was
     * referenced twice and goes on to main; b goes, and is a ghost. b comes back to main, and
     * neither is touched by a scan. */
    {"s3fifo", 10, "aaabcdefghijk", "acdefghijk"},
    {"s3fifo", 10, "aaabcdefghijkblmnopqrstu", "abnopqrstu"},
    /* Once is not enough, but for a live task's threshold. */
    {"s3fifo", 10, "aabcdefghijk", "bcdefghijk"},
    {"s3fifo:move=1", 10, "aabcdefghijk", "acdefghijk"},
    /* With the large queue filled first, b to j are in it when k and l pass through the small one. */
    {"s3fifo", 10, "abcdefghijkl", "cdefghijkl"},
    {"s3fifo:fill=1", 10, "abcdefghijkl", "bcdefghijl"},

    /* 2Q with Kin 1 and Kout 2. e, f and g push a, b and c out; a is forgotten when c leaves. b
     * comes back to Am and pushes d out; a is a new page, and pushes e and thereby c out of A1out.
     * d comes back to Am for f. From then on new pages push each other out. */
    {"2q", 4, "abcdefgba", "abfg"},
    {"2q", 4, "abcdefgbad", "abdg"},
    {"2q", 4, "abcdefgbadhijklm", "bdlm"},

    /* ARC. d pushes b from T1 to B1. b comes back: p = 1, c goes to B1. c comes back: p = 2, and
     * with only d in T1, a leaves T2 for B2. a comes back: p = 1, and since it comes from B2 and
     * T1 is as long as p, d leaves. */
    {"arc", 3, "abcad", "acd"},
    {"arc", 3, "abcadb", "abd"},
    {"arc", 3, "abcadbc", "bcd"},
    {"arc", 3, "abcadbca", "abc"},

    /* CAR: a has its bit set and passes to T2, b leaves. b comes back to T2 after c has left. */
    {"car", 3, "abcad", "acd"},
    {"car", 3, "abcadb", "abd"},

    /* CLOCK-Pro: a and b fill the room for hot pages, c and d pass through what is left. c comes
     * back during its test period, for d, and becomes hot; b, not referenced since it came in, turns
     * cold and leaves for e; a was referenced and stays hot. */
    {"clockpro", 3, "abcad", "abd"},
    {"clockpro", 3, "abcadc", "abc"},
    {"clockpro", 3, "abcadce", "ace"},

    /* LIRS, with two LIR pages and one HIR page: the trace of the paper's table 1, A at times 1, 6
     * and 8, B at 3 and 5, C at 4, D at 2 and 7, E at 9, from an empty cache. a and d are LIR, c
     * replaces b on Q; b is a ghost on S and comes back as LIR for c, so that a, at the bottom,
     * becomes HIR. a, at 6, is on Q only; at 8 it is on S, above b, and trades places with it; e
     * replaces b. */
    {"lirs", 3, "adbc", "acd"},
    {"lirs", 3, "adbcb", "abd"},
    {"lirs", 3, "adbcbada", "abd"},
    {"lirs", 3, "adbcbadae", "ade"},

    /* LRU-2: b and c have been referenced once only, a twice: b goes for d, c for e, though a was
     * referenced before c. */
    {"lru-k", 3, "abacd", "acd"},
    {"lru-k", 3, "abacde", "ade"},
    {"lru-k:k=1", 3, "abacde", "cde"},
    /* With a correlated reference period a's two references are one. */
    {"lru-k:correlated=1", 3, "aabcd", "bcd"},

    {"lfu", 3, "aabbcd", "abd"},
    {"lfu", 3, "aabbcde", "abe"},

    /* Two bits: a has three references counted and has the hand pass three times. */
    {"gclock", 2, "abaaacde", "ae"},
    {"gclock", 2, "abaaacdef", "ef"},
    {"gclock:bits=1", 2, "abaaacd", "cd"},

    /* SLRU: free frames have been filled segment by segment, c and d above a and b. a rises, so
     * that c falls; b goes. */
    {"slru:segments=2", 4, "abcdae", "acde"},

    /* MQ: a was referenced twice and is one queue up. b leaves, and comes back with its count: it
     * is one up, too, and e pushes out d. */
    {"mq", 3, "aabcd", "acd"},
    {"mq", 3, "aabcdbe", "abe"},
    /* With a life of three references a falls back among the others while d comes and goes. */
    {"mq:life=1", 3, "aabdddddce", "cde"},

    /* W-TinyLFU: one frame is the window. a, b and c are in the main region, each counted once; d
     * is no better and so leaves when e pushes it out of the window, and e for f. */
    {"wtinylfu:counters=256", 4, "abcdef", "abcf"},
    /* b, referenced again, is protected; e was referenced twice before f came, but in the window,
     * which does not count. */
    {"wtinylfu:counters=256", 4, "abcbdeef", "abcf"},

    /* Hyperbolic: at time 6 a is worth 4/6, b 1/2. */
    {"hyperbolic", 2, "aaaabc", "ac"},

    /* Working set: all are in the window, and the oldest goes. Outside it, the bit decides. */
    {"ws", 3, "abcad", "acd"},
    {"ws:window=0", 3, "abcad", "acd"},

    /* Page fault frequency: d comes soon after c: a is the oldest, used or not. Or long after c: a
     * was used, b was not. */
    {"pff", 3, "abacd", "bcd"},
    {"pff", 3, "abacccccd", "acd"},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct replay replay;

        replay_init(&replay, examples[i].choice, 26, examples[i].frames, 1, false);
        play(&replay, examples[i].trace);
        expect_resident(&replay, examples[i].choice, examples[i].trace, examples[i].resident);
        replay_fini(&replay);
    }
}

/* c alone is clean. NRU: at time 5 a second period begins, and c is in the lowest class. WSClock:
 * the hand passes a and b, which are dirty, as c is outside the working set as well. */
static void test_clean_pages_first(void **state)
{
    static const char *const choices[] = {"nru", "wsclock:window=0.25"};

    (void)state;
    for (size_t i = 0; i < COUNT(choices); i++) {
        struct replay replay;

        replay_init(&replay, choices[i], 26, 4, 1, false);
        play(&replay, "abcd");
        replay.dirty[0] = replay.dirty[1] = replay.dirty[3] = true;
        play(&replay, "e");
        expect_resident(&replay, choices[i], "abcde", "abde");
        replay_fini(&replay);
    }
}

/* Belady's own yardstick on two strings from textbooks. */
static void test_belady_textbook(void **state)
{
    static const sp_page silberschatz[] = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3,
                                           0, 3, 2, 1, 2, 0, 1, 7, 0, 1};
    static const sp_page anomaly[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};

    (void)state;
    assert_int_equal(replay_run("belady", silberschatz, COUNT(silberschatz), 8, 3, false), 9);
    assert_int_equal(replay_run("belady", anomaly, COUNT(anomaly), 6, 3, false), 7);
    assert_int_equal(replay_run("belady", anomaly, COUNT(anomaly), 6, 4, false), 6);
}

/* A loop over one page more than there are frames: LRU misses always, MRU once in each four. */
static void test_loop(void **state)
{
    enum { LOOP = 5, ROUNDS = 8 };
    sp_page loop[LOOP * ROUNDS];

    (void)state;
    for (uint32_t i = 0; i < COUNT(loop); i++)
        loop[i] = i % LOOP;
    assert_int_equal(replay_run("lru", loop, COUNT(loop), LOOP, LOOP - 1, false), COUNT(loop));
    assert_int_equal(replay_run("mru", loop, COUNT(loop), LOOP, LOOP - 1, false), 5 + 35 / 4);
    assert_int_equal(replay_run("belady", loop, COUNT(loop), LOOP, LOOP - 1, false), 5 + 35 / 4);
}

/* Counts age: what was popular once leaves when something else is. */
static void test_lfu_ages(void **state)
{
    enum { HOT = 50, FIRST = 10000, THEN = 20000 };
    static sp_page trace[FIRST + THEN];

    (void)state;
    for (uint32_t i = 0; i < FIRST; i++)
        trace[i] = i % HOT;
    for (uint32_t i = 0; i < THEN; i++)
        trace[FIRST + i] = HOT + i % (HOT + 10);
    assert_true(replay_run("lfu:age=0", trace, COUNT(trace), 3 * HOT, HOT + 10, false) >
                3 * replay_run("lfu", trace, COUNT(trace), 3 * HOT, HOT + 10, false));
}

#define LFU_PAGES 200u

static void reference_is(struct replay *replay, sp_page page, bool miss)
{
    assert_int_equal(replay_reference(replay, page), miss);
}

/* From the definition: the resident page with the fewest references since it came in leaves, and of
 * those with as few the one referenced longest ago. */
static uint64_t model_lfu_misses(const struct trace *trace, uint32_t frames)
{
    uint64_t count[LFU_PAGES] = {0}, last[LFU_PAGES] = {0}, misses = 0;
    uint32_t resident = 0;

    for (size_t i = 0; i < trace->length; i++) {
        sp_page page = trace->references[i], least = SP_NO_PAGE;

        misses += count[page] == 0;
        if (count[page] == 0 && resident == frames) {
            for (sp_page p = 0; p < trace->pages; p++)
                if (count[p] > 0 && (least == SP_NO_PAGE || count[p] < count[least] ||
                                     (count[p] == count[least] && last[p] < last[least])))
                    least = p;
            count[least] = 0;
            resident--;
        }
        resident += count[page] == 0;
        count[page]++;
        last[page] = i;
    }
    return misses;
}

static void test_lfu_without_ageing_counts_without_bound(void **state)
{
    static const uint32_t sizes[] = {1, 3, 10, 50};
    struct trace trace;
    struct replay replay;

    (void)state;
    replay_init(&replay, "lfu:age=0", 3, 2, 1, false);
    for (int i = 0; i < 300; i++)
        reference_is(&replay, 0, i == 0);
    for (int i = 0; i < 260; i++)
        reference_is(&replay, 1, i == 0);
    reference_is(&replay, 2, true); /* for page 1, which has the fewer references */
    reference_is(&replay, 0, false);
    replay_fini(&replay);
    assert_true(trace_generate(&trace, "zipf", RUNNING_ON_VALGRIND ? 3000 : 50000, LFU_PAGES, 1));
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_int_equal(
            replay_run("lfu:age=0", trace.references, trace.length, trace.pages, sizes[i], false),
            model_lfu_misses(&trace, sizes[i]));
    trace_fini(&trace);
}

/* ---- What all policies have in common ---- */

/* What fits stays: each page is missed once, with as few frames as one. */
static void test_what_fits_stays(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 7, 10, 50, 99, 100, 101};
    const struct sp_policy *policy;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        for (size_t s = 0; s < COUNT(sizes); s++) {
            sp_page trace[101 * 6];
            uint32_t length = sizes[s] * 6;
            uint64_t misses;

            for (uint32_t r = 0; r < length; r++)
                trace[r] = r % sizes[s];
            misses = replay_run(policy->name, trace, length, sizes[s], sizes[s], false);
            if (misses != sizes[s])
                fail_msg("%s: %lu misses for %u pages that fit", policy->name,
                         (unsigned long)misses, sizes[s]);
        }
    }
}

#define LENGTH 60000u
#define PAGES  4000u

/* No policy beats the optimum, and on references with popular pages all but mru beat half of what a
 * random choice misses more than it; with few frames, too. */
static void test_between_optimum_and_nonsense(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 10, 30, 99, 400, 1500};
    const struct sp_policy *policy;
    struct trace trace;

    (void)state;
    assert_true(
        trace_generate(&trace, "zipf", RUNNING_ON_VALGRIND ? LENGTH / 20 : LENGTH, PAGES, 3));
    for (size_t s = 0; s < COUNT(sizes); s++) {
        uint64_t least =
            replay_run("belady", trace.references, trace.length, trace.pages, sizes[s], false);
        uint64_t random =
            replay_run("random", trace.references, trace.length, trace.pages, sizes[s], false);

        for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
            uint64_t misses = replay_run(policy->name, trace.references, trace.length, trace.pages,
                                         sizes[s], false);

            if (misses < least || (misses > random + random / 50 && policy != &policy_mru))
                fail_msg("%s, %u frames: %lu misses; optimum %lu, random %lu", policy->name,
                         sizes[s], (unsigned long)misses, (unsigned long)least,
                         (unsigned long)random);
        }
    }
    trace_fini(&trace);
}

/* Misses in the last third of a trace, the number of frames having changed twice before. */
static uint64_t misses_after(const char *policy, const struct trace *trace, uint32_t first,
                             uint32_t second, uint32_t third)
{
    struct replay replay;
    uint64_t before = 0;

    replay_init(&replay, policy, trace->pages, first, 1, false);
    if (replay.policy->flags & SP_POLICY_NEEDS_FUTURE)
        replay_foresee(&replay, trace->references, trace->length);
    for (size_t i = 0; i < trace->length; i++) {
        if (i == trace->length / 6)
            replay_resize(&replay, second);
        if (i == trace->length / 3)
            replay_resize(&replay, third);
        if (i == trace->length - trace->length / 3)
            before = replay.misses;
        replay_reference(&replay, trace->references[i]);
        assert_true(replay.count <= replay.config.frames);
    }
    before = replay.misses - before;
    replay_fini(&replay);
    return before;
}

/* A contract that shrank and grew leaves no scar: soon all is as if it had always been so. */
static void test_resize(void **state)
{
    const struct sp_policy *policy;
    struct trace trace;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_true(trace_generate(&trace, "zipf", LENGTH, PAGES, 4));
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        double always = (double)misses_after(policy->name, &trace, 300, 300, 300);
        double shrunk = (double)misses_after(policy->name, &trace, 1000, 1, 300);
        double grown = (double)misses_after(policy->name, &trace, 2, 1500, 300);
        double slack = policy == &policy_mru ? 0.2 : 0.05;

        if (shrunk > always * (1 + slack) || grown > always * (1 + slack) ||
            shrunk < always * (1 - slack) || grown < always * (1 - slack))
            fail_msg("%s: %.0f misses at 300 frames, but %.0f and %.0f after changes", policy->name,
                     always, shrunk, grown);
    }
    trace_fini(&trace);
}

/* A page that the program will not need is the next to leave (of nru, that chooses at random, one
 * of the next). */
static void test_hints(void **state)
{
    const struct sp_policy *policy;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        for (int hint = SP_HINT_DONT_NEED; hint <= SP_HINT_SCRATCH; hint++) {
            struct replay replay;

            if (policy->hint == NULL || policy == &policy_nru)
                continue;
            replay_init(&replay, policy->name, 26, 8, 1, false);
            play(&replay, "abcdefghabcdefghijabcdefgh");
            play(&replay, "c");
            policy->hint(replay.self, 2, (enum sp_hint)hint);
            play(&replay, "z");
            if (replay.resident[2])
                fail_msg("%s: a page hinted at with %d stays", policy->name, hint);
            replay_fini(&replay);
        }
    }
}

/* A hint may be wrong: a page that is referenced after all is not the next to leave. */
static void test_wrong_hints(void **state)
{
    static const char *const choices[] = {"lru", "clock",    "gclock", "sieve",    "s3fifo",
                                          "car", "clockpro", "ws",     "wsclock",  "arc",
                                          "2q",  "lirs",     "slru",   "wtinylfu", "lecar"};

    (void)state;
    for (size_t i = 0; i < COUNT(choices); i++) {
        struct replay replay;

        replay_init(&replay, choices[i], 26, 8, 1, false);
        play(&replay, "abcdefghabcdefghijabcdefgh");
        play(&replay, "c");
        replay.policy->hint(replay.self, 2, SP_HINT_DONT_NEED);
        play(&replay, "ccz");
        if (!replay.resident[2])
            fail_msg("%s: a page that was needed after all is gone", choices[i]);
        replay_fini(&replay);
    }
}

/* A hot page that was pinned, or passed over, comes back hot: e and f do not push c out, which came back during
 * its test period. */
static void test_clockpro_remembers_what_was_away(void **state)
{
    static const enum sp_removal reasons[] = {SP_PINNED, SP_SKIPPED};

    (void)state;
    for (size_t i = 0; i < COUNT(reasons); i++) {
        struct replay replay;

        replay_init(&replay, "clockpro", 26, 3, 1, false);
        play(&replay, "abcadc");
        replay.policy->remove(replay.self, 2, reasons[i]);
        replay.policy->insert(replay.self, 2, SP_READ);
        play(&replay, "ef");
        assert_true(replay.resident[2]);
        replay_fini(&replay);
    }
}

/* Work for a miss is bounded on average, whatever the trace: counted in questions to the engine. */
static void test_scans_cost_little(void **state)
{
    enum { FRAMES = 2000, SCAN = 20000 };
    static const char *const kinds[] = {"zipf", "loopscan", "phases"};
    const struct sp_policy *policy;

    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct trace trace;

        assert_true(trace_generate(&trace, kinds[k], RUNNING_ON_VALGRIND ? 4000 : 100000, SCAN, 1));
        for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
            struct replay replay;

            replay_init(&replay, policy->name, trace.pages, FRAMES, 1, false);
            if (policy->flags & SP_POLICY_NEEDS_FUTURE)
                replay_foresee(&replay, trace.references, trace.length);
            for (size_t r = 0; r < trace.length; r++)
                replay_reference(&replay, trace.references[r]);
            if (replay.questions > 6 * trace.length && policy != &policy_nru)
                fail_msg("%s on %s asks about %lu pages in %zu references", policy->name, kinds[k],
                         (unsigned long)replay.questions, trace.length);
            replay_fini(&replay);
        }
        trace_fini(&trace);
    }
}

/* ---- References that lie long ago ---- */

/* a, a, then b `times` times, c and b again, with two frames: a must go for c. */
static void expect_old_page_leaves(const char *choice, uint32_t times, uint64_t seed, bool live)
{
    struct replay replay;

    replay_init(&replay, choice, 3, 2, seed, live);
    play(&replay, "aa");
    while (times-- > 0)
        play(&replay, "b");
    play(&replay, "cb");
    if (replay.misses != 3)
        fail_msg("%s%s, seed %lu: %lu misses, not 3", choice, live ? " (live)" : "",
                 (unsigned long)seed, (unsigned long)replay.misses);
    replay_fini(&replay);
}

static void test_a_reference_before_the_window_is_none_within_it(void **state)
{
    (void)state;
    expect_old_page_leaves("ws", 4, 1, false);
    expect_old_page_leaves("ws:window=2", 4, 1, false);
    for (uint64_t seed = 1; seed <= 8; seed++)
        expect_old_page_leaves("nru:period=50", 150, seed, false);
}

/* With every reference seen ws evicts as lru does, whatever the window. */
static void test_ws_keeps_what_was_referenced_last(void **state)
{
    struct trace trace;

    (void)state;
    assert_true(trace_generate(&trace, "phases", RUNNING_ON_VALGRIND ? 4000 : 50000, 2000, 1));
    for (uint32_t frames = 10; frames <= 1000; frames *= 10)
        for (int window = 0; window < 3; window++) {
            static const char *const choices[] = {"ws", "ws:window=0.1", "ws:window=4"};

            assert_int_equal(
                replay_run(choices[window], trace.references, trace.length, trace.pages, frames,
                           false),
                replay_run("lru", trace.references, trace.length, trace.pages, frames, false));
        }
    trace_fini(&trace);
}

/* A live task shows bits only. Pages from 0 to 19 are referenced all the time, one new page at a
 * time comes between: FIFO would evict each of the twenty again and again. */
static void expect_hot_pages_stay(const char *choice, uint64_t faults_most)
{
    struct replay replay;

    replay_init(&replay, choice, 2000, 40, 1, true);
    for (sp_page page = 20; page < 2000; page++) {
        replay_reference(&replay, page);
        for (sp_page hot = 0; hot < 20; hot++)
            replay_reference(&replay, hot);
    }
    if (replay.misses - 1980 > faults_most)
        fail_msg("%s lost hot pages %lu times", choice, (unsigned long)(replay.misses - 1980));
    replay_fini(&replay);
}

static void test_live_bits_tell_hot_pages(void **state)
{
    (void)state;
    expect_hot_pages_stay("ws", 100);
    expect_hot_pages_stay("nru", 600); /* it chooses at random */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_clean_pages_first),
        cmocka_unit_test(test_belady_textbook),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_lfu_ages),
        cmocka_unit_test(test_lfu_without_ageing_counts_without_bound),
        cmocka_unit_test(test_what_fits_stays),
        cmocka_unit_test(test_between_optimum_and_nonsense),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_wrong_hints),
        cmocka_unit_test(test_clockpro_remembers_what_was_away),
        cmocka_unit_test(test_scans_cost_little),
        cmocka_unit_test(test_a_reference_before_the_window_is_none_within_it),
        cmocka_unit_test(test_ws_keeps_what_was_referenced_last),
        cmocka_unit_test(test_live_bits_tell_hot_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
