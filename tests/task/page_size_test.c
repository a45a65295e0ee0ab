/* A task whose contract has an order above 0 has pages of that size, and sees nothing else of it:
 * its memory holds what was written to it, and ranges still count base pages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <cmocka.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "awaiting.h"
#include "live.h"
#include "scale.h"

#define WORDS (SP_PAGE_SIZE / sizeof(uint64_t))

static void run(struct sp_testing *fixture, const char *contract, int (*function)(void *),
                void *arg, struct sp_testing_result *result)
{
    struct sp_error error;

    if (sp_testing_run(fixture, contract, NULL, function, arg, result, &error) != 0)
        fail_msg("%s", error.text);
    if (result->exit_status != 0)
        fail_msg("contract %s: status %d: %s", contract, result->exit_status, result->output);
}

/* ---- Contents ---- */

/* Two threads whose base pages alternate, so that they share every larger page, write and read
 * words of them against a model. */
#define WALK_PAGES 390u

struct walker {
    uint64_t *memory;
    uint64_t model[WALK_PAGES];
    unsigned parity, steps;
};

static void *walk(void *arg)
{
    struct walker *walker = arg;
    struct random_source random = random_seeded(walker->parity + 1);

    for (unsigned i = 0; i < walker->steps; i++) {
        unsigned page = 2 * random_below(&random, WALK_PAGES / 2) + walker->parity;
        uint64_t *word = walker->memory + page * WORDS + page % WORDS;

        CHECK(*word == walker->model[page]);
        if (random_below(&random, 3) > 0)
            *word = walker->model[page] = random_bits(&random);
    }
    return NULL;
}

