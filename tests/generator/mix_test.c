/* Mixes: bursts by weight, and pages that are nobody else's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <valgrind/valgrind.h>

#include "generator/mix.h"

static void begin(struct mix *mix, const char *const *texts, size_t count, uint64_t seed)
{
    struct sp_error error;

    if (mix_init(mix, texts, count, seed, &error) != 0)
        fail_msg("%s", error.text);
}

static void test_bursts_come_by_weight_and_have_their_length(void **state)
{
    static const char *const texts[] = {"zipf:weight=6,burst=10", "loop:weight=3,burst=20", "scan"};
    size_t all = RUNNING_ON_VALGRIND ? 20000 : 400000, references[3] = {0}, turns = 0;
    uint64_t loops = 0, scanned = 0;
    size_t before = 3;
    struct mix mix;

    (void)state;
    begin(&mix, texts, 3, 5);
    for (size_t i = 0; i < all; i++) {
        uint64_t page = mix_next(&mix).page;
        size_t part = (size_t)(page / MIX_APART);

        assert_true(part < 3);
        turns += part != before;
        before = part;
        references[part]++;
        /* Each goes on where its last burst ended. */
        if (part == 1)
            assert_int_equal(page % MIX_APART, loops++ % 100000);
        if (part == 2)
            assert_int_equal(page % MIX_APART, scanned++);
    }
    /* 6 * 10, 3 * 20 and 1 * 100 of 220. */
    assert_in_range(references[0] * 100 / all, 24, 31);
    assert_in_range(references[1] * 100 / all, 24, 31);
    assert_in_range(references[2] * 100 / all, 40, 51);
    assert_in_range(turns, all / 80, all / 22);
}

static void test_the_seed_decides_and_a_copy_goes_on(void **state)
{
    static const char *const texts[] = {"zipf:writes=0.5", "hotset"};
    struct mix a, b, other;
    size_t differ = 0;

    (void)state;
    begin(&a, texts, 2, 5);
    begin(&other, texts, 2, 6);
    for (size_t i = 0; i < 1000; i++)
        mix_next(&a);
    b = a;
    for (size_t i = 0; i < 1000; i++) {
        struct generated_reference r = mix_next(&a), same = mix_next(&b);

        assert_int_equal(r.page, same.page);
        assert_int_equal(r.write, same.write);
        differ += r.page != mix_next(&other).page;
    }
    assert_true(differ > 900);
}

static void test_too_many_are_refused(void **state)
{
    const char *texts[MIX_MOST + 1];
    struct mix mix;
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i <= MIX_MOST; i++)
        texts[i] = "scan";
    assert_int_equal(mix_init(&mix, texts, MIX_MOST + 1, 1, &error), -EINVAL);
    assert_int_equal(mix_init(&mix, texts, 0, 1, &error), -EINVAL);
    assert_int_equal(mix_init(&mix, texts, MIX_MOST, 1, &error), 0);
    texts[3] = "scan:pages";
    assert_int_equal(mix_init(&mix, texts, MIX_MOST, 1, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bursts_come_by_weight_and_have_their_length),
        cmocka_unit_test(test_the_seed_decides_and_a_copy_goes_on),
        cmocka_unit_test(test_too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
