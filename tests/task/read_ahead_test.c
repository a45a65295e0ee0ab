/* A live task reads ahead, and what it stored together comes back together. Judged by counters, never by the
 * clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "live.h"

#define PAGES 1024u
#define BLOCK 16u /* pages of a batch of stores, with these frames */

enum order { UP, DOWN, STRIDED, AT_RANDOM };

static unsigned char *page_of(unsigned char *memory, unsigned page)
{
    return memory + (size_t)page * SP_PAGE_SIZE;
}

/* Write each page once: in sequence but for the order within a block. */
static void write_blocks(unsigned char *memory)
{
    struct random_source random = random_seeded(1);

    for (unsigned block = 0; block < PAGES; block += BLOCK) {
        unsigned order[BLOCK];

        for (unsigned i = 0; i < BLOCK; i++) {
            unsigned other = random_below(&random, i + 1);

            order[i] = order[other];
            order[other] = block + i;
        }
        for (unsigned i = 0; i < BLOCK; i++)
            memset(page_of(memory, order[i]), (int)(order[i] % 251 + 1), SP_PAGE_SIZE);
    }
}

static unsigned nth(enum order order, unsigned i, struct random_source *random)
{
    switch (order) {
    case UP:
        return i;
    case DOWN:
        return PAGES - 1 - i;
    case STRIDED: /* all pages, by threes */
        return i * 3 % PAGES;
    case AT_RANDOM:
        break;
    }
    return random_below(random, PAGES);
}

static int refer(void *arg)
{
    enum order order = *(const enum order *)arg;
    struct random_source random = random_seeded(2);
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    struct sp_stats before, after;

    write_blocks(memory);
    sp_get_stats(task, &before);
    CHECK(before.read_ahead == 0);
    for (unsigned i = 0; i < PAGES; i++) {
        unsigned page = nth(order, i, &random);

        CHECK(page_of(memory, page)[i % SP_PAGE_SIZE] == page % 251 + 1);
    }
    sp_get_stats(task, &after);
    CHECK(after.read_ahead_used + after.read_ahead_wasted <= after.read_ahead);
    CHECK(after.read_ahead <= after.swapped_in);
    if (order == AT_RANDOM) {
        CHECK(after.read_ahead * 8 < after.swapped_in);
    } else {
        CHECK(after.faults - before.faults < PAGES / 8);
        CHECK(after.soft_faults - before.soft_faults < PAGES / 8);
        CHECK(after.read_ahead_wasted * 8 < after.read_ahead);
    }
    return sp_detach(&task);
}

static struct sp_testing_swap swap_under(void **state, const char *policy, enum order order)
{
    struct sp_testing_result result;
    struct sp_testing_swap status;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=256", policy, refer, &order, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
    assert_int_equal(sp_testing_swap_status(*state, &status, &error), 0);
    return status;
}

static struct sp_testing_swap swap_after(void **state, enum order order)
{
    return swap_under(state, "fifo", order);
}

static void a_scan_takes_few_faults_and_few_reads(void **state)
{
    struct sp_testing_swap status = swap_after(state, UP);

    /* They were written in another order: batches are stored, and loads are read, in order all the same. */
    assert_true(status.loads > PAGES / 2);
    assert_true(status.reads * 4 < status.loads);
}

static void a_scan_downwards_takes_as_few(void **state)
{
    struct sp_testing_swap status = swap_after(state, DOWN);

    assert_true(status.reads * 4 < status.loads);
}

/* Nor does a policy that watches pages make the program fault on each of them. */
static void a_scan_takes_few_soft_faults_too(void **state)
{
    (void)swap_under(state, "clock", UP);
    (void)swap_under(state, "sieve", UP);
}

static void every_third_page_is_a_run_too(void **state)
{
    (void)swap_after(state, STRIDED);
}

static void references_at_random_read_hardly_anything_ahead(void **state)
{
    (void)swap_after(state, AT_RANDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scan_takes_few_faults_and_few_reads, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_scan_downwards_takes_as_few, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_scan_takes_few_soft_faults_too, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(every_third_page_is_a_run_too, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(references_at_random_read_hardly_anything_ahead,
                                        sp_testing_setup, sp_testing_teardown),
    };

    return cmocka_run_group_tests_name("task_read_ahead", tests, NULL, NULL);
}
