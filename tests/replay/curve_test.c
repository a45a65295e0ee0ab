/* Curves: stack distances against LRU itself at every size, and samples against whole runs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "policy/registry.h"
#include "replay/shards.h"
#include "replay/stack_distance.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Misses of LRU with `frames` frames. */
static uint64_t misses_at(const struct stack_distance *s, uint32_t frames)
{
    uint64_t misses = s->references;

    for (uint32_t i = 0; i < frames && i < s->pages_most; i++)
        misses -= s->hits[i];
    return misses;
}

static void choose(struct policy_choice *choice, const char *name)
{
    struct sp_error error;

    if (policy_params_choose(choice, name, &error) != 0)
        fail_msg("%s", error.text);
}

static uint64_t misses_of(const char *name, uint32_t frames, uint32_t pages,
                          const uint32_t *references, size_t count)
{
    struct policy_choice choice;
    struct engine engine;
    struct sp_error error;
    uint64_t misses;

    choose(&choice, name);
    assert_int_equal(engine_init(&engine, &choice, frames, pages, 1, false, &error), 0);
    engine_run(&engine, references, NULL, count);
    misses = engine.counts.misses;
    engine_fini(&engine);
    return misses;
}

static uint32_t *make_trace(uint32_t pages, size_t count, uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    uint32_t *references = malloc(count * sizeof(*references));

    assert_non_null(references);
    for (size_t i = 0; i < count; i++) {
        uint32_t page = i / 5000 % 4 == 3 ? (uint32_t)(i % pages)
                                          : (uint32_t)(pages * pow(random_unit(&random), 4));

        references[i] = page << 1 | (i & 1);
    }
    return references;
}

static void test_every_size(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 64, 300, 512, 700};
    size_t count = RUNNING_ON_VALGRIND ? 70000 : 300000; /* times run out at 65536 */

    (void)state;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint32_t *references = make_trace(sizes[s], count, s), step = sizes[s] / 20 + 1;
        struct stack_distance distances;

        assert_int_equal(stack_distance_init(&distances, sizes[s]), 0);
        for (size_t i = 0; i < count; i += 1000)
            stack_distance_run(&distances, references + i, 1000);
        assert_int_equal(distances.failed, 0);
        assert_int_equal(distances.references, count);
        for (uint32_t frames = 1; frames <= sizes[s]; frames += step)
            assert_int_equal(misses_at(&distances, frames),
                             misses_of("lru", frames, sizes[s], references, count));
        assert_int_equal(misses_at(&distances, sizes[s]), distances.cold);
        stack_distance_fini(&distances);
        free(references);
    }
}

/* More pages than there are times at first: room grows. */
static void test_many_pages(void **state)
{
    uint32_t pages = RUNNING_ON_VALGRIND ? 40000 : 200000;
    size_t count = pages * (size_t)3;
    struct stack_distance distances;
    uint32_t *references = malloc(count * sizeof(*references));

    (void)state;
    assert_non_null(references);
    for (size_t i = 0; i < count; i++)
        references[i] = (uint32_t)(i % pages) << 1;
    assert_int_equal(stack_distance_init(&distances, pages), 0);
    stack_distance_run(&distances, references, count);
    assert_int_equal(distances.failed, 0);
    assert_int_equal(misses_at(&distances, pages - 1), count);
    assert_int_equal(misses_at(&distances, pages), pages);
    stack_distance_fini(&distances);
    free(references);
}

static void run_shards(struct shard *shards, unsigned samples, const uint32_t *references,
                       size_t count)
{
    for (size_t i = 0; i < count; i += POOL_BATCH) {
        struct batch batch = {.references = (uint32_t *)references + i,
                              .count = count - i < POOL_BATCH ? count - i : POOL_BATCH};

        for (unsigned k = 0; k < samples; k++)
            shards_run(&shards[k], &batch);
    }
}

static void compare_samples(const char *name, uint32_t pages, size_t count, unsigned samples,
                            double tolerance)
{
    const uint32_t sizes[] = {pages / 50, pages / 10, pages / 3};
    uint32_t *references = make_trace(pages, count, 9);
    struct shard shards[SHARDS_SAMPLES];
    struct policy_choice choice;
    struct sp_error error;

    choose(&choice, name);
    for (unsigned k = 0; k < samples; k++)
        assert_int_equal(shards_init(&shards[k], &choice, sizes, 3, pages, k, 1, false, &error), 0);
    run_shards(shards, samples, references, count);
    for (size_t i = 0; i < 3; i++) {
        double exact = (double)misses_of(name, sizes[i], pages, references, count) / (double)count;
        double deviation, ratio = shards_miss_ratio(shards, samples, i, &deviation);

        if (fabs(ratio - exact) > tolerance || (tolerance == 0 && deviation != 0))
            fail_msg("%s at %u frames: %g, exact is %g", name, sizes[i], ratio, exact);
    }
    for (unsigned k = 0; k < samples; k++)
        shards_fini(&shards[k]);
    free(references);
}