static int two_threads(void *arg)
{
    static struct walker walkers[2];
    struct sp_task *task = attach_or_exit(&(struct sp_attach_options){.flags = *(unsigned *)arg});
    uint64_t *memory = region_or_exit(task, &(struct sp_region_options){.pages = WALK_PAGES});
    pthread_t threads[2];

    for (unsigned i = 0; i < 2; i++) {
        walkers[i] =
            (struct walker){.memory = memory, .parity = i, .steps = scale_is_slow() ? 150 : 800};
        CHECK(pthread_create(&threads[i], NULL, walk, &walkers[i]) == 0);
    }
    for (unsigned i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return sp_detach(&task);
}

static void expect_pages_of(const struct sp_stats *stats, unsigned order)
{
    uint64_t below = (1u << order) - 1;

    assert_true(stats->swapped_in > 20 && stats->swapped_out > 20);
    assert_int_equal((stats->held | stats->resident | stats->pages | stats->swapped_in |
                      stats->swapped_out | stats->evictions | stats->guaranteed) &
                         below,
                     0);
    assert_int_equal(stats->policy_errors, 0);
}

/* Each order, while physmem takes rights at random, and mostly parts of pages. */
static void test_contents_under_chaos(void **state)
{
    struct sp_testing_options options = {.chaos_unmap = 1000, .seed = 3};
    struct sp_testing_result result;
    struct sp_testing *fixture;
    uint64_t unmaps = 0;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    for (unsigned order = 1; order <= 6; order++) {
        unsigned flags = order == 3 ? SP_ATTACH_PAGER_THREAD : 0;
        char contract[64];

        snprintf(contract, sizeof(contract), "guaranteed=%u,order=%u", order < 5 ? 64 : 4u << order,
                 order);
        run(fixture, contract, two_threads, &flags, &result);
        expect_pages_of(&result.stats, order);
        assert_true(result.stats.held <= 4u << 6);
        unmaps += result.stats.pages_unmapped;
    }
    assert_true(unmaps > 0);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

/* Writes that fail now and then leave a part of a page stored. Nothing is lost, and nothing is left
 * of that part: swap has no slot more than the region needs. */
static void test_contents_with_failing_writes(void **state)
{
    /* Neighbours are written together, and Memcheck's task makes few writes. */
    static const char *const args[] = {"--fail-writes", "0.2", NULL};
    struct sp_testing_options options = {.swap_slots = 392, .swap_args = args, .seed = 5};
    struct sp_testing_result result;
    struct sp_testing_swap swap;
    struct sp_testing *fixture;
    struct sp_error error;
    unsigned flags = 0;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    run(fixture, "guaranteed=64,order=2", two_threads, &flags, &result);
    expect_pages_of(&result.stats, 2);
    if (sp_testing_swap_status(fixture, &swap, &error) != 0)
        fail_msg("%s", error.text);
    assert_true(swap.failed > 0);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

#define MANY_UNITS 256u

/* Write all pages again and again, in order: what is read is read ahead, and many pages leave meanwhile. */
static int write_in_order(void *arg)
{
    unsigned pages = MANY_UNITS << *(unsigned *)arg;
    struct sp_task *task = attach_or_exit(NULL);
    uint64_t *memory = region_or_exit(task, &(struct sp_region_options){.pages = pages});

    for (unsigned round = 0; round < 3; round++)
        for (unsigned page = 0; page < pages; page++) {
            CHECK(memory[page * WORDS] == (round == 0 ? 0 : page + round));
            memory[page * WORDS] = page + round + 1;
        }
    return sp_detach(&task);
}

/* With many frames more pages leave during a load than one message carries. */
static void test_pages_leave_by_the_message(void **state)
{
    struct sp_testing_options options = {.physmem_frames = (MANY_UNITS / 2 << 3) + 64,
                                         .swap_slots = MANY_UNITS << 3};
    struct sp_testing_result result;
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    for (unsigned order = 1; order <= 3; order++) {
        char contract[40];

        snprintf(contract, sizeof(contract), "guaranteed=%u,order=%u", MANY_UNITS / 2 << order,
                 order);
        run(fixture, contract, write_in_order, &order, &result);
        assert_true(result.stats.swapped_out > 2 * MANY_UNITS << order);
    }
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

/* ---- What the program says ---- */

static unsigned char *at(unsigned char *memory, unsigned page)
{
    return memory + (size_t)page * SP_PAGE_SIZE;
}

/* The region has 10 base pages: two pages of four, and half of a third. */
static int ranges(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 10, .kind = SP_DISCARDABLE});
    struct sp_stats stats;
    size_t lost;

    (void)arg;
    for (unsigned page = 0; page < 10; page++)
        *at(memory, page) = (unsigned char)(page + 1);
    sp_get_stats(task, &stats);
    CHECK(stats.faults == 3 && stats.resident == 12 && stats.pages == 12);
    /* A page stays if only a part of it should be dropped. */
    CHECK(sp_discard(task, at(memory, 1), 3) == 0);
    CHECK(sp_discard(task, at(memory, 3), 4) == 0);
    CHECK(sp_discard(task, at(memory, 8), 1) == 0);
    CHECK(sp_discard(task, at(memory, 3), 6) == 4);
    for (unsigned page = 0; page < 10; page++)
        CHECK(*at(memory, page) == (page / 4 == 1 ? 0 : page + 1));
    /* The last page ends with the region. */
    CHECK(sp_discard(task, at(memory, 8), 2) == 4);
    CHECK(*at(memory, 9) == 0 && *at(memory, 3) == 4);
    CHECK(sp_discard(task, at(memory, 8), 3) == -EINVAL);
    CHECK(sp_discard(task, memory + 1, 1) == -EINVAL);
    /* A pin holds all pages that it touches. */
    CHECK(sp_pin(task, at(memory, 3), 2, &lost) == 0 && lost == 4);
    sp_get_stats(task, &stats);
    CHECK(stats.pinned == 8);
    CHECK(sp_discard(task, memory, 10) == 4);
    CHECK(*at(memory, 0) == 1);
    CHECK(sp_unpin(task, at(memory, 0), 8) == 0);
    CHECK(sp_unpin(task, at(memory, 3), 2) == -EINVAL);
    CHECK(sp_advise(task, at(memory, 9), 1, SP_HINT_WILL_NEED) == 0);
    CHECK(sp_advise(task, at(memory, 9), 2, SP_HINT_WILL_NEED) == -EINVAL);
    CHECK(sp_region_destroy(task, memory) == 0);
    return sp_detach(&task);
}

#define MADE_PAGES 101u

static unsigned made[MADE_PAGES];

static int make(void *arg, size_t index, void *frame)
{
    (void)arg;
    if (index >= MADE_PAGES)
        return ERANGE;
    made[index]++;
    memset(frame, (int)(index + 1), SP_PAGE_SIZE);
    return 0;
}

/* Each base page is made by itself, and none that the region does not have. */
static int refills(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){
                                 .pages = MADE_PAGES, .kind = SP_REMANUFACTURABLE, .refill = make});

    (void)arg;
    for (unsigned round = 0; round < 2; round++)
        for (unsigned page = 0; page < MADE_PAGES; page++)
            CHECK(*at(memory, page) == page + 1 && at(memory, page)[SP_PAGE_SIZE - 1] == page + 1);
    for (unsigned page = 0; page < MADE_PAGES; page++)
        CHECK(made[page] > 0 && made[page] == made[page & ~7u]);
    CHECK(made[0] == 2);
    return sp_detach(&task);
}

