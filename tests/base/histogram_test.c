/* Histograms against sorted arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "base/random.h"

#define VALUES 5000u

static struct histogram histogram;

static int empty(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    return 0;
}

static void nothing_recorded_is_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    assert_true(histogram_mean(&histogram) == 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 200; value++)
        histogram_record(&histogram, value);
    assert_int_equal(histogram.least, 1);
    assert_int_equal(histogram.most, 200);
    assert_int_equal(histogram_quantile(&histogram, 0), 1);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 100);
    assert_int_equal(histogram_quantile(&histogram, 0.99), 198);
    assert_int_equal(histogram_quantile(&histogram, 1), 200);
    assert_true(histogram_mean(&histogram) == 100.5);
}

/* What stands in place of a stall is counted one by one here. */
static void omissions_are_filled_in(void **state)
{
    static const uint64_t values[] = {3, 10, 19, 20, 21, 95, 1000, 30000};
    static const uint64_t intervals[] = {1, 10, 17, 40000};
    static struct histogram from, expected;

    (void)state;
    for (unsigned n = 0; n < sizeof(intervals) / sizeof(intervals[0]); n++) {
        uint64_t interval = intervals[n];

        memset(&from, 0, sizeof(from));
        memset(&expected, 0, sizeof(expected));
        memset(&histogram, 0, sizeof(histogram));
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            histogram_record(&from, values[i]);
            histogram_record(&expected, values[i]);
        }
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            /* A value is known as the end of its bucket. */
            struct histogram *single = calloc(1, sizeof(*single));
            uint64_t value;

            assert_non_null(single);
            histogram_record(single, values[i]);
            single->most = from.most;
            value = histogram_quantile(single, 1);
            free(single);
            for (uint64_t left = value; left >= 2 * interval; left -= interval)
                histogram_record(&expected, left - interval);
        }
        histogram_add_corrected(&histogram, &from, interval);
        assert_int_equal(histogram.count, expected.count);
        assert_memory_equal(histogram.bucket, expected.bucket, sizeof(expected.bucket));
        assert_int_equal(histogram.most, from.most);
    }
}

static void the_whole_range_fits(void **state)
{
    (void)state;
    histogram_record(&histogram, 0);
    for (unsigned bit = 0; bit < 64; bit++)
        histogram_record(&histogram, UINT64_C(1) << bit);
    histogram_record(&histogram, UINT64_MAX);
    assert_int_equal(histogram.count, 66);
    assert_int_equal(histogram_quantile(&histogram, 0), 0);
    assert_int_equal(histogram_quantile(&histogram, 1), UINT64_MAX);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void quantiles_are_close_and_never_below(void **state)
{
    static const double shares[] = {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    uint64_t value[VALUES];

    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct random_source random = random_seeded(seed);

        memset(&histogram, 0, sizeof(histogram));
        for (unsigned i = 0; i < VALUES; i++) {
            value[i] = random_bits(&random) >> random_below(&random, 64);
            histogram_record(&histogram, value[i]);
        }
        qsort(value, VALUES, sizeof(value[0]), compare);
        for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
            double place = shares[i] * VALUES;
            unsigned rank = (unsigned)place + ((double)(unsigned)place < place);
            uint64_t exact = value[rank - 1];
            uint64_t got = histogram_quantile(&histogram, shares[i]);

            if (got < exact || got - exact > exact / 128)
                fail_msg("seed %llu, share %g: %llu, not %llu", (unsigned long long)seed, shares[i],
                         (unsigned long long)got, (unsigned long long)exact);
        }
    }
}

static void a_sum_is_as_if_all_had_gone_into_one(void **state)
{
    static struct histogram parts[2];
    struct random_source random = random_seeded(7);

    (void)state;
    memset(parts, 0, sizeof(parts));
    for (unsigned i = 0; i < VALUES; i++) {
        uint64_t value = random_bits(&random) >> random_below(&random, 60);

        histogram_record(&histogram, value);
        histogram_record(&parts[i % 2], value);
    }
    histogram_add(&parts[0], &parts[1]);
    assert_int_equal(parts[0].count, histogram.count);
    assert_int_equal(parts[0].least, histogram.least);
    assert_int_equal(parts[0].most, histogram.most);
    assert_memory_equal(parts[0].bucket, histogram.bucket, sizeof(histogram.bucket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_recorded_is_zero, empty),
        cmocka_unit_test_setup(small_values_are_exact, empty),
        cmocka_unit_test_setup(omissions_are_filled_in, empty),
        cmocka_unit_test_setup(the_whole_range_fits, empty),
        cmocka_unit_test_setup(quantiles_are_close_and_never_below, empty),
        cmocka_unit_test_setup(a_sum_is_as_if_all_had_gone_into_one, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
