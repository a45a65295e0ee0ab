/* The table of faults: who finds a place in it, and what a reader refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "shm/fault_table.h"

static int setup(void **state)
{
    struct fault_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return -1;
    fault_table_begin(table, "task", 4096);
    fault_table_add_row(table, &(struct fault_row){.code = 1, .pages = 10});
    *state = table;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void an_instruction_has_one_site_for_each_region(void **state)
{
    struct fault_table *table = *state;
    struct fault_site *first, *other;
    bool new;

    fault_table_add_row(table, &(struct fault_row){.code = 2, .pages = 10});
    first = fault_table_find_site(table, 0x1000, 0, &new);
    assert_true(first != NULL && new);
    other = fault_table_find_site(table, 0x1000, 1, &new);
    assert_true(other != NULL && other != first && new);
    assert_ptr_equal(fault_table_find_site(table, 0x1000, 0, &new), first);
    assert_false(new);
    assert_int_equal(table->sites, 2);
    assert_null(fault_table_check(table, sizeof(*table)));
}

static void a_full_table_counts_what_it_leaves_out(void **state)
{
    struct fault_table *table = *state;
    struct random_source random = random_seeded(7);
    uint32_t found = 0, lost = 0;
    bool new;

    for (uint32_t i = 0; i < 3 * FAULT_TABLE_SITES; i++) {
        uint64_t code = 1 + random_below(&random, UINT32_MAX);

        if (fault_table_find_site(table, code, 0, &new) == NULL)
            lost++;
        else
            found += new;
    }
    assert_int_equal(found, table->sites);
    assert_int_equal(lost, table->lost);
    assert_true(found > FAULT_TABLE_SITES * 9 / 10 && lost > 0);
    assert_null(fault_table_check(table, sizeof(*table)));
}

static void regions_without_a_row_share_the_last_one(void **state)
{
    struct fault_table *table = *state;
    struct fault_row *row = NULL, *last = NULL;

    for (uint32_t i = 0; i < FAULT_TABLE_ROWS + 10; i++) {
        last = row;
        row = fault_table_add_row(table, &(struct fault_row){.code = 3 + i, .pages = 1});
    }
    assert_ptr_equal(row, last);
    assert_int_equal(table->rows, FAULT_TABLE_ROWS);
    assert_int_equal(table->regions, FAULT_TABLE_ROWS + 11);
}

static void a_stride_is_seen_through_some_noise(void **state)
{
    struct fault_site site = {.code = 1};

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        fault_table_stride(&site, i % 10 == 9 ? 5000 + i : 40 * i);
        site.loads++;
    }
    assert_int_equal(site.stride, 40);
    assert_in_range(site.strides, 60, 90);
    for (uint32_t i = 0; i < 20; i++)
        fault_table_stride(&site, 9000 - 7 * i);
    assert_int_equal(site.stride, -7);
}

static void code_lies_in_the_file_that_was_mapped_there(void **state)
{
    struct fault_table *table = *state;
    char path[2 * FAULT_TABLE_PATH];

    assert_true(fault_table_add_object(table, 0x1000, 0x3000, 0x200, "/bin/a"));
    assert_false(fault_table_add_object(table, 0x1000, 0x3000, 0x200, "/bin/a"));
    assert_string_equal(fault_table_object_at(table, 0x2fff)->path, "/bin/a");
    assert_null(fault_table_object_at(table, 0x3000));
    memset(path, 'x', sizeof(path));
    memcpy(path + sizeof(path) - 5, "/end", 5);
    assert_true(fault_table_add_object(table, 0x5000, 0x6000, 0, path));
    assert_non_null(strstr(fault_table_object_at(table, 0x5000)->path, "x/end"));
    for (uint64_t i = 0; i < 2 * FAULT_TABLE_OBJECTS; i++)
        fault_table_add_object(table, 0x10000 + 16 * i, 0x10010 + 16 * i, 0, "/many");
    assert_int_equal(table->objects, FAULT_TABLE_OBJECTS);
    assert_null(fault_table_check(table, sizeof(*table)));
}

static void a_reader_refuses_what_could_harm_it(void **state)
{
    struct fault_table *table = *state;
    struct fault_site *site;
    bool new;

    site = fault_table_find_site(table, 0x1000, 0, &new);
    site->row = 1;
    assert_non_null(strstr(fault_table_check(table, sizeof(*table)), "region"));
    site->row = 0;
    assert_null(fault_table_check(table, sizeof(*table)));
    assert_non_null(fault_table_check(table, sizeof(*table) - 1));
    assert_non_null(fault_table_check(table, 3));
    memset(table->task, 'x', sizeof(table->task));
    assert_non_null(strstr(fault_table_check(table, sizeof(*table)), "name"));
    strcpy(table->task, "two\nlines");
    assert_non_null(strstr(fault_table_check(table, sizeof(*table)), "name"));
    strcpy(table->task, "task");
    table->rows = FAULT_TABLE_ROWS + 1;
    assert_non_null(fault_table_check(table, sizeof(*table)));
    table->rows = 1;
    fault_table_add_object(table, 16, 32, 0, "/a");
    table->object[0].end = 16;
    assert_non_null(strstr(fault_table_check(table, sizeof(*table)), "object"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_instruction_has_one_site_for_each_region, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_table_counts_what_it_leaves_out, setup, teardown),
        cmocka_unit_test_setup_teardown(regions_without_a_row_share_the_last_one, setup, teardown),
        cmocka_unit_test(a_stride_is_seen_through_some_noise),
        cmocka_unit_test_setup_teardown(code_lies_in_the_file_that_was_mapped_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reader_refuses_what_could_harm_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
