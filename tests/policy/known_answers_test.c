/* Policies against answers known from elsewhere: textbooks, and slow models of the simplest ones
 * written from their definitions. */
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Textbook examples ---- */

/* Belady, Nelson and Shedler 1969: more frames, more faults. */
static const sp_page anomaly[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};

static void test_fifo_belady_anomaly(void **state)
{
    (void)state;
    assert_int_equal(replay_run("fifo", anomaly, COUNT(anomaly), 6, 3, false), 9);
    assert_int_equal(replay_run("fifo", anomaly, COUNT(anomaly), 6, 4, false), 10);
}

/* The string of Silberschatz, Galvin and Gagne, "Operating System Concepts", chapter on virtual
 * memory: with three frames FIFO takes 15 faults and LRU 12. */
static const sp_page textbook[] = {7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1};

static void test_textbook_string(void **state)
{
    (void)state;
    assert_int_equal(replay_run("fifo", textbook, COUNT(textbook), 8, 3, false), 15);
    assert_int_equal(replay_run("lru", textbook, COUNT(textbook), 8, 3, false), 12);
    assert_int_equal(replay_run("lru", anomaly, COUNT(anomaly), 6, 3, false), 10);
    assert_int_equal(replay_run("lru", anomaly, COUNT(anomaly), 6, 4, false), 8);
}

static void reference(struct replay *replay, sp_page page, bool miss)
{
    assert_int_equal(replay_reference(replay, page), miss);
}

static void test_clock_example(void **state)
{
    struct replay replay;

    (void)state;
    replay_init(&replay, "clock", 10, 3, 1, false);
    reference(&replay, 1, true);
    reference(&replay, 2, true);
    reference(&replay, 3, true);
    reference(&replay, 1, false);
    reference(&replay, 4, true); /* passes 1, clearing its bit, and evicts 2 */
    assert_true(replay.resident[1] && !replay.resident[2]);
    reference(&replay, 3, false);
    reference(&replay, 5, true); /* passes 3, evicts 1, whose second chance is used up */
    assert_true(replay.resident[3] && !replay.resident[1]);
    reference(&replay, 4, false);
    reference(&replay, 5, false);
    reference(&replay, 3, false);
    reference(&replay, 6, true); /* all bits set: one full turn, then the first in line, 4 */
    assert_true(replay.resident[3] && !replay.resident[4] && replay.resident[5]);
    replay_fini(&replay);
}

/* Of pages that were referred to once the one that came first leaves first, the very first one, too. */
static void test_lru_k_takes_the_oldest_of_those_without_a_history(void **state)
{
    static const sp_page pages[] = {1, 2, 3, 1};

    (void)state;
    assert_int_equal(replay_run("lru-k", pages, COUNT(pages), 4, 2, false), 4);
}

/* ---- A trace with a hot set, loops and scans ---- */

#define PAGES  2000u
#define LENGTH 40000u

static sp_page trace[LENGTH];

static void generate_trace(void)
{
    struct random_source random = random_seeded(20021122);
    uint32_t loop = 0, scan = 0;
    size_t i = 0;

    while (i < LENGTH) {
        uint32_t burst = 20 + random_below(&random, 400);
        uint32_t mode = random_below(&random, 10);

        for (; burst > 0 && i < LENGTH; burst--, i++) {
            uint32_t below = 1 + random_below(&random, 400);

            if (mode < 6)
                trace[i] = random_below(&random, below); /* low numbers are hot */
            else if (mode < 8)
                trace[i] = 400 + loop++ % 300;
            else
                trace[i] = 700 + scan++ % (PAGES - 700);
        }
    }
}

/* Slow models: an array of pages, written from the definitions alone. */
struct model {
    sp_page page[PAGES];
    bool bit[PAGES]; /* clock: of the page in the same place */
    uint32_t count;
    uint32_t hand;
};

static uint32_t model_find(const struct model *model, sp_page page)
{
    uint32_t i = 0;

    while (i < model->count && model->page[i] != page)
        i++;
    return i;
}

/* FIFO and LRU: page[0] goes first; LRU moves a referenced page to the end. */
static bool model_queue_reference(struct model *model, sp_page page, uint32_t frames, bool lru)
{
    uint32_t i = model_find(model, page);
    bool miss = i == model->count;

    if (!miss && !lru)
        return false;
    if (miss && model->count < frames) {
        model->page[model->count++] = page;
        return true;
    }
    i = miss ? 0 : i;
    memmove(&model->page[i], &model->page[i + 1], (model->count - i - 1) * sizeof(sp_page));
    model->page[model->count - 1] = page;
    return miss;
}

