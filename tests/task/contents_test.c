/* A live task's memory holds what was written to it, whatever becomes of its frames: evicted,
 * swapped, unmapped at random, recalled, discarded, made anew, pinned. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "live.h"
#include "scale.h"

#define WORDS (SP_PAGE_SIZE / sizeof(uint64_t))

/* Of each of four threads, with a tenth of the frames that they need: two thirds of them fault, or more. */
#define STEPS (scale_is_slow() ? 250u : 625u)

/* Random reads and writes against a model in private memory, from several threads, each with pages
 * of its own. */
struct walker {
    uint64_t *memory;
    uint64_t model[400];
    unsigned first, pages, steps;
    uint64_t seed;
};

static void *walk(void *arg)
{
    struct walker *walker = arg;
    struct random_source random = random_seeded(walker->seed);

    for (unsigned i = 0; i < walker->steps; i++) {
        unsigned page = walker->first + random_below(&random, walker->pages);
        uint64_t *word = walker->memory + page * WORDS + page % WORDS;

        if (*word != walker->model[page]) {
            fprintf(stderr, "page %u: %llx instead of %llx at step %u\n", page,
                    (unsigned long long)*word, (unsigned long long)walker->model[page], i);
            exit(1);
        }
        if (random_below(&random, 3) > 0)
            *word = walker->model[page] = random_bits(&random);
    }
    return NULL;
}

static int four_threads(void *arg)
{
    static struct walker walkers[4];
    struct sp_task *task = attach_or_exit(&(struct sp_attach_options){.flags = *(unsigned *)arg});
    uint64_t *memory = region_or_exit(task, &(struct sp_region_options){.pages = 400});
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++) {
        walkers[i] = (struct walker){
            .memory = memory, .first = i * 100, .pages = 100, .steps = STEPS, .seed = i + 1};
        CHECK(pthread_create(&threads[i], NULL, walk, &walkers[i]) == 0);
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return sp_detach(&task);
}

static void run(void **state, const char *contract, const char *policy, int (*function)(void *),
                void *arg, struct sp_testing_result *result)
{
    struct sp_error error;

    if (sp_testing_run(*state, contract, policy, function, arg, result, &error) != 0)
        fail_msg("%s", error.text);
    if (result->exit_status != 0)
        fail_msg("policy %s, contract %s: status %d: %s", policy, contract, result->exit_status,
                 result->output);
}

static void test_every_policy(void **state)
{
    struct sp_testing_result result;
    unsigned flags = 0;

    for (size_t i = 0; sp_builtin_policy(i) != NULL; i++) {
        if ((sp_builtin_policy(i)->flags & SP_POLICY_LIVE) == 0 ||
            (scale_is_slow() && i % 2 != 0)) /* these have their turn in test_chaos */
            continue;
        run(state, "guaranteed=40", sp_builtin_policy(i)->name, four_threads, &flags, &result);
        assert_true(result.stats.swapped_in > 100);
        assert_true(result.stats.swapped_out > 100);
        assert_int_equal(result.stats.policy_errors, 0);
    }
}

static void test_pager_thread(void **state)
{
    struct sp_testing_result result;
    unsigned flags = SP_ATTACH_PAGER_THREAD;

    run(state, "guaranteed=40", "lru", four_threads, &flags, &result);
    assert_true(result.stats.swapped_in > 100);
}

static void test_contracts_of_few_frames(void **state)
{
    struct sp_testing_result result;
    unsigned flags = 0;

    /* Four threads and four frames: every thread can hold the one it waits for. */
    run(state, "guaranteed=4", "clock", four_threads, &flags, &result);
    run(state, "guaranteed=8,min=1;extra=8", "fifo", four_threads, &flags, &result);
}

static void test_chaos(void **state)
{
    struct sp_testing_options options = {.chaos_unmap = 2000, .seed = 7};
    struct sp_testing_result result;
    struct sp_testing *fixture;
    unsigned flags = 0;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; sp_builtin_policy(i) != NULL; i++)
        if ((sp_builtin_policy(i)->flags & SP_POLICY_LIVE) != 0 && (!scale_is_slow() || i % 2 != 0))
            run((void **)&fixture, "guaranteed=60", sp_builtin_policy(i)->name, four_threads,
                &flags, &result);
    assert_true(result.stats.pages_unmapped > 0);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

