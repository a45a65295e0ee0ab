/* Samples of a trace: which pages are in them, which sizes they are for, and what is told from what they counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "replay/future.h"
#include "replay/shards.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGES        (16 * SHARDS_PAGES) /* one in sixteen is in a sample */
#define RATE         (1.0 / 16)

static void begin(struct shard *shard, const char *policy, const uint32_t *sizes, size_t count,
                  uint32_t pages, unsigned which)
{
    struct policy_choice choice;
    struct sp_error error;

    if (policy_params_choose(&choice, policy, &error) != 0 ||
        shards_init(shard, &choice, sizes, count, pages, which, 1, true, &error) != 0)
        fail_msg("%s", error.text);
}

static void the_rate_is_a_power_of_two_as_near_as_can_be(void **state)
{
    (void)state;
    assert_true(shards_rate(0) == 1);
    assert_true(shards_rate(1) == 1);
    assert_true(shards_rate(SHARDS_PAGES) == 1);
    /* Four samples must not overlap. */
    assert_true(shards_rate(4 * SHARDS_PAGES) == 1);
    assert_true(shards_rate(8 * SHARDS_PAGES) == 1.0 / 8);
    assert_true(shards_rate(PAGES) == RATE);
    assert_true(shards_rate(PAGES / 10 * 7) == 1.0 / 8);
    assert_true(shards_rate(PAGES / 100 * 75) == RATE && shards_rate(PAGES / 10 * 14) == RATE);
}

static void a_sample_tells_about_sizes_that_leave_it_frames_enough(void **state)
{
    const uint32_t sizes[] = {255, 256, 1000, 32767, 32768, 300};
    struct shard shard;

    (void)state;
    begin(&shard, "lru", sizes, COUNT(sizes), PAGES, 0);
    assert_false(shard.everything);
    assert_int_equal(shard.engine_count, 5);
    for (size_t i = 0; i < shard.engine_count; i++) {
        assert_int_equal(shard.frames[i], sizes[i + 1]);
        assert_int_equal(shard.engines[i].frames, (uint32_t)(sizes[i + 1] * RATE + 0.5));
    }
    /* Halves are of use for the first ones, which have few. */
    assert_int_equal(shard.halved, 3);
    for (size_t i = 0; i < shard.halved; i++)
        for (int half = 0; half < 2; half++)
            assert_int_equal(shard.halves[half][i].frames,
                             (uint32_t)(sizes[i + 1] * RATE / 2 + 0.5));
    shards_fini(&shard);
}

static void all_of_a_small_trace_is_its_sample_at_all_sizes(void **state)
{
    const uint32_t sizes[] = {1, 7};
    struct shard shard;

    (void)state;
    begin(&shard, "lru", sizes, COUNT(sizes), 0, 0);
    assert_true(shard.everything);
    assert_int_equal(shard.engine_count, 2);
    assert_int_equal(shard.halved, 0);
    shards_fini(&shard);
}

/* ---- Pages ---- */

static struct random_source source;

static uint32_t *random_references(size_t count)
{
    uint32_t *references = malloc(count * sizeof(*references));

    assert_non_null(references);
    source = random_seeded(3);
    for (size_t i = 0; i < count; i++)
        references[i] = (uint32_t)(PAGES * pow(random_unit(&source), 3)) << 1 | (i % 3 == 0);
    return references;
}

static uint64_t *future_of(const uint32_t *references, size_t count)
{
    uint64_t *next = malloc(count * sizeof(*next));
    struct future future;
    struct sp_error error;

    assert_non_null(next);
    assert_int_equal(future_init(&future, false, PAGES, &error), 0);
    assert_int_equal(future_note(&future, references, count, &error), 0);
    future_noted(&future);
    future_tell(&future, 0, count, next);
    future_fini(&future);
    return next;
}

/* In batches of different lengths. */
static void run(struct shard *shard, uint32_t *references, uint64_t *next, size_t count)
{
    size_t step = 1;

    for (size_t i = 0; i < count; i += step) {
        struct batch batch = {.references = references + i, .next = next != NULL ? next + i : NULL};

        step = i * 3 % 5000 + 1;
        batch.count = count - i < step ? count - i : step;
        shards_run(shard, &batch);
    }
}

