/* References that the kernel notes, in real tasks: what they cost, and that nothing else changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <selfpage/page_list.h>
#include <selfpage/testing.h>

#include "awaiting.h"
#include "base/random.h"
#include "live.h"
#include "os/page_bits.h"

#define PAGES 256u

static unsigned char *page_of(unsigned char *memory, unsigned page)
{
    return memory + (size_t)page * SP_PAGE_SIZE;
}

static void skip_without_bits(void)
{
    struct page_bits bits = PAGE_BITS_NONE;
    struct sp_error error = {.text = "it runs under Valgrind"};

    if (RUNNING_ON_VALGRIND || page_bits_open(&bits, &error) != 0) {
        print_message("[  SKIPPED ] no bits here: %s\n", error.text);
        skip();
    }
    page_bits_close(&bits);
}

/* What a task is to do, and what it found. Shared with it. */
struct run {
    const char *bits; /* of SELFPAGE_BITS */
    enum sp_kind kind;
    struct sp_stats stats;
    bool waits; /* for `go` */
    bool go;
};

static struct run *run_new(const char *bits, enum sp_kind kind)
{
    struct run *run =
        mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(run, MAP_FAILED);
    *run = (struct run){.bits = bits, .kind = kind};
    return run;
}

static void run_task(void **state, const char *contract, const char *policy,
                     int (*function)(void *), void *arg)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, contract, policy, function, arg, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
}

/* ---- The same decisions ---- */

/* Half of all references to an eighth of the pages, a quarter of them writes. */
static int wander(void *arg)
{
    struct run *run = arg;
    struct random_source random = random_seeded(7);
    struct sp_task *task;
    unsigned char *memory;
    static unsigned char last[PAGES];

    setenv("SELFPAGE_BITS", run->bits, 1);
    task = attach_or_exit(NULL);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = run->kind});
    for (unsigned i = 0; i < 16 * PAGES; i++) {
        unsigned page = random_below(&random, random_below(&random, 2) == 0 ? PAGES / 8 : PAGES);
        volatile unsigned char *byte = page_of(memory, page) + i % SP_PAGE_SIZE / 64;

        CHECK(run->kind != SP_PRECIOUS || page_of(memory, page)[4095] == last[page]);
        if (random_below(&random, 4) != 0) {
            (void)*byte;
            continue;
        }
        page_of(memory, page)[4095] = ++last[page];
    }
    sp_get_stats(task, &run->stats);
    return sp_detach(&task);
}

static struct sp_stats wandered(void **state, const char *bits, const char *policy,
                                enum sp_kind kind)
{
    struct run *run = run_new(bits, kind);
    struct sp_stats stats;

    run_task(state, "guaranteed=64", policy, wander, run);
    stats = run->stats;
    munmap(run, sizeof(*run));
    return stats;
}

static void all_counters_but_soft_faults_are_the_same(void **state)
{
    static const char *const policies[] = {"clock", "sieve", "car", "linux", "mglru"};

    skip_without_bits();
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct sp_stats signals = wandered(state, "signals", policies[i], SP_DISCARDABLE);
        struct sp_stats kernel = wandered(state, "kernel", policies[i], SP_DISCARDABLE);

        assert_true(signals.soft_faults > PAGES / 4);
        assert_int_equal(kernel.soft_faults, 0);
        assert_int_equal(kernel.faults, signals.faults);
        assert_int_equal(kernel.evictions, signals.evictions);
        assert_int_equal(kernel.dropped, signals.dropped);
        assert_int_equal(kernel.policy_errors, 0);
    }
}

/* With stores and loads, whose answers come when they come. */
static void contents_are_right_and_fewer_faults_are_soft(void **state)
{
    struct sp_stats signals, kernel;

    skip_without_bits();
    signals = wandered(state, "signals", "clock", SP_PRECIOUS);
    kernel = wandered(state, "kernel", "clock", SP_PRECIOUS);
    assert_true(kernel.swapped_in > PAGES && kernel.swapped_out > PAGES / 2);
    assert_true(kernel.soft_faults < signals.soft_faults);
}

/* ---- A policy that asks when the program says so ---- */

struct asker {
    struct sp_policy_env *env;
    struct sp_list list;
    struct sp_link links[];
};

static unsigned referenced; /* pages of which it has heard that they were, in this process */

static size_t asker_size(const struct sp_policy_config *config)
{
    return sizeof(struct asker) + (size_t)config->pages * sizeof(struct sp_link);
}

static void asker_init(void *self, const struct sp_policy_config *config)
{
    ((struct asker *)self)->env = config->env;
}

static void asker_insert(void *self, sp_page page, enum sp_access access)
{
    struct asker *asker = self;

    (void)access;
    sp_list_push_front(&asker->list, asker->links, page);
}

static sp_page asker_victim(void *self, sp_page incoming)
{
    (void)incoming;
    return sp_list_back(&((struct asker *)self)->list);
}

static void asker_remove(void *self, sp_page page, enum sp_removal why)
{
    struct asker *asker = self;

    (void)why;
    sp_list_remove(&asker->list, asker->links, page);
}

static void asker_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct asker *asker = self;

    (void)hint;
    referenced += asker->env->referenced(asker->env, page);
}

static const struct sp_policy asker_policy = {.abi = SP_POLICY_ABI,
                                              .name = "asker",
                                              .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES,
                                              .size = asker_size,
                                              .init = asker_init,
                                              .insert = asker_insert,
                                              .victim = asker_victim,
                                              .remove = asker_remove,
                                              .hint = asker_hint};