/* ---- Kinds of regions ---- */

static int zeroed_and_kept(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    struct sp_stats stats;

    (void)arg;
    for (unsigned i = 0; i < 100 * SP_PAGE_SIZE; i += 512)
        CHECK(memory[i] == 0);
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_out == 0); /* nothing was written, so nothing needs swap */
    memset(memory, 0xab, 100 * SP_PAGE_SIZE);
    CHECK(sp_region_destroy(task, memory) == 0);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    for (unsigned i = 0; i < 100 * SP_PAGE_SIZE; i += 512)
        CHECK(memory[i] == 0); /* recycled frames are cleared */
    return sp_detach(&task);
}

static int discardable(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 60, .kind = SP_DISCARDABLE});
    struct sp_stats stats;
    size_t lost;

    (void)arg;
    memset(memory, 1, 60 * SP_PAGE_SIZE);
    for (unsigned i = 0; i < 60; i++)
        CHECK(memory[i * SP_PAGE_SIZE] <= 1);
    CHECK(sp_pin(task, memory + 59 * SP_PAGE_SIZE, 1, &lost) == 0);
    CHECK(sp_unpin(task, memory + 59 * SP_PAGE_SIZE, 1) == 0);
    memory[59 * SP_PAGE_SIZE] = 7;
    CHECK(sp_discard(task, memory + 59 * SP_PAGE_SIZE, 1) == 1);
    CHECK(memory[59 * SP_PAGE_SIZE] == 0);
    CHECK(sp_pin(task, memory + 59 * SP_PAGE_SIZE, 1, &lost) == 0 && lost == 1);
    CHECK(sp_unpin(task, memory + 59 * SP_PAGE_SIZE, 1) == 0);
    CHECK(sp_pin(task, memory + 59 * SP_PAGE_SIZE, 1, &lost) == 0 && lost == 0);
    CHECK(sp_unpin(task, memory + 59 * SP_PAGE_SIZE, 1) == 0);
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_out == 0);
    CHECK(stats.dropped >= 40);
    return sp_detach(&task);
}

static int refill_with_index(void *arg, size_t index, void *frame)
{
    (void)arg;
    memset(frame, (int)(index % 251), SP_PAGE_SIZE);
    return 0;
}

static int remanufacturable(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(
        task, &(struct sp_region_options){
                  .pages = 300, .kind = SP_REMANUFACTURABLE, .refill = refill_with_index});
    struct random_source random = random_seeded(5);
    struct sp_stats stats;

    (void)arg;
    for (unsigned i = 0; i < scaled(3000); i++) {
        unsigned at = random_below(&random, 300 * SP_PAGE_SIZE);

        CHECK(memory[at] == at / SP_PAGE_SIZE % 251);
    }
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_out == 0 && stats.refilled == stats.faults && stats.faults > 100);
    return sp_detach(&task);
}

static int undefined_is_our_own(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(
        task, &(struct sp_region_options){.pages = 50, .flags = SP_REGION_UNDEFINED});
    struct sp_stats stats;

    (void)arg;
    for (unsigned i = 0; i < 50 * SP_PAGE_SIZE; i += 256)
        CHECK(memory[i] == 0 || memory[i] == 0x5a);
    memset(memory, 0x5a, 50 * SP_PAGE_SIZE);
    sp_get_stats(task, &stats);
    CHECK(stats.zeroed == 0);
    return sp_detach(&task);
}

static void test_kinds(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=20", "clock", zeroed_and_kept, NULL, &result);
    run(state, "guaranteed=20", "clock", discardable, NULL, &result);
    run(state, "guaranteed=20", "lru", remanufacturable, NULL, &result);
    run(state, "guaranteed=20", "fifo", undefined_is_our_own, NULL, &result);
}