/* CLOCK: a ring of frames and a hand, as drawn in textbooks. */
static bool model_clock_reference(struct model *model, sp_page page, uint32_t frames)
{
    uint32_t i = model_find(model, page);

    if (i < model->count) {
        model->bit[i] = true;
        return false;
    }
    if (model->count < frames) {
        model->page[model->count++] = page;
        return true;
    }
    while (model->bit[model->hand]) {
        model->bit[model->hand] = false;
        model->hand = (model->hand + 1) % frames;
    }
    model->page[model->hand] = page;
    model->hand = (model->hand + 1) % frames;
    return true;
}

static bool model_reference(struct model *model, const char *policy, sp_page page, uint32_t frames)
{
    if (strcmp(policy, "clock") == 0)
        return model_clock_reference(model, page, frames);
    return model_queue_reference(model, page, frames, strcmp(policy, "lru") == 0);
}

static void test_models(void **state)
{
    /* The misses are those of the models, noted here so that neither can change unnoticed. */
    static const struct {
        const char *policy;
        uint32_t frames;
        uint64_t misses;
    } cases[] = {
        {"fifo", 1, 39871},    {"fifo", 2, 39749},    {"fifo", 10, 38817},   {"fifo", 100, 31286},
        {"fifo", 1000, 11733}, {"lru", 1, 39871},     {"lru", 2, 39749},     {"lru", 10, 38815},
        {"lru", 100, 30784},   {"lru", 1000, 9911},   {"clock", 1, 39871},   {"clock", 2, 39748},
        {"clock", 10, 38810},  {"clock", 100, 30547}, {"clock", 1000, 8734},
    };
    static struct model model;

    (void)state;
    generate_trace();
    for (size_t c = 0; c < COUNT(cases); c++) {
        size_t length = RUNNING_ON_VALGRIND ? LENGTH / 10 : LENGTH;
        struct replay replay;
        uint64_t misses = 0;

        memset(&model, 0, sizeof(model));
        replay_init(&replay, cases[c].policy, PAGES, cases[c].frames, 1, false);
        for (size_t i = 0; i < length; i++) {
            bool miss = model_reference(&model, cases[c].policy, trace[i], cases[c].frames);

            if (replay_reference(&replay, trace[i]) != miss)
                fail_msg("%s, %u frames: reference %zu, to page %u, should be a %s",
                         cases[c].policy, cases[c].frames, i, trace[i], miss ? "miss" : "hit");
            misses += miss;
        }
        if (length == LENGTH && misses != cases[c].misses)
            fail_msg("%s, %u frames: %lu misses, not %lu", cases[c].policy, cases[c].frames,
                     (unsigned long)misses, (unsigned long)cases[c].misses);
        replay_fini(&replay);
    }
}

/* Mattson et al.: what n frames hold is a subset of what n + 1 hold. */
static void test_lru_stack_property(void **state)
{
    struct replay small, large;

    (void)state;
    generate_trace();
    replay_init(&small, "lru", PAGES, 60, 1, false);
    replay_init(&large, "lru", PAGES, 61, 1, false);
    for (size_t i = 0; i < LENGTH / 10; i++) {
        replay_reference(&small, trace[i]);
        replay_reference(&large, trace[i]);
        for (sp_page page = 0; page < PAGES; page++)
            assert_false(small.resident[page] && !large.resident[page]);
    }
    assert_true(large.misses <= small.misses);
    replay_fini(&small);
    replay_fini(&large);
}

/* The watched share is for live tasks: it changes nothing where every reference is seen. */
static void test_lru_watched_share_in_replay(void **state)
{
    static const char *const choices[] = {"lru:watched=0", "lru:watched=0.01", "lru:watched=0.5",
                                          "lru:watched=1"};
    uint64_t misses;

    (void)state;
    generate_trace();
    misses = replay_run("lru", trace, LENGTH, PAGES, 100, false);
    for (size_t i = 0; i < COUNT(choices); i++)
        assert_int_equal(replay_run(choices[i], trace, LENGTH, PAGES, 100, false), misses);
}

/* Turner and Levy: FIFO if nothing is watched, LRU if everything is, and close to LRU for a modest
 * share. */
static void test_lru_live(void **state)
{
    uint64_t fifo, lru, preset;

    (void)state;
    generate_trace();
    fifo = replay_run("fifo", trace, LENGTH, PAGES, 800, false);
    lru = replay_run("lru", trace, LENGTH, PAGES, 800, false);
    preset = replay_run("lru", trace, LENGTH, PAGES, 800, true);
    assert_true(lru < fifo);
    assert_int_equal(replay_run("lru:watched=0", trace, LENGTH, PAGES, 800, true), fifo);
    print_message("800 frames: fifo %lu, live lru %lu, lru %lu misses\n", (unsigned long)fifo,
                  (unsigned long)preset, (unsigned long)lru);
    assert_true(preset - lru < (fifo - lru) / 2);
}

/* An instruction that refers to several pages ends once none of them faults: whatever a policy
 * watches meanwhile, that must come about. */