static void a_page_is_in_one_sample_at_most_with_all_its_references(void **state)
{
    const uint32_t sizes[] = {2000};
    const size_t count = 400000;
    uint32_t *references = random_references(count);
    uint8_t *samples = calloc(PAGES, 1);

    (void)state;
    assert_non_null(samples);
    for (unsigned k = 0; k < SHARDS_SAMPLES; k++) {
        struct shard shard;
        struct engine_counts mine = {0}, whole, half[2];
        uint32_t pages = 0;

        begin(&shard, "lru", sizes, 1, PAGES, k);
        run(&shard, references, NULL, count);
        for (size_t i = 0; i < count; i++) {
            mine.references += shard.number[references[i] >> 1] != 0;
            mine.writes += shard.number[references[i] >> 1] != 0 && (references[i] & 1);
        }
        for (uint32_t i = 0; i < PAGES; i++) {
            assert_true(samples[i] == 0 || shard.number[i] == 0);
            samples[i] |= shard.number[i] != 0;
            pages += shard.number[i] != 0;
        }
        whole = shard.engines[0].counts;
        half[0] = shard.halves[0][0].counts;
        half[1] = shard.halves[1][0].counts;
        assert_int_equal(shard.references, count);
        assert_int_equal(shard.pages, pages);
        assert_int_equal(whole.references, mine.references);
        assert_int_equal(whole.writes, mine.writes);
        assert_int_equal(half[0].references + half[1].references, mine.references);
        assert_int_equal(half[0].writes + half[1].writes, mine.writes);
        /* Each half has half of the pages, give or take what chance does. */
        assert_true(half[0].misses > pages / 4 && half[1].misses > pages / 4);
        shards_fini(&shard);
    }
    free(samples);
    free(references);
}

static void samples_have_the_pages_that_their_rate_says(void **state)
{
    const uint32_t sizes[] = {PAGES};
    uint32_t *references = malloc(PAGES * sizeof(*references));

    (void)state;
    assert_non_null(references);
    for (uint32_t i = 0; i < PAGES; i++)
        references[i] = i << 1;
    for (unsigned k = 0; k < SHARDS_SAMPLES; k++) {
        struct shard shard;

        begin(&shard, "lru", sizes, 1, PAGES, k);
        run(&shard, references, NULL, PAGES);
        assert_in_range(shard.pages, SHARDS_PAGES - 900, SHARDS_PAGES + 900); /* five sigma */
        assert_int_equal(shard.engines[0].counts.misses, shard.pages);
        shards_fini(&shard);
    }
    free(references);
}

/* What an engine of its own counts over the references of the pages in the sample. */
static void a_policy_sees_the_future_of_its_sample(void **state)
{
    const uint32_t sizes[] = {4000};
    const size_t count = 300000;
    uint32_t *references = random_references(count), *kept = malloc(count * sizeof(*kept));
    uint64_t *next = future_of(references, count), *kept_next = malloc(count * sizeof(*kept_next));
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;
    struct shard shard;
    size_t number = 0;

    (void)state;
    assert_true(kept != NULL && kept_next != NULL);
    begin(&shard, "belady", sizes, 1, PAGES, 2);
    run(&shard, references, next, count);
    for (size_t i = 0; i < count; i++) {
        if (shard.number[references[i] >> 1] == 0)
            continue;
        kept[number] = (shard.number[references[i] >> 1] - 1) << 1 | (references[i] & 1);
        kept_next[number++] = next[i];
    }
    assert_int_equal(policy_params_choose(&choice, "belady", &error), 0);
    assert_int_equal(engine_init(&engine, &choice, 250, PAGES, 1, true, &error), 0);
    engine_run(&engine, kept, kept_next, number);
    assert_int_equal(shard.engines[0].counts.misses, engine.counts.misses);
    assert_true(engine.counts.misses < number && engine.counts.misses > shard.pages);
    engine_fini(&engine);
    shards_fini(&shard);
    free(references);
    free(next);
    free(kept);
    free(kept_next);
}

static void pages_beyond_the_room_of_a_sample_are_left_out(void **state)
{
    const uint32_t sizes[] = {2000};
    uint32_t references[1000];
    struct shard shard;

    (void)state;
    for (uint32_t i = 0; i < COUNT(references); i++)
        references[i] = i << 1;
    begin(&shard, "lru", sizes, 1, PAGES, 0);
    shard.pages_most = 10;
    run(&shard, references, NULL, COUNT(references));
    run(&shard, references, NULL, COUNT(references));
    assert_int_equal(shard.pages, 10);
    assert_int_equal(shard.engines[0].counts.references, 20);
    assert_int_equal(shard.engines[0].counts.misses, 10);
    shards_fini(&shard);
}

