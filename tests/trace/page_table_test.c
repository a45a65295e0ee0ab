/* Numbers of pages: in the order of first appearance, whatever the ids are and however a table grows meanwhile. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/random.h"
#include "trace/page_table.h"

#define MANY 20000u

/* Of different ids, those of a test. */
struct ids {
    uint64_t first, stride;
    unsigned width;      /* bits */
    unsigned scattering; /* 0: in order; otherwise multiplied by an odd number */
};

static uint64_t id_of(const struct ids *ids, uint32_t page)
{
    uint64_t id = ids->first + page * ids->stride;

    if (ids->scattering != 0)
        id *= UINT64_C(0xd6e8feb86659fd93) * (2 * ids->scattering + 1);
    return ids->width == 64 ? id : id & ((UINT64_C(1) << ids->width) - 1);
}

/* Look up `count` ids, the first of them that of page `first`, and expect these numbers. */
static void expect(struct page_table *table, const struct ids *ids, uint32_t first, uint32_t count)
{
    struct trace_reference references[TRACE_BATCH] = {{.id = 0}};
    uint32_t out[TRACE_BATCH];

    for (uint32_t i = 0; i < count; i++)
        references[i] = (struct trace_reference){.id = id_of(ids, first + i), .write = i % 3 == 0};
    assert_int_equal(page_table_look_up(table, references, count, out), 0);
    for (uint32_t i = 0; i < count; i++)
        if (out[i] != ((first + i) << 1 | (i % 3 == 0)))
            fail_msg("id %#llx is page %u, not %u", (unsigned long long)references[i].id,
                     out[i] >> 1, first + i);
}

static void expect_all(struct page_table *table, const struct ids *ids, uint32_t many,
                       uint32_t some)
{
    for (uint32_t first = 0; first < many; first += some)
        expect(table, ids, first, many - first < some ? many - first : some);
    assert_int_equal(table->count, many);
}

/* The numbers of one kind of ids, of which there are at most `many`. */
static void expect_numbers(const struct ids *ids, uint32_t many)
{
    struct page_table table;

    if (ids->width < 32 && many > 1u << ids->width)
        many = 1u << ids->width;
    assert_int_equal(page_table_init(&table, many), 0);
    assert_int_equal(page_table_keep_ids(&table), 0);
    expect_all(&table, ids, many, TRACE_BATCH);
    page_table_close(&table);
    expect_all(&table, ids, many, 77);
    for (uint32_t page = 0; page < many; page++)
        assert_true(table.ids[page] == id_of(ids, page));
    page_table_fini(&table);
}

/* Of any width, in order and scattered. */
static void test_pages_are_numbered_as_they_appear(void **state)
{
    (void)state;
    for (unsigned width = 1; width <= 64; width++)
        for (unsigned scattering = 0; scattering < 2; scattering++)
            expect_numbers(&(struct ids){.width = width, .stride = 1, .scattering = scattering},
                           width % 8 == 0 || width > 50 ? MANY : 3000);
}

/* The inverse of the number by which a table multiplies ids of `width` bits: multiples of it are neighbours in the
 * table. */
static uint64_t inverse_in(unsigned width)
{
    uint64_t odd = UINT64_C(0x9e3779b97f4a7c15) >> (64 - width) | 1, inverse = odd;

    for (int i = 0; i < 6; i++)
        inverse *= 2 - odd * inverse;
    return inverse;
}

/* Ids of which the upper half differs, multiples of a page's size, and those that someone chose to lie in one
 * place, or at the end, of a table. */
static void test_no_ids_are_too_bad(void **state)
{
    (void)state;
    expect_numbers(&(struct ids){.width = 64, .stride = UINT64_C(1) << 40}, MANY);
    expect_numbers(&(struct ids){.width = 48, .stride = 4096, .first = 12345}, MANY);
    for (unsigned width = 32; width <= 56; width += 8) {
        uint64_t one = inverse_in(width);

        expect_numbers(&(struct ids){.width = width, .stride = one}, MANY);
        expect_numbers(&(struct ids){.width = width, .stride = -one, .first = -one}, MANY);
        expect_numbers(&(struct ids){.width = width, .stride = one << (width - 15)}, MANY);
    }
}

/* In a table of 4,096 slots that has seen an id of 56 bits, a slot lacks the first four bits of a place, which say
 * in which sixteenth of the table it is. Two sixteenths get full; then ids come whose places are those of the
 * second one but for these bits, and whose slots, in the first one, are taken. */