/* Pages that were referenced since this was last asked. */
static unsigned ask(struct sp_task *task, void *memory, unsigned pages)
{
    referenced = 0;
    CHECK(sp_advise(task, memory, pages, SP_HINT_DONT_NEED) == 0);
    return referenced;
}

static struct sp_task *attach_asking(void)
{
    struct sp_attach_options options = {.policy_ops = &asker_policy};

    setenv("SELFPAGE_BITS", "kernel", 1);
    return attach_or_exit(&options);
}

/* The pages are announced together, and so lie in one mapping, in frames that follow each other. */
static int refer_to_one_of_many(void *arg)
{
    struct sp_task *task = attach_asking();
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 64, .kind = SP_DISCARDABLE});

    (void)arg;
    CHECK(sp_advise(task, memory, 64, SP_HINT_WILL_NEED) == 0);
    for (unsigned i = 0; i < 64; i++)
        page_of(memory, i)[0] = 1;
    CHECK(ask(task, memory, 64) == 64);
    CHECK(ask(task, memory, 64) == 0);
    CHECK(page_of(memory, 20)[0] == 1);
    CHECK(ask(task, memory, 64) == 1);
    for (unsigned i = 0; i < 64; i += 4)
        CHECK(page_of(memory, i)[0] == 1);
    CHECK(ask(task, memory, 64) == 16);
    CHECK(ask(task, memory, 64) == 0);
    return sp_detach(&task);
}

static void one_reference_is_one_also_among_neighbours(void **state)
{
    skip_without_bits();
    run_task(state, "guaranteed=96", NULL, refer_to_one_of_many, NULL);
}

/* Frames that are given away have been unmapped before: each touch is a fault of the task. */
static int touch_what_was_given_up(void *arg)
{
    struct sp_task *task = attach_asking();
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 64, .kind = SP_DISCARDABLE});
    struct sp_stats before, after;
    struct sp_offer offer;
    struct run *run = arg;

    for (unsigned i = 0; i < 64; i++)
        page_of(memory, i)[0] = 1;
    CHECK(ask(task, memory, 64) == 64);
    CHECK(sp_discard(task, memory, 32) == 32);
    sp_get_stats(task, &before);
    for (unsigned i = 0; i < 32; i++)
        CHECK(page_of(memory, i)[0] == 0);
    sp_get_stats(task, &after);
    CHECK(after.faults - before.faults == 32);
    CHECK(ask(task, memory, 64) == 32);
    /* Half of the frames go; all that remain are watched, and those that went are not there. */
    CHECK(sp_resize_contract(task, 1, 32, &offer, NULL) == 0);
    do
        sp_get_stats(task, &before);
    while (before.held > 32);
    CHECK(before.resident <= 32);
    for (unsigned i = 0; i < 64; i++)
        (void)*(volatile unsigned char *)page_of(memory, i);
    sp_get_stats(task, &after);
    CHECK(after.faults - before.faults >= 32 && after.held <= 32);
    __atomic_store_n(&run->waits, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&run->go, __ATOMIC_ACQUIRE))
        sched_yield();
    for (unsigned i = 0; i < 64; i++)
        (void)*(volatile unsigned char *)page_of(memory, i);
    return sp_detach(&task);
}

static void what_a_task_does_not_own_is_guarded(void **state)
{
    struct run *run;
    struct sp_testing_task *task;
    struct sp_testing_result result;
    struct sp_error error;

    skip_without_bits();
    run = run_new("kernel", SP_DISCARDABLE);
    assert_int_equal(sp_testing_begin(*state, "t", "guaranteed=96", NULL, touch_what_was_given_up,
                                      run, &task, &error),
                     0);
    AWAIT(task, __atomic_load_n(&run->waits, __ATOMIC_ACQUIRE));
    /* Physmem looks at extents going round, and ends a task that has more pages than frames. */
    if (sp_testing_await(*state, "physmem.audits >= 8", &error) != 0)
        fail_msg("%s", error.text);
    __atomic_store_n(&run->go, true, __ATOMIC_RELEASE);
    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
    munmap(run, sizeof(*run));
}

/* ---- Which way ---- */

static int attach_in_vain(void *arg)
{
    struct sp_error error = {0};
    struct sp_task *task;

    setenv("SELFPAGE_BITS", arg, 1);
    CHECK(sp_attach(&task, NULL, &error) < 0);
    fprintf(stderr, "%s\n", error.text);
    return 0;
}

static void expect_refusal(void **state, const char *policy, char *bits, const char *text)
{
    struct sp_testing_result result;
    struct sp_error error;

    assert_int_equal(
        sp_testing_run(*state, "guaranteed=16", policy, attach_in_vain, bits, &result, &error), 0);
    assert_int_equal(result.exit_status, 0);
    if (strstr(result.output, text) == NULL)
        fail_msg("'%s' is not in: %s", text, result.output);
}

static void a_way_that_cannot_be_had_is_refused(void **state)
{
    expect_refusal(state, "clock", "perhaps", "neither 'kernel'");
    expect_refusal(state, "lru", "kernel", "needs to see each reference");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_counters_but_soft_faults_are_the_same),
        cmocka_unit_test(contents_are_right_and_fewer_faults_are_soft),
        cmocka_unit_test(one_reference_is_one_also_among_neighbours),
        cmocka_unit_test(what_a_task_does_not_own_is_guarded),
        cmocka_unit_test(a_way_that_cannot_be_had_is_refused),
    };

    return cmocka_run_group_tests_name("task_bits", tests, sp_testing_setup, sp_testing_teardown);
}