static void test_instructions_end(void **state)
{
    const char *choices[40] = {"lru:watched=0.5", "lru:watched=1", "s3fifo:move=1"};
    const struct sp_policy *policy;
    size_t count = 3;
    enum { FRAMES = 16, OPERANDS = 4, INSTRUCTIONS = 2000, TRIES = 50 };

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL && count < COUNT(choices); i++)
        if (policy->flags & SP_POLICY_LIVE)
            choices[count++] = policy->name;
    for (size_t c = 0; c < count; c++) {
        struct random_source random = random_seeded(5);
        struct replay replay;

        replay_init(&replay, choices[c], 40, FRAMES, 1, true);
        for (int i = 0; i < INSTRUCTIONS; i++) {
            sp_page operand[OPERANDS];
            int tries = 0, done = 0;

            for (int k = 0; k < OPERANDS; k++)
                operand[k] = random_below(&random, 40);
            for (; done < OPERANDS && tries < TRIES; tries++)
                for (done = 0; done < OPERANDS; done++)
                    if (!replay.resident[operand[done]] || replay.protected[operand[done]]) {
                        replay_reference(&replay, operand[done]);
                        break;
                    }
            if (done < OPERANDS)
                fail_msg("%s: an instruction never ends", choices[c]);
        }
        replay_fini(&replay);
    }
}

/* CLOCK asks the engine for its bits, which are as good in a live task. */
static void test_clock_live(void **state)
{
    (void)state;
    generate_trace();
    assert_int_equal(replay_run("clock", trace, LENGTH, PAGES, 100, true),
                     replay_run("clock", trace, LENGTH, PAGES, 100, false));
}

static void test_random_is_uniform(void **state)
{
    enum { FRAMES = 50, ROUNDS = 20000 };
    uint32_t named[FRAMES] = {0};
    struct replay replay;
    sp_page before = SP_NO_PAGE;
    double chi_square = 0;
    int repeats = 0;

    (void)state;
    replay_init(&replay, "random", FRAMES, FRAMES, 7, false);
    for (sp_page page = 0; page < FRAMES; page++)
        replay_reference(&replay, page);
    for (int i = 0; i < ROUNDS; i++) {
        sp_page victim = replay.policy->victim(replay.self, SP_NO_PAGE);

        named[victim]++;
        repeats += victim == before;
        before = victim;
        replay.policy->remove(replay.self, victim, SP_EVICTED);
        replay.policy->insert(replay.self, victim, SP_READ);
    }
    for (int i = 0; i < FRAMES; i++) {
        double expected = (double)ROUNDS / FRAMES;

        chi_square += (named[i] - expected) * (named[i] - expected) / expected;
    }
    /* 49 degrees of freedom: 85.4 is exceeded with probability 0.001. The seed is fixed. */
    assert_true(chi_square < 85.4);
    /* The page that came in last is as likely as any other: 400 +- 5 standard deviations. */
    assert_in_range(repeats, 300, 500);
    replay_fini(&replay);
}

static uint64_t misses_with_resizes(const char *name, bool resize)
{
    uint64_t misses;
    struct replay replay;

    replay_init(&replay, name, PAGES, 100, 1, false);
    replay_foresee(&replay, trace, LENGTH / 4);
    for (size_t i = 0; i < LENGTH / 4; i++) {
        if (resize && i % 500 == 499)
            replay_resize(&replay, 100);
        replay_reference(&replay, trace[i]);
    }
    misses = replay.misses;
    replay_fini(&replay);
    return misses;
}

/* What a policy has learnt stays when it is told the number of frames that it has. */
static void test_the_same_number_of_frames_again_changes_nothing(void **state)
{
    const struct sp_policy *policy;

    (void)state;
    generate_trace();
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++)
        if (misses_with_resizes(policy->name, true) != misses_with_resizes(policy->name, false))
            fail_msg("%s", policy->name);
}

static void test_random_is_seeded(void **state)
{
    (void)state;
    generate_trace();
    assert_int_equal(replay_run("random", trace, LENGTH, PAGES, 100, false),
                     replay_run("random", trace, LENGTH, PAGES, 100, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_belady_anomaly),
        cmocka_unit_test(test_textbook_string),
        cmocka_unit_test(test_clock_example),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_lru_stack_property),
        cmocka_unit_test(test_lru_watched_share_in_replay),
        cmocka_unit_test(test_lru_live),
        cmocka_unit_test(test_instructions_end),
        cmocka_unit_test(test_clock_live),
        cmocka_unit_test(test_random_is_uniform),
        cmocka_unit_test(test_random_is_seeded),
        cmocka_unit_test(test_lru_k_takes_the_oldest_of_those_without_a_history),
        cmocka_unit_test(test_the_same_number_of_frames_again_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