static int read_ahead(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 128});
    unsigned char *scratch =
        region_or_exit(task, &(struct sp_region_options){.pages = 64, .kind = SP_DISCARDABLE});
    struct sp_stats before, after;

    (void)arg;
    for (unsigned page = 0; page < 128; page++)
        *at(memory, page) = (unsigned char)(page + 1);
    memset(scratch, 1, 64 * SP_PAGE_SIZE);
    CHECK(sp_discard(task, scratch, 64) >= 32);
    sp_get_stats(task, &before);
    CHECK(sp_advise(task, memory, 128, SP_HINT_WILL_NEED) == 0);
    sp_get_stats(task, &after);
    CHECK(after.swapped_in - before.swapped_in >= 8);
    for (unsigned page = 0; page < 128; page++)
        CHECK(*at(memory, page) == page + 1);
    return sp_detach(&task);
}

static void test_what_the_program_says(void **state)
{
    struct sp_testing_result result;

    run(*state, "guaranteed=32,order=2", ranges, NULL, &result);
    run(*state, "guaranteed=40,order=3", refills, NULL, &result);
    run(*state, "guaranteed=64,order=2", read_ahead, NULL, &result);
}

/* ---- Recalls ---- */

/* Touch pages until told by a page count that no longer changes; ends when all have come back. */
static int hold_and_shrink(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 128});
    struct sp_stats stats;

    (void)arg;
    for (unsigned page = 0; page < 128; page++)
        *at(memory, page) = (unsigned char)(page + 1);
    do {
        sched_yield();
        sp_get_stats(task, &stats);
    } while (stats.recalls_answered == 0);
    CHECK(stats.held % 8 == 0);
    for (unsigned page = 0; page < 128; page++)
        CHECK(*at(memory, page) == page + 1);
    CHECK(sp_return_frames(task, 9) == 16);
    return sp_detach(&task);
}

static void test_recalls_are_met_in_whole_pages(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin(*state, "holder", "guaranteed=32,order=3;extra=64,order=3", NULL,
                         hold_and_shrink, NULL, &task, &error) != 0)
        fail_msg("%s", error.text);
    AWAIT(task, awaiting_held(task) >= 96);
    if (sp_testing_recall(*state, "holder", 11, &error) != 0)
        fail_msg("%s", error.text);
    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
    assert_int_equal(result.stats.recalls_heard, 1);
    assert_true(result.stats.returned >= 16);
}

/* ---- Refusals ---- */

static int refused(void *arg)
{
    static const struct {
        const char *contract;
        uint32_t max_pages;
        const char *text;
    } wrong[] = {
        {"guaranteed=128,order=7", 0, "order is at most 6"},
        {"guaranteed=30,order=2", 0, "not a whole number of pages"},
        {"guaranteed=32,order=2;extra=32", 0, "the same order in each contract"},
        {"guaranteed=32,order=4", 15, "less than one page of order 4"},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct sp_attach_options options = {.contract = wrong[i].contract,
                                                  .max_pages = wrong[i].max_pages};
        struct sp_error error = {0};
        struct sp_task *task;

        CHECK(sp_attach(&task, &options, &error) == -EINVAL);
        if (strstr(error.text, wrong[i].text) == NULL)
            fprintf(stderr, "%s: %s\n", wrong[i].contract, error.text);
        CHECK(strstr(error.text, wrong[i].text) != NULL);
    }
    return 0;
}

static void test_refusals(void **state)
{
    struct sp_testing_result result;

    run(*state, "guaranteed=32", refused, NULL, &result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents_under_chaos),
        cmocka_unit_test(test_contents_with_failing_writes),
        cmocka_unit_test(test_pages_leave_by_the_message),
        cmocka_unit_test_setup_teardown(test_what_the_program_says, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_recalls_are_met_in_whole_pages, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, sp_testing_setup, sp_testing_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
