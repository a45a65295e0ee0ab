/* The engine: its counts, its rules, and every policy at the smallest sizes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <selfpage/page_list.h>

#include "policy/registry.h"
#include "replay/engine.h"
#include "trace/trace.h"

#define LENGTH 4000u
#define PAGES  40u

/* From here on policies that tell what they forget know pages by other numbers. */
#define MANY ENGINE_ENTRIES_FROM

static uint32_t references[LENGTH];
static uint64_t next[LENGTH];

/* A skewed trace with loops, and its future. */
static void make_trace(uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    uint64_t last[PAGES];

    for (uint32_t i = 0; i < LENGTH; i++) {
        uint32_t page =
            i / 300 % 3 == 1 ? i % PAGES : random_below(&random, 1 + random_below(&random, PAGES));

        references[i] = page << 1 | (random_below(&random, 4) == 0);
    }
    for (uint32_t i = 0; i < PAGES; i++)
        last[i] = TRACE_NEVER;
    for (uint32_t i = LENGTH; i-- > 0;) {
        next[i] = last[references[i] >> 1];
        last[references[i] >> 1] = i;
    }
}

/* Misses, evictions and dirty evictions of LRU or FIFO, by the slowest means. */
static struct engine_counts model(bool lru, uint32_t frames)
{
    struct engine_counts counts = {.references = LENGTH};
    uint32_t order[PAGES], used = 0; /* the first leaves next */
    bool dirty[PAGES] = {false};

    for (uint32_t i = 0; i < LENGTH; i++) {
        uint32_t page = references[i] >> 1, at = 0;

        counts.writes += references[i] & 1;
        while (at < used && order[at] != page)
            at++;
        if (at == used) {
            counts.misses++;
            if (used == frames) {
                counts.evictions++;
                counts.dirty_evictions += dirty[order[0]];
                memmove(order, order + 1, --used * sizeof(*order));
            }
            order[used++] = page;
            dirty[page] = false;
        } else if (lru) {
            memmove(order + at, order + at + 1, (used - at - 1) * sizeof(*order));
            order[used - 1] = page;
        }
        dirty[page] |= references[i] & 1;
    }
    return counts;
}

static struct engine_counts run_policy(const struct sp_policy *policy, uint32_t frames, size_t step)
{
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;
    struct engine_counts counts;

    if (policy_params_adopt(&choice, policy, NULL, &error) != 0 ||
        engine_init(&engine, &choice, frames, MANY, 1, true, &error) != 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < LENGTH; i += step) {
        size_t count = LENGTH - i < step ? LENGTH - i : step;

        engine_run(&engine, references + i, next + i, count);
    }
    counts = engine.counts;
    engine_fini(&engine);
    return counts;
}

static struct engine_counts run(const char *policy, uint32_t frames, size_t step)
{
    return run_policy(policy_registry_find(policy, strlen(policy)), frames, step);
}

static void test_models(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++) {
        make_trace(seed);
        for (uint32_t frames = 1; frames <= PAGES; frames++) {
            struct engine_counts fifo = run("fifo", frames, 100), lru = run("lru", frames, LENGTH);
            struct engine_counts fifo_model = model(false, frames), lru_model = model(true, frames);

            assert_memory_equal(&fifo, &fifo_model, sizeof(fifo));
            assert_memory_equal(&lru, &lru_model, sizeof(lru));
        }
    }
}

/* Whatever the policy and however few the frames: no blunders, every miss beyond the free frames is
 * an eviction, and nobody beats Belady. */
static void test_small_sizes(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 7, PAGES, PAGES + 1, 1000};
    const struct sp_policy *policy;

    (void)state;
    make_trace(5);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint64_t least = run("belady", sizes[s], 64).misses;

        for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
            struct engine_counts counts = run(policy->name, sizes[s], 64);

            if (counts.policy_errors != 0 || counts.misses < least || counts.misses < PAGES ||
                counts.misses > LENGTH || counts.dirty_evictions > counts.evictions ||
                counts.evictions + (sizes[s] < PAGES ? sizes[s] : PAGES) != counts.misses)
                fail_msg("%s at %u frames: %llu misses (least: %llu), %llu evictions, %llu errors",
                         policy->name, sizes[s], (unsigned long long)counts.misses,
                         (unsigned long long)least, (unsigned long long)counts.evictions,
                         (unsigned long long)counts.policy_errors);
            if (sizes[s] == 1)
                assert_int_equal(counts.misses, least);
        }
    }
}

