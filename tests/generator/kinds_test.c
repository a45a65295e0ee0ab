/* Each kind of generator keeps to its rule: counted against the law, not against what was drawn once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "generator/generator.h"
#include "generator/scatter.h"

#define PAGES 50u

static size_t draws(void)
{
    return RUNNING_ON_VALGRIND ? 20000 : 400000;
}

static void begin(struct generator *generator, const char *text, uint64_t seed)
{
    struct sp_error error;

    if (generator_init(generator, text, seed, &error) != 0)
        fail_msg("%s: %s", text, error.text);
}

static void expect_pages(const char *text, const uint64_t *pages, size_t count)
{
    struct generator generator;

    begin(&generator, text, 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(generator_next(&generator).page, pages[i]);
}

/* Chi-squared of what was drawn against what the law expects; 49 degrees of freedom exceed 100 once in
 * 30,000 times, and the seed is fixed. */
static void expect_law(const char *text, double exponent, const uint64_t *order)
{
    size_t drawn[PAGES] = {0}, all = draws();
    double sum = 0, chi = 0;
    struct generator generator;

    begin(&generator, text, 7);
    for (size_t i = 0; i < all; i++) {
        uint64_t page = generator_next(&generator).page;

        assert_true(page < PAGES);
        drawn[page]++;
    }
    for (unsigned k = 1; k <= PAGES; k++)
        sum += pow(k, -exponent);
    for (unsigned k = 1; k <= PAGES; k++) {
        double expected = pow(k, -exponent) / sum * (double)all;
        double apart = (double)drawn[order != NULL ? order[k - 1] : k - 1] - expected;

        chi += apart * apart / expected;
    }
    if (chi > 100)
        fail_msg("%s: chi-squared is %.0f", text, chi);
}

static void test_zipf_follows_its_law(void **state)
{
    (void)state;
    expect_law("zipf:pages=50,exponent=1,scatter=0", 1, NULL);
    expect_law("zipf:pages=50,exponent=0,scatter=0", 0, NULL);
    expect_law("zipf:pages=50,exponent=0.7,scatter=0", 0.7, NULL);
    expect_law("zipf:pages=50,exponent=1.0000005,scatter=0", 1, NULL);
    expect_law("zipf:pages=50,exponent=2.5,scatter=0", 2.5, NULL);
}

static int more(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return (a[1] < b[1]) - (a[1] > b[1]);
}

/* Scattered, the law holds for pages in the order of their popularity, which is not 0, 1, 2 ... */
static void test_scattered_zipf_has_popular_pages_anywhere(void **state)
{
    uint64_t drawn[PAGES][2] = {{0}}, order[PAGES];
    struct generator generator;
    unsigned in_place = 0;

    (void)state;
    begin(&generator, "zipf:pages=50,exponent=1.5", 7);
    for (size_t i = 0; i < draws(); i++)
        drawn[generator_next(&generator).page][1]++;
    for (unsigned i = 0; i < PAGES; i++)
        drawn[i][0] = i;
    qsort(drawn, PAGES, sizeof(drawn[0]), more);
    for (unsigned i = 0; i < PAGES; i++) {
        order[i] = drawn[i][0];
        in_place += order[i] == i;
    }
    assert_true(in_place < PAGES / 4);
    expect_law("zipf:pages=50,exponent=1.5", 1.5, order);
}

/* The last rank of a million comes as often as it should: the tail is there. */
static void test_zipf_reaches_the_last_page(void **state)
{
    struct generator generator;
    size_t upper = 0;

    (void)state;
    begin(&generator, "zipf:pages=4000000,exponent=0.5,scatter=0", 3);
    for (size_t i = 0; i < draws(); i++)
        upper += generator_next(&generator).page >= 3000000;
    /* 1 - sqrt(3/4) of the references */
    assert_in_range(upper * 1000 / draws(), 129, 139);
}

static void test_a_hot_set_has_its_share(void **state)
{
    struct generator generator;
    size_t hot = 0, all = draws();

    (void)state;
    begin(&generator, "hotset:pages=1000,hot=10%,share=90%", 2);
    for (size_t i = 0; i < all; i++) {
        uint64_t page = generator_next(&generator).page;

        assert_true(page < 1000);
        hot += page < 100;
    }
    assert_in_range(hot * 1000 / all, 893, 907);
    begin(&generator, "hotset:pages=3,hot=0,share=1", 2);
    for (size_t i = 0; i < 100; i++)
        assert_true(generator_next(&generator).page < 3);
    begin(&generator, "hotset:pages=3,hot=1,share=0", 2);
    for (size_t i = 0; i < 100; i++)
        assert_true(generator_next(&generator).page < 3);
}

