/* Zipf's law: how often each rank comes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "workload/fixed.h"
#include "workload/popularity.h"

/* 1/k and 1/k^2 are known exactly. */
static void powers_are_those_of_arithmetic(void **state)
{
    (void)state;
    for (uint32_t number = 1; number < UINT32_C(1) << 24; number += number / 7 + 1) {
        uint64_t one = UINT64_C(1) << FIXED_BITS;
        int64_t off = (int64_t)fixed_power(number, 1000) - (int64_t)(one / number);
        int64_t off_squared =
            (int64_t)fixed_power(number, 2000) - (int64_t)(one / ((uint64_t)number * number));

        assert_in_range(off + 4, 0, 8);
        assert_in_range(off_squared + 4, 0, 8);
        assert_in_range(fixed_power(number, 0), one - 4, one);
    }
}

/* How far a count of draws may lie from its mean: six standard deviations, and a hundredth. */
static uint64_t slack(uint64_t mean)
{
    uint64_t root = 1;

    while (root * root < mean)
        root++;
    return 6 * root + mean / 100 + 2;
}

static void check_law(uint32_t count, uint32_t exponent)
{
    const uint64_t draws = 200000;
    struct random_source random = random_seeded(count + exponent);
    uint64_t *seen = calloc(count, sizeof(*seen));
    uint32_t *rank_of = calloc(count, sizeof(*rank_of));
    unsigned __int128 total = 0;
    struct popularity law;

    assert_true(seen != NULL && rank_of != NULL);
    popularity_init(&law, count, exponent);
    for (uint32_t i = 0; i < count; i++)
        rank_of[(uint64_t)i * law.stride % count] = i;
    for (uint32_t i = 0; i < count; i++)
        total += fixed_power(i + 1, exponent);
    for (uint64_t i = 0; i < draws; i++)
        seen[rank_of[popularity_item(&law, &random)]]++;
    /* Of each rank up to 100, and of all ranks from there on, by octaves. */
    for (uint32_t first = 0, end; first < count; first = end) {
        unsigned __int128 weight = 0;
        uint64_t came = 0, mean;

        end = first < 100 ? first + 1 : 2 * first < count ? 2 * first : count;
        for (uint32_t i = first; i < end; i++) {
            weight += fixed_power(i + 1, exponent);
            came += seen[i];
        }
        mean = (uint64_t)(weight * draws / total);
        assert_in_range(came + slack(mean), mean, mean + 2 * slack(mean));
    }
    free(seen);
    free(rank_of);
}

static void ranks_come_as_often_as_the_law_says(void **state)
{
    (void)state;
    check_law(1, 1000);
    check_law(2, 1000);
    check_law(65, 1000);
    check_law(10000, 0);
    check_law(10000, 500);
    check_law(10000, 1000);
    check_law(20011, 1000);
    check_law(3000, 2000);
    check_law(3000, 4000);
}

static void each_item_has_one_rank(void **state)
{
    static const uint32_t counts[] = {1, 2, 3, 16, 97, 100, 1000, 4096};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        uint32_t count = counts[c];
        unsigned char *seen = calloc(count, 1);
        struct popularity law;

        assert_non_null(seen);
        popularity_init(&law, count, 1000);
        for (uint32_t rank = 0; rank < count; rank++) {
            uint32_t item = (uint32_t)((uint64_t)rank * law.stride % count);

            assert_int_equal(seen[item], 0);
            seen[item] = 1;
        }
        free(seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_are_those_of_arithmetic),
        cmocka_unit_test(ranks_come_as_often_as_the_law_says),
        cmocka_unit_test(each_item_has_one_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