/* ---- What is told ---- */

#define SAMPLES 3u

/* Shards that have counted this: by sample, misses of the whole and of its halves. */
static void tell(const uint64_t misses[SAMPLES][3], uint64_t references, size_t samples,
                 double *ratio, double *error)
{
    const uint32_t sizes[] = {1000};
    struct shard shards[SAMPLES];

    for (unsigned k = 0; k < samples; k++) {
        begin(&shards[k], "lru", sizes, 1, PAGES, k);
        assert_int_equal(shards[k].halved, 1);
        shards[k].references = references;
        shards[k].engines[0].counts.misses = misses[k][0];
        shards[k].halves[0][0].counts.misses = misses[k][1];
        shards[k].halves[1][0].counts.misses = misses[k][2];
    }
    *ratio = shards_miss_ratio(shards, samples, 0, error);
    for (unsigned k = 0; k < samples; k++)
        shards_fini(&shards[k]);
}

static void expect(double value, double expected)
{
    if (fabs(value - expected) > 1e-12)
        fail_msg("%.15g instead of %.15g", value, expected);
}

/* 16,000 references are 1,000 of a sample, and 500 of a half. */
static void the_ratio_is_the_mean_and_its_error_the_standard_error(void **state)
{
    static const uint64_t misses[SAMPLES][3] = {{100, 50, 50}, {200, 100, 100}, {600, 300, 300}};
    double ratio, error;

    (void)state;
    tell(misses, 16000, SAMPLES, &ratio, &error);
    expect(ratio, 0.3);
    /* Deviations of -0.2, -0.1 and 0.3, squared, over two, over three. */
    expect(error, sqrt(0.14 / 2 / 3));
}

static void what_halving_changes_beyond_chance_is_in_the_error(void **state)
{
    /* Halves miss 0.1, 0.2 and 0.3 more. */
    static const uint64_t misses[SAMPLES][3] = {{300, 150, 250}, {300, 300, 200}, {300, 300, 300}};
    double ratio, error, bias = 0.2 * 0.2 - 0.02 / 2 / 3;

    (void)state;
    tell(misses, 16000, SAMPLES, &ratio, &error);
    expect(ratio, 0.3);
    expect(error, sqrt(bias));
}

static void what_chance_may_have_done_is_no_bias(void **state)
{
    static const uint64_t misses[SAMPLES][3] = {{250, 75, 75}, {250, 175, 175}, {250, 125, 130}};
    double ratio, error;

    (void)state;
    tell(misses, 16000, SAMPLES, &ratio, &error);
    expect(ratio, 0.25);
    expect(error, 0);
}

static void one_sample_has_no_spread(void **state)
{
    static const uint64_t misses[SAMPLES][3] = {{300, 200, 200}};
    double ratio, error;

    (void)state;
    tell(misses, 16000, 1, &ratio, &error);
    expect(ratio, 0.3);
    expect(error, 0.1);
}

static void more_than_all_is_never_missed_and_of_nothing_nothing(void **state)
{
    static const uint64_t misses[SAMPLES][3] = {{1001, 500, 500}};
    double ratio, error;

    (void)state;
    tell(misses, 16000, 1, &ratio, &error);
    expect(ratio, 1);
    tell(misses, 0, 1, &ratio, &error);
    expect(ratio, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_a_power_of_two_as_near_as_can_be),
        cmocka_unit_test(a_sample_tells_about_sizes_that_leave_it_frames_enough),
        cmocka_unit_test(all_of_a_small_trace_is_its_sample_at_all_sizes),
        cmocka_unit_test(a_page_is_in_one_sample_at_most_with_all_its_references),
        cmocka_unit_test(samples_have_the_pages_that_their_rate_says),
        cmocka_unit_test(a_policy_sees_the_future_of_its_sample),
        cmocka_unit_test(pages_beyond_the_room_of_a_sample_are_left_out),
        cmocka_unit_test(the_ratio_is_the_mean_and_its_error_the_standard_error),
        cmocka_unit_test(what_halving_changes_beyond_chance_is_in_the_error),
        cmocka_unit_test(what_chance_may_have_done_is_no_bias),
        cmocka_unit_test(one_sample_has_no_spread),
        cmocka_unit_test(more_than_all_is_never_missed_and_of_nothing_nothing),
    };

    return cmocka_run_group_tests_name("replay_shards", tests, NULL, NULL);
}