static void test_loops_zigzags_and_scans(void **state)
{
    static const uint64_t loop[] = {0, 1, 2, 0, 1, 2, 0}, zigzag[] = {0, 1, 2, 1, 0, 1, 2},
                          scan[] = {0, 1, 2, 3, 4, 5, 6}, one[] = {0, 0, 0};

    (void)state;
    expect_pages("loop:pages=3", loop, 7);
    expect_pages("zigzag:pages=3", zigzag, 7);
    expect_pages("scan", scan, 7);
    expect_pages("loop:pages=1", one, 3);
    expect_pages("zigzag:pages=1", one, 3);
}

static void test_a_shuffled_loop_meets_each_page_once_a_round(void **state)
{
    struct generator generator;
    uint64_t first[1000];
    bool met[1000] = {false};
    unsigned neighbours = 0;

    (void)state;
    begin(&generator, "loop:pages=1000,scatter=1", 5);
    for (size_t i = 0; i < 1000; i++) {
        first[i] = generator_next(&generator).page;
        assert_true(first[i] < 1000 && !met[first[i]]);
        met[first[i]] = true;
        neighbours += i > 0 && first[i] == first[i - 1] + 1;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(generator_next(&generator).page, first[i]);
    assert_true(neighbours < 20);
}

static void test_phases_move_on(void **state)
{
    struct generator generator;

    (void)state;
    begin(&generator, "phases:pages=100,length=1000,fresh=30%", 9);
    for (uint64_t phase = 0; phase < 20; phase++)
        for (size_t i = 0; i < 1000; i++) {
            uint64_t page = generator_next(&generator).page;

            assert_in_range(page, phase * 30, phase * 30 + 99);
        }
}

static void test_writes_are_the_share_asked_for(void **state)
{
    struct generator generator, same;
    size_t writes = 0, all = draws();

    (void)state;
    begin(&generator, "zipf:writes=0.25", 1);
    begin(&same, "zipf", 1);
    for (size_t i = 0; i < all; i++) {
        struct generated_reference r = generator_next(&generator);

        writes += r.write;
        assert_int_equal(r.page, generator_next(&same).page); /* which pages is another stream */
    }
    assert_in_range(writes * 1000 / all, 240, 260);
}

static void test_every_order_is_a_bijection(void **state)
{
    static const uint64_t counts[] = {1, 2, 3, 4, 5, 63, 64, 65, 1000, 4096, 4097};
    static uint8_t met[5000];

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
        for (uint64_t key = 0; key < 8; key++) {
            struct scatter scatter = scatter_make(counts[c], key * UINT64_C(0x123456789abcdef1));

            memset(met, 0, sizeof(met));
            for (uint64_t i = 0; i < counts[c]; i++) {
                uint64_t at = scatter_at(&scatter, i);

                assert_true(at < counts[c] && !met[at]);
                met[at] = 1;
            }
        }
}

/* Traces that were drawn once are drawn again by every version and machine. */
static void test_an_order_is_the_same_everywhere(void **state)
{
    static const uint64_t known[] = {127, 74, 740, 711, 507, 936, 897, 183};
    struct scatter scatter = scatter_make(1000, 12345);

    (void)state;
    for (uint64_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_int_equal(scatter_at(&scatter, i), known[i]);
}

static void test_the_same_words_give_the_same(void **state)
{
    const struct sp_policy_param *params;
    const char *name, *summary;

    (void)state;
    for (size_t i = 0; (name = generator_kind_name(i, &summary, &params)) != NULL; i++) {
        struct generator a, b;

        assert_non_null(summary);
        begin(&a, name, 11);
        begin(&b, name, 11);
        for (size_t k = 0; k < 500; k++)
            assert_int_equal(generator_next(&a).page, generator_next(&b).page);
    }
}

static void test_what_is_wrong_is_said(void **state)
{
    struct generator generator;
    struct sp_error error;

    (void)state;
    assert_int_equal(generator_init(&generator, "zip", 1, &error), -ENOENT);
    assert_non_null(strstr(error.text, "did you mean zipf"));
    assert_int_equal(generator_init(&generator, "", 1, &error), -ENOENT);
    assert_int_equal(generator_init(&generator, "loop:page=3", 1, &error), -ENOENT);
    assert_int_equal(generator_init(&generator, "loop:pages=0", 1, &error), -ERANGE);
    assert_int_equal(generator_init(&generator, "loop:pages=x", 1, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zipf_follows_its_law),
        cmocka_unit_test(test_scattered_zipf_has_popular_pages_anywhere),
        cmocka_unit_test(test_zipf_reaches_the_last_page),
        cmocka_unit_test(test_a_hot_set_has_its_share),
        cmocka_unit_test(test_loops_zigzags_and_scans),
        cmocka_unit_test(test_a_shuffled_loop_meets_each_page_once_a_round),
        cmocka_unit_test(test_phases_move_on),
        cmocka_unit_test(test_writes_are_the_share_asked_for),
        cmocka_unit_test(test_every_order_is_a_bijection),
        cmocka_unit_test(test_an_order_is_the_same_everywhere),
        cmocka_unit_test(test_the_same_words_give_the_same),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