/* Frames come and go in the middle. */
static void test_resize(void **state)
{
    struct random_source random = random_seeded(7);
    const struct sp_policy *policy;

    (void)state;
    make_trace(6);
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct policy_choice choice;
        struct engine engine;
        struct sp_error error;

        assert_int_equal(policy_params_choose(&choice, policy->name, &error), 0);
        assert_int_equal(engine_init(&engine, &choice, 10, MANY, 1, true, &error), 0);
        for (uint32_t at = 0; at < LENGTH; at += 50) {
            engine_run(&engine, references + at, next + at, 50);
            engine_resize(&engine, 1 + random_below(&random, PAGES));
            assert_true(engine.free <= engine.frames);
            assert_int_equal(engine.counts.misses - engine.counts.evictions,
                             engine.frames - engine.free);
        }
        assert_int_equal(engine.counts.policy_errors, 0);
        engine_fini(&engine);
    }
}

/* A policy that names nonsense is overruled, and counted. */
static size_t liar_size(const struct sp_policy_config *config)
{
    (void)config;
    return 1;
}

static void liar_insert(void *self, sp_page page, enum sp_access access)
{
    (void)self;
    (void)page;
    (void)access;
}

static sp_page liar_victim(void *self, sp_page incoming)
{
    (void)self;
    return incoming % 2 == 0 ? incoming : SP_NO_PAGE;
}

static void liar_remove(void *self, sp_page page, enum sp_removal why)
{
    (void)self;
    (void)page;
    (void)why;
}

/* Named by their frames or by their numbers: pages leave alike. */
static void test_a_policy_that_forgets_does_the_same_by_frames(void **state)
{
    static const uint32_t sizes[] = {1, 2, 5, 17, PAGES / 2, PAGES};
    const struct sp_policy *policy;
    size_t forgets = 0, tells = 0;

    (void)state;
    make_trace(11);
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct sp_policy remembers = *policy;

        forgets += (policy->flags & SP_POLICY_FORGETS) != 0;
        tells += (policy->flags & SP_POLICY_TELLS) != 0;
        remembers.flags &= ~(SP_POLICY_FORGETS | SP_POLICY_TELLS);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]) && remembers.flags != policy->flags;
             s++) {
            struct engine_counts by_frame = run_policy(policy, sizes[s], 100);
            struct engine_counts by_number = run_policy(&remembers, sizes[s], 100);

            if (memcmp(&by_frame, &by_number, sizeof(by_frame)) != 0)
                fail_msg("%s at %u frames: %llu misses, and %llu by numbers", policy->name,
                         sizes[s], (unsigned long long)by_frame.misses,
                         (unsigned long long)by_number.misses);
        }
    }
    assert_true(forgets > 4);
    assert_true(tells > 4);
}

/* How many numbers the engine gave to pages and ghosts. */
static uint32_t numbers_used(const char *policy, uint32_t frames)
{
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;
    uint32_t used;

    make_trace(12);
    assert_int_equal(policy_params_choose(&choice, policy, &error), 0);
    assert_int_equal(engine_init(&engine, &choice, frames, MANY, 1, false, &error), 0);
    engine_run(&engine, references, NULL, LENGTH);
    used = engine.pages_seen;
    engine_fini(&engine);
    return used;
}