/* ---- Pins and hints ---- */

static int pinned_buffer(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 200});
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    void *first;
    size_t pages = sp_span(memory + 100, 3 * SP_PAGE_SIZE, &first);

    (void)arg;
    CHECK(fd >= 0 && pages == 4 && first == memory);
    CHECK(sp_pin(task, first, pages, NULL) == 0);
    for (unsigned round = 0; round < 3; round++) {
        memset(memory, 1, 4 * SP_PAGE_SIZE);
        for (unsigned i = 10; i < 200; i++)
            memory[i * SP_PAGE_SIZE] = (unsigned char)i; /* evicts whatever is not pinned */
        CHECK(read(fd, memory + 100, 3 * SP_PAGE_SIZE) == (ssize_t)(3 * SP_PAGE_SIZE));
        CHECK(memory[99] == 1 && memory[100] == 0 && memory[99 + 3 * SP_PAGE_SIZE] == 0 &&
              memory[100 + 3 * SP_PAGE_SIZE] == 1);
    }
    CHECK(sp_pin(task, memory + 20 * SP_PAGE_SIZE, 20, NULL) == -ENOMEM);
    CHECK(sp_pin(task, memory + 1, 1, NULL) == -EINVAL);
    CHECK(sp_pin(task, memory + 199 * SP_PAGE_SIZE, 2, NULL) == -EINVAL);
    CHECK(sp_region_destroy(task, memory) == -EBUSY);
    CHECK(sp_unpin(task, first, pages) == 0);
    CHECK(sp_unpin(task, first, pages) == -EINVAL);
    for (unsigned i = 0; i < 255; i++)
        CHECK(sp_pin(task, memory, 1, NULL) == 0);
    CHECK(sp_pin(task, memory, 1, NULL) == -EOVERFLOW);
    close(fd);
    return sp_detach(&task);
}

static int read_ahead(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 64});
    unsigned char *scratch =
        region_or_exit(task, &(struct sp_region_options){.pages = 64, .kind = SP_DISCARDABLE});
    struct sp_stats before, after;

    (void)arg;
    for (unsigned i = 0; i < 64; i++)
        memory[i * SP_PAGE_SIZE] = (unsigned char)(i + 1);
    memset(scratch, 1, 64 * SP_PAGE_SIZE);
    CHECK(sp_discard(task, scratch, 64) > 16);
    CHECK(sp_advise(task, memory, 16, SP_HINT_WILL_NEED) == 0);
    sp_get_stats(task, &before);
    CHECK(before.swapped_in >= 8);
    for (unsigned i = 0; i < 8; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == i + 1);
    sp_get_stats(task, &after);
    CHECK(after.faults - before.faults <= 4);
    /* Pages without contents are there before they are touched, as far as there are frames. */
    CHECK(sp_advise(task, scratch + 32 * SP_PAGE_SIZE, 8, SP_HINT_WILL_NEED) == 0);
    sp_get_stats(task, &before);
    for (unsigned i = 32; i < 40; i++) {
        CHECK(scratch[i * SP_PAGE_SIZE] == 0);
        scratch[i * SP_PAGE_SIZE] = (unsigned char)i;
    }
    sp_get_stats(task, &after);
    CHECK(after.faults - before.faults <= 2 && after.soft_faults - before.soft_faults <= 2);
    for (int hint = SP_HINT_WILL_NEED; hint <= SP_HINT_SCRATCH; hint++)
        CHECK(sp_advise(task, memory, 64, (enum sp_hint)hint) == 0);
    CHECK(sp_advise(task, memory, 64, (enum sp_hint)9) == -EINVAL);
    for (unsigned i = 0; i < 64; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == i + 1);
    return sp_detach(&task);
}

static void test_pins_and_hints(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=32", "clock", pinned_buffer, NULL, &result);
    run(state, "guaranteed=32", "lru", read_ahead, NULL, &result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_pins_and_hints, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_every_policy, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_pager_thread, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_contracts_of_few_frames, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test(test_chaos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
