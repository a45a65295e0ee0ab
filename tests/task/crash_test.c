/* A crash in code that the library calls back is told of, by name, and stays a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include <selfpage/page_list.h>
#include <selfpage/testing.h>

#include "awaiting.h"
#include "live.h"

enum { PAGES = 40 };

/* An address that cannot be accessed, which Memcheck is not to report: the crash is meant. */
static volatile char *nowhere(void)
{
    void *page = mmap(NULL, SP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    VALGRIND_MAKE_MEM_DEFINED(page, SP_PAGE_SIZE);
    return page;
}

/* First in, first out, until a victim is asked for. */
struct fragile {
    struct sp_list queue;
    struct sp_link links[];
};

static size_t fragile_size(const struct sp_policy_config *config)
{
    return sizeof(struct fragile) + config->pages * sizeof(struct sp_link);
}

static void fragile_insert(void *self, sp_page page, enum sp_access access)
{
    struct fragile *fragile = self;

    (void)access;
    sp_list_push_front(&fragile->queue, fragile->links, page);
}

static volatile char *edge;

static sp_page fragile_victim(void *self, sp_page incoming)
{
    (void)self;
    (void)incoming;
    *edge = 1;
    return 0;
}

static void fragile_remove(void *self, sp_page page, enum sp_removal why)
{
    struct fragile *fragile = self;

    (void)why;
    sp_list_remove(&fragile->queue, fragile->links, page);
}

static const struct sp_policy fragile_policy = {.abi = SP_POLICY_ABI,
                                                .flags = SP_POLICY_LIVE,
                                                .name = "fragile",
                                                .size = fragile_size,
                                                .insert = fragile_insert,
                                                .victim = fragile_victim,
                                                .remove = fragile_remove};

/* How often the task has touched all its pages; shared with it. */
static volatile unsigned *rounds;

static int touch_all(void *arg)
{
    const struct sp_attach_options *options = arg;
    struct sp_task *task;
    volatile unsigned char *memory;

    edge = nowhere();
    task = attach_or_exit(options);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    for (;;)
        for (unsigned i = 0; i < PAGES; i++) {
            memory[i * SP_PAGE_SIZE]++;
            *rounds += i == PAGES - 1;
        }
    return 0;
}

static void expect(const struct sp_testing_result *result, const char *text)
{
    if (result->signal != SIGSEGV || strstr(result->output, text) == NULL)
        fail_msg("signal %d, status %d, and '%s' is not in: %s", result->signal,
                 result->exit_status, text, result->output);
}

static void a_crash_of_a_policy_is_told(void **state)
{
    struct sp_attach_options options = {.policy_ops = &fragile_policy};
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=16", NULL, touch_all, &options, &result, &error) != 0)
        fail_msg("%s", error.text);
    expect(&result, "crash in the eviction policy 'fragile': signal 11, access to address 0x");
    expect(&result, "at test_task_crash+0x");
    expect(&result, "while the fault on page 1");
}

static void a_crash_of_a_shared_object_is_told(void **state)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=16", TEST_CRASHING_POLICY, touch_all, NULL, &result,
                       &error) != 0)
        fail_msg("%s", error.text);
    expect(&result, "crash in the eviction policy 'wrong': signal 11, access to address");
    expect(&result, "at libtest_crashing_policy.so+0x");
}

static void a_crash_in_a_recall_is_told(void **state)
{
    struct sp_attach_options options = {.policy_ops = &fragile_policy};
    struct sp_testing_result result;
    struct sp_testing_task *task;
    struct sp_error error;

    *rounds = 0;
    assert_int_equal(
        sp_testing_begin(*state, "giver", "extra=100", NULL, touch_all, &options, &task, &error),
        0);
    AWAIT(task, *rounds > 0); /* until then, a fault could meet the recall */
    assert_int_equal(sp_testing_recall(*state, "giver", 90, &error), 0);
    sp_testing_wait(&task, &result);
    expect(&result, "crash in the eviction policy 'fragile': signal 11");
    expect(&result, "while frames were given back");
}

static int refill_crash(void *arg, size_t index, void *frame)
{
    (void)arg;
    (void)frame;
    if (index == 3)
        *edge = 1;
    return 0;
}

static int touch_refilled(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory =
        region_or_exit(task, &(struct sp_region_options){
                                 .pages = 5, .kind = SP_REMANUFACTURABLE, .refill = refill_crash});

    (void)arg;
    edge = nowhere();
    for (unsigned i = 0; i < 5; i++)
        (void)memory[i * SP_PAGE_SIZE];
    return 0;
}

static void a_crash_of_a_refill_is_told(void **state)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=8", NULL, touch_refilled, NULL, &result, &error) != 0)
        fail_msg("%s", error.text);
    expect(&result, "crash in the refill callback for page 3 of its region: signal 11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crash_of_a_policy_is_told, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_crash_of_a_shared_object_is_told, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_crash_in_a_recall_is_told, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_crash_of_a_refill_is_told, sp_testing_setup,
                                        sp_testing_teardown),
    };

    rounds = mmap(NULL, SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rounds == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