/* As run_policy, with frames that come and go in between. */
static struct engine_counts run_resized(const struct sp_policy *policy, uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;
    struct engine_counts counts;

    assert_int_equal(policy_params_adopt(&choice, policy, NULL, &error), 0);
    assert_int_equal(engine_init(&engine, &choice, 10, MANY, 1, false, &error), 0);
    for (uint32_t at = 0; at < LENGTH; at += 20) {
        engine_run(&engine, references + at, NULL, 20);
        if (random_below(&random, 4) == 0)
            engine_resize(&engine, 1 + random_below(&random, PAGES));
    }
    counts = engine.counts;
    engine_fini(&engine);
    return counts;
}

/* The same while frames come and go, with few numbers for many pages. */
static void test_a_policy_that_tells_does_the_same_with_few_numbers(void **state)
{
    const struct sp_policy *policy;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct sp_policy silent = *policy;

        silent.flags &= ~SP_POLICY_TELLS;
        for (uint64_t seed = 1; seed < 20 && silent.flags != policy->flags; seed++) {
            struct engine_counts few, all;

            make_trace(seed);
            few = run_resized(policy, seed);
            all = run_resized(&silent, seed);
            if (memcmp(&few, &all, sizeof(few)) != 0)
                fail_msg("%s: %llu misses, and %llu by numbers", policy->name,
                         (unsigned long long)few.misses, (unsigned long long)all.misses);
        }
    }
    /* 7 frames, as many ghosts, and the page that comes. */
    assert_true(numbers_used("arc", 7) <= 15);
    assert_true(numbers_used("2q", 7) <= 15);
    assert_true(numbers_used("lirs", 7) <= 15);
    assert_true(numbers_used("s3fifo", 7) <= 15);
}

/* A page that leaves for another one by one call is the one that victim names, and what is left is the same: a copy of the
 * policy is not known to have such a call. */
static void test_a_turn_is_what_three_calls_are(void **state)
{
    const struct sp_policy *policy;
    size_t turns = 0;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct sp_policy copy = *policy;

        assert_null(policy_registry_turn(&copy));
        turns += policy_registry_turn(policy) != NULL;
        for (uint64_t seed = 1; seed < 20 && policy_registry_turn(policy) != NULL; seed++) {
            struct engine_counts one, three;

            make_trace(seed);
            one = run_resized(policy, seed);
            three = run_resized(&copy, seed);
            if (memcmp(&one, &three, sizeof(one)) != 0)
                fail_msg("%s: %llu misses, and %llu by three calls", policy->name,
                         (unsigned long long)one.misses, (unsigned long long)three.misses);
        }
    }
    assert_int_equal(turns, 5);
}

static const struct sp_policy liar = {.abi = SP_POLICY_ABI,
                                      .name = "liar",
                                      .size = liar_size,
                                      .insert = liar_insert,
                                      .victim = liar_victim,
                                      .remove = liar_remove};

static void test_liar(void **state)
{
    struct policy_choice choice = {.policy = &liar};
    struct engine engine;
    struct sp_error error;

    (void)state;
    make_trace(8);
    assert_int_equal(engine_init(&engine, &choice, 3, PAGES, 1, false, &error), 0);
    engine_run(&engine, references, NULL, LENGTH);
    assert_true(engine.counts.policy_errors == engine.counts.evictions);
    assert_int_equal(engine.counts.evictions + 3, engine.counts.misses);
    engine_fini(&engine);
}

static void test_refusals(void **state)
{
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;

    (void)state;
    assert_int_equal(policy_params_choose(&choice, "lru", &error), 0);
    assert_true(engine_init(&engine, &choice, 0, PAGES, 1, false, &error) < 0);
    engine_fini(&engine);
    assert_int_equal(policy_params_choose(&choice, "belady", &error), 0);
    assert_true(engine_init(&engine, &choice, 1, PAGES, 1, false, &error) < 0);
    engine_fini(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_small_sizes),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_a_policy_that_forgets_does_the_same_by_frames),
        cmocka_unit_test(test_a_policy_that_tells_does_the_same_with_few_numbers),
        cmocka_unit_test(test_a_turn_is_what_three_calls_are),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests_name("replay/engine", tests, NULL, NULL);
}
