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

static void choose(struct policy_choice *choice, const char *name)
{
    struct sp_error error;

    if (policy_choose(choice, name, &error) != 0)
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
            assert_int_equal(stack_distance_misses(&distances, frames),
                             misses_of("lru", frames, sizes[s], references, count));
        assert_int_equal(stack_distance_misses(&distances, sizes[s]), distances.cold);
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
    assert_int_equal(stack_distance_misses(&distances, pages - 1), count);
    assert_int_equal(stack_distance_misses(&distances, pages), pages);
    stack_distance_fini(&distances);
    free(references);
}

static void run_shards(struct shard *shards, unsigned samples, uint32_t *references, size_t count)
{
    for (size_t i = 0; i < count; i += POOL_BATCH) {
        struct batch batch = {references + i, NULL,
                              count - i < POOL_BATCH ? count - i : POOL_BATCH};

        for (unsigned k = 0; k < samples; k++)
            shard_run(&shards[k], &batch);
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
        assert_int_equal(shard_init(&shards[k], &choice, sizes, 3, pages, k, 1, false, &error), 0);
    run_shards(shards, samples, references, count);
    for (size_t i = 0; i < 3; i++) {
        double exact = (double)misses_of(name, sizes[i], pages, references, count) / (double)count;
        double deviation, ratio = shards_miss_ratio(shards, samples, i, &deviation);

        if (fabs(ratio - exact) > tolerance || (tolerance == 0 && deviation != 0))
            fail_msg("%s at %u frames: %g, exact is %g", name, sizes[i], ratio, exact);
    }
    for (unsigned k = 0; k < samples; k++)
        shard_fini(&shards[k]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_many_pages),
        cmocka_unit_test(test_small_traces_are_exact),
        cmocka_unit_test(test_samples_are_near),
    };

    return cmocka_run_group_tests_name("replay/curve", tests, NULL, NULL);
}