static void test_ids_that_agree_in_what_slots_have_differ(void **state)
{
    enum { WIDTH = 56, APART = 256, PAGES = 1 + 3 * APART };
    const uint64_t one = inverse_in(WIDTH), all = (UINT64_C(1) << WIDTH) - 1, slot = one << 44;
    struct page_table table;

    (void)state;
    assert_int_equal(page_table_init(&table, MANY), 0);
    for (int time = 0; time < 2; time++)
        for (uint32_t i = 0; i < PAGES; i++) {
            uint64_t id = i <= APART ? (i - 1) * slot + one : (i - 1) % (2 * APART) * slot;
            uint32_t out;

            id = i == 0 ? all : id & all;
            assert_int_equal(
                page_table_look_up(&table, &(struct trace_reference){.id = id}, 1, &out), 0);
            assert_int_equal(out >> 1, i);
        }
    page_table_fini(&table);
}

/* Multiples of a Fibonacci number, which nearly is one of the golden section, lie in one place. They find room as
 * long as ids are narrow, but not when a wide one comes. */
static void test_a_table_gives_narrow_slots_up_while_it_moves_pages(void **state)
{
    const struct ids ids = {.stride = 1346269, .width = 32};
    struct trace_reference wide = {.id = UINT64_C(1) << 55};
    struct page_table table;
    uint32_t out;

    (void)state;
    assert_int_equal(page_table_init(&table, MANY), 0);
    expect_all(&table, &ids, 600, TRACE_BATCH);
    assert_null(table.wide);
    assert_int_equal(page_table_look_up(&table, &wide, 1, &out), 0);
    assert_int_equal(out >> 1, 600);
    assert_non_null(table.wide);
    for (uint32_t first = 0; first < 600; first += 100)
        expect(&table, &ids, first, 100);
    page_table_fini(&table);
}

/* A table, and beside it a list by number of each id: at first there are narrow ones only. In a few batches all
 * are seen. */
static void expect_as_listed(uint64_t seed, unsigned width, uint32_t different)
{
    const struct ids narrow = {.width = 20, .stride = 3},
                     wide = {.width = width, .stride = 5, .scattering = 1};
    struct random_source random = random_seeded(seed);
    uint32_t *page_of = malloc(different * sizeof(*page_of)), count = 0, known = 100;
    struct page_table table;

    assert_non_null(page_of);
    for (uint32_t i = 0; i < different; i++)
        page_of[i] = UINT32_MAX;
    assert_int_equal(page_table_init(&table, different), 0);
    while (known < different) {
        struct trace_reference references[TRACE_BATCH] = {{.id = 0}};
        uint32_t out[TRACE_BATCH], which[TRACE_BATCH],
            some = random_below(&random, TRACE_BATCH) + 1;

        for (uint32_t i = 0; i < some; i++) {
            which[i] = random_below(&random, known);
            references[i].id = which[i] < different / 2
                                   ? id_of(&narrow, which[i])
                                   : id_of(&wide, which[i]) | UINT64_C(1) << (width - 1);
        }
        assert_int_equal(page_table_look_up(&table, references, some, out), 0);
        for (uint32_t i = 0; i < some; i++) {
            if (page_of[which[i]] == UINT32_MAX)
                page_of[which[i]] = count++;
            assert_int_equal(out[i], page_of[which[i]] << 1);
        }
        assert_int_equal(table.count, count);
        known += random_below(&random, 600);
    }
    free(page_of);
    page_table_fini(&table);
}

static void test_a_table_is_as_a_list(void **state)
{
    (void)state;
    for (unsigned width = 30; width <= 64; width += 2)
        expect_as_listed(width, width, MANY);
}

/* One page more than there is room for, of a narrow id and of a wide one; those that are known are found still. */
static void test_no_more_pages_are_numbered_than_there_is_room_for(void **state)
{
    static const uint64_t more[] = {1u << 30, UINT64_C(1) << 45, UINT64_C(1) << 60};
    const struct ids ids = {.width = 32, .stride = 8};
    struct page_table table;
    uint32_t out;

    (void)state;
    assert_int_equal(page_table_init(&table, 600), 0);
    expect_all(&table, &ids, 600, TRACE_BATCH);
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        assert_int_equal(
            page_table_look_up(&table, &(struct trace_reference){.id = more[i]}, 1, &out), -ENOSPC);
    expect_all(&table, &ids, 600, TRACE_BATCH);
    page_table_fini(&table);
}

/* As many as a large page of the machine gives room for, and more: what a table had before is given back in parts. */
static void test_large_tables_grow(void **state)
{
    (void)state;
    expect_numbers(&(struct ids){.width = 50, .stride = 1, .scattering = 1}, 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_numbered_as_they_appear),
        cmocka_unit_test(test_no_ids_are_too_bad),
        cmocka_unit_test(test_ids_that_agree_in_what_slots_have_differ),
        cmocka_unit_test(test_a_table_gives_narrow_slots_up_while_it_moves_pages),
        cmocka_unit_test(test_a_table_is_as_a_list),
        cmocka_unit_test(test_no_more_pages_are_numbered_than_there_is_room_for),
        cmocka_unit_test(test_large_tables_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