static void test_small_traces_are_exact(void **state)
{
    (void)state;
    assert_true(shards_rate(2000) == 1);
    compare_samples("sieve", 2000, 50000, 1, 0);
    compare_samples("lru", 2000, 50000, 1, 0);
}

static void test_samples_are_near(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_true(shards_rate(500000) < 0.1);
    compare_samples("lru", 500000, 2000000, SHARDS_SAMPLES, 0.02);
    compare_samples("s3fifo", 500000, 2000000, SHARDS_SAMPLES, 0.02);
}

/* Sums of the weights 1 / rank^0.9. */
static uint64_t *zipf_sums(uint32_t pages)
{
    uint64_t *sums = malloc(pages * sizeof(*sums)), sum = 0;

    assert_non_null(sums);
    for (uint32_t i = 0; i < pages; i++)
        sums[i] = sum += (uint64_t)(0x1p40 / pow(i + 1, 0.9) + 0.5);
    return sums;
}

/* xorshift64* */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545f4914f6cdd1d)) >> 11;
}

static uint32_t zipf_rank(const uint64_t *sums, uint32_t pages, uint64_t *state)
{
    uint64_t wanted = draw(state) % sums[pages - 1] + 1;
    uint32_t low = 0, high = pages - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (sums[middle] >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* A working set of popular pages that moves, pages numbered as they come: returns how many. */
static uint32_t make_phases(uint32_t *references, size_t count, uint32_t set)
{
    uint64_t *sums = zipf_sums(set), state = UINT64_C(0x9e3779b97f4a7c16);
    uint32_t *number = calloc(set + 20 * (set / 3), sizeof(*number)), pages = 0;

    assert_non_null(number);
    for (size_t i = 0; i < count; i++) {
        uint64_t phase = i / (count / 20), rank = zipf_rank(sums, set, &state);
        uint64_t id = phase * (set / 3) + (rank * 40503 + phase) % set;

        if (number[id] == 0)
            number[id] = ++pages;
        references[i] = (number[id] - 1) << 1;
    }
    free(sums);
    free(number);
    return pages;
}

/* The stated error holds what samples have in common, too: at sizes at which a policy of many parts
 * has a frame or two for the least of them, in a sample. */
static void expect_within_error(const char *name, uint32_t pages, const uint32_t *references,
                                size_t count)
{
    const uint32_t sizes[] = {180, 428, 1018, 2419, 13663};
    struct shard shards[SHARDS_SAMPLES];
    struct policy_choice choice;
    struct sp_error error;

    choose(&choice, name);
    for (unsigned k = 0; k < SHARDS_SAMPLES; k++)
        assert_int_equal(
            shards_init(&shards[k], &choice, sizes, COUNT(sizes), pages, k, 1, false, &error), 0);
    run_shards(shards, SHARDS_SAMPLES, references, count);
    for (size_t i = 0; i < shards[0].engine_count; i++) {
        uint32_t frames = shards[0].frames[i];
        double exact = (double)misses_of(name, frames, pages, references, count) / (double)count;
        double stated, ratio = shards_miss_ratio(shards, SHARDS_SAMPLES, i, &stated);

        if (fabs(ratio - exact) > 3 * stated)
            fail_msg("%s at %u frames: %g, exact is %g; stated error: %g", name, frames, ratio,
                     exact, stated);
    }
    for (unsigned k = 0; k < SHARDS_SAMPLES; k++)
        shards_fini(&shards[k]);
}

static void test_the_error_holds_the_bias(void **state)
{
    static const char *const names[] = {"lirs", "clockpro", "s3fifo", "wtinylfu", "2q", "arc"};
    const size_t count = 2000000;
    uint32_t *references, pages;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    references = malloc(count * sizeof(*references));
    assert_non_null(references);
    pages = make_phases(references, count, 200000);
    for (size_t i = 0; i < COUNT(names); i++)
        expect_within_error(names[i], pages, references, count);
    free(references);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_many_pages),
        cmocka_unit_test(test_small_traces_are_exact),
        cmocka_unit_test(test_samples_are_near),
        cmocka_unit_test(test_the_error_holds_the_bias),
    };

    return cmocka_run_group_tests_name("replay/curve", tests, NULL, NULL);
}
