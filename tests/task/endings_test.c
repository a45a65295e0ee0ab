/* What a task says, and how it ends, when something goes wrong: bad options, recalls it ignores,
 * servers that die, crashes for which paging is not to blame, forks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <stdlib.h>
#include <valgrind/memcheck.h>

#include <selfpage/testing.h>

#include "awaiting.h"
#include "live.h"

static void run(void **state, const char *contract, const char *policy, int (*function)(void *),
                void *arg, struct sp_testing_result *result)
{
    struct sp_error error;

    if (sp_testing_run(*state, contract, policy, function, arg, result, &error) != 0)
        fail_msg("%s", error.text);
}

static void expect_output(const struct sp_testing_result *result, const char *text)
{
    if (strstr(result->output, text) == NULL)
        fail_msg("status %d, and '%s' is not in: %s", result->exit_status, text, result->output);
}

/* ---- Attaching badly ---- */

struct bad_attach {
    struct sp_attach_options options;
    const char *contract;
    const char *policy;
    int code;
    const char *text;
};

static int attach_badly(void *arg)
{
    const struct bad_attach *bad = arg;
    struct sp_error error = {0};
    struct sp_task *task;
    int result = sp_attach(&task, &bad->options, &error);

    fprintf(stderr, "%s\n", error.text);
    return result == -bad->code && error.code == bad->code && strstr(error.text, bad->text) != NULL
               ? 0
               : 1;
}

static void test_bad_attachments(void **state)
{
    static char long_path[200];
    static struct bad_attach cases[] = {
        {.contract = "guaranteed=5000", .code = ENOMEM, .text = "guarantees"},
        {.contract = "guaranteed=1;guaranteed=5000,min=4500",
         .code = ENOMEM,
         .text = "5000 guaranteed frames (at least 4500)"},
        {.contract = "guaranteed=1;guaranteed=5000,min=4500",
         .code = ENOMEM,
         .text = "Of its 1024 frames 1023 can be promised now: ask for no more"},
        {.contract = "guaranteed=1024;guaranteed=1",
         .code = ENOMEM,
         .text = "0 can be promised now: ask for extra frames instead, or try again in"},
        {.contract = "guaranteed=5,term=0s", .code = ENOMEM, .text = "term"},
        {.contract = "guaranteed=0", .code = ENOMEM, .text = "frames"},
        {.contract = "guaranteed=5,min=6", .code = ENOMEM, .text = "min is above"},
        {.contract = "nonsense", .code = EINVAL, .text = "nonsense"},
        {.contract = "guaranteed=5", .policy = "nosuch", .code = ENOENT, .text = "nosuch"},
        {.contract = "guaranteed=5", .policy = "./nosuch.so", .code = ENOENT, .text = "nosuch.so"},
        {.contract = "guaranteed=5", .options.name = "a b", .code = EINVAL, .text = "name"},
        {.contract = "guaranteed=5",
         .options.physmem_path = "/nonexistent/socket",
         .code = ENOENT,
         .text = "/nonexistent/socket"},
        {.contract = "guaranteed=5",
         .options.physmem_path = long_path,
         .code = ENAMETOOLONG,
         .text = "107"},
        {.contract = "guaranteed=5",
         .options.max_pages = UINT32_MAX,
         .code = EINVAL,
         .text = "max_pages"},
    };
    struct sp_testing_result result;

    memset(long_path, 'x', sizeof(long_path) - 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(state, cases[i].contract, cases[i].policy, attach_badly, &cases[i], &result);
        if (result.exit_status != 0)
            fail_msg("case %zu: %s", i, result.output);
    }
}

static int regions_badly(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_error error = {0};
    struct sp_task *again;
    void *base;

    (void)arg;
    CHECK(sp_attach(&again, NULL, &error) == -EBUSY);
    CHECK(sp_region_create(task, &(struct sp_region_options){.pages = 0}, &base, &error) ==
          -EINVAL);
    CHECK(sp_region_create(task, &(struct sp_region_options){.pages = 1, .kind = 7}, &base,
                           &error) == -EINVAL);
    CHECK(sp_region_create(task,
                           &(struct sp_region_options){.pages = 1, .kind = SP_REMANUFACTURABLE},
                           &base, &error) == -EINVAL);
    sp_region_create(task, &(struct sp_region_options){.pages = 5000}, &base, &error);
    fprintf(stderr, "%s\n", error.text);
    CHECK(error.code == ENOSPC);
    CHECK(strstr(error.text, "5000") != NULL && strstr(error.text, "4096") != NULL);
    CHECK(sp_region_create(
              task, &(struct sp_region_options){.pages = (size_t)1 << 40, .kind = SP_DISCARDABLE},
              &base, &error) == -ENOSPC);
    CHECK(sp_region_create(task, &(struct sp_region_options){.pages = 4096}, &base, &error) == 0);
    CHECK(sp_region_destroy(task, (char *)base + SP_PAGE_SIZE) == -EINVAL);
    CHECK(sp_region_destroy(task, base) == 0);
    CHECK(sp_region_destroy(task, base) == -EINVAL);
    return sp_detach(&task);
}

static void test_bad_regions(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, regions_badly, NULL, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
}

/* ---- Recalls ---- */

static enum sp_recall_answer ignore(void *arg, const struct sp_recall *recall)
{
    (void)arg;
    (void)recall;
    return SP_RECALL_IGNORE;
}

/* Touch pages until the end of the test, or of the world. */
static int touch_forever(void *arg)
{
    struct sp_task *task =
        attach_or_exit(&(struct sp_attach_options){.on_recall = arg != NULL ? ignore : NULL});
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 600, .kind = SP_DISCARDABLE});

    for (unsigned i = 0;; i = (i + 1) % 600)
        memory[i * SP_PAGE_SIZE]++;
    return 0;
}

static struct sp_testing_task_status status_of(struct sp_testing *fixture, const char *name)
{
    struct sp_testing_task_status status = {0};
    struct sp_error error;

    (void)sp_testing_task_status(fixture, name, &status, &error);
    return status;
}

static void test_ignored_recall_is_death(void **state)
{
    struct sp_testing_task *rogue, *other;
    struct sp_testing_result result;
    struct sp_testing_task_status status;
    struct sp_error error;

    assert_int_equal(sp_testing_begin(*state, "other", "guaranteed=50;extra=500", NULL,
                                      touch_forever, NULL, &other, &error),
                     0);
    assert_int_equal(sp_testing_begin(*state, "rogue", "guaranteed=50;extra=300,drop=100ms", NULL,
                                      touch_forever, &error, &rogue, &error),
                     0);
    AWAIT(rogue, status_of(*state, "rogue").held >= 100);
    AWAIT(other, status_of(*state, "other").held >= 100);
    assert_int_equal(sp_testing_recall(*state, "other", 40, &error), 0);
    assert_int_equal(sp_testing_recall(*state, "rogue", 10, &error), 0);
    sp_testing_wait(&rogue, &result);
    assert_int_equal(result.exit_status, 128 + SIGBUS);
    expect_output(&result, "revoked by physmem");
    assert_int_equal(sp_testing_task_status(*state, "rogue", &status, &error), 0);
    assert_int_equal(status.breached, 1);
    assert_int_equal(status.held, 0);
    /* The one that answered goes on. */
    AWAIT(other, status_of(*state, "other").recalls_met > 0);
    assert_int_equal(status_of(*state, "other").breached, 0);
    assert_int_equal(kill(sp_testing_task_pid(other), 0), 0);
    kill(sp_testing_task_pid(other), SIGKILL);
    sp_testing_wait(&other, &result);
    assert_int_equal(result.signal, SIGKILL);
    assert_true(result.stats.recalls_answered >= 1);
}

static void test_recall_with_dirty_pages(void **state)
{
    struct sp_testing_task *task;
    struct sp_error error;

    assert_int_equal(sp_testing_begin(*state, "writer", "guaranteed=20;extra=200", NULL,
                                      touch_forever, NULL, &task, &error),
                     0);
    AWAIT(task, status_of(*state, "writer").held >= 150);
    assert_int_equal(sp_testing_recall(*state, "writer", 120, &error), 0);
    AWAIT(task, status_of(*state, "writer").recalls_met > 0);
    assert_int_equal(status_of(*state, "writer").breached, 0);
    kill(sp_testing_task_pid(task), SIGKILL);
    sp_testing_wait(&task, NULL);
}

/* ---- Servers that die ---- */

static int touch_precious_forever(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = 300});

    (void)arg;
    for (unsigned i = 0;; i = (i + 1) % 300)
        memory[i * SP_PAGE_SIZE]++;
    return 0;
}

static void test_a_server_dies(void **state)
{
    static const char *const messages[SP_TESTING_SERVERS] = {"physmem is gone",
                                                             "swap server is gone"};

    for (int server = 0; server < SP_TESTING_SERVERS; server++) {
        struct sp_testing_result result;
        struct sp_testing_task *task;
        struct sp_error error;

        assert_int_equal(sp_testing_begin(*state, "victim", "guaranteed=50", NULL,
                                          touch_precious_forever, NULL, &task, &error),
                         0);
        AWAIT(task, status_of(*state, "victim").held >= 50);
        assert_int_equal(sp_testing_kill(*state, (enum sp_testing_server)server), 0);
        sp_testing_wait(&task, &result);
        assert_int_equal(result.exit_status, 2);
        expect_output(&result, messages[server]);
        assert_int_equal(sp_testing_restart(*state, (enum sp_testing_server)server, NULL, &error),
                         0);
    }
}

/* ---- Crashes, forks ---- */

/* An address that cannot be accessed, which Memcheck is not to report: the crash is meant. */
static volatile char *nowhere(void)
{
    void *page = mmap(NULL, SP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(page != MAP_FAILED);
    VALGRIND_MAKE_MEM_DEFINED(page, SP_PAGE_SIZE);
    return page;
}

static int crash(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 3});

    memory[0] = 1;
    if (arg != NULL)
        memory[3 * SP_PAGE_SIZE] = 1; /* one past the region */
    else
        *nowhere() = 1;
    return 0;
}

static volatile sig_atomic_t handled;
static sigjmp_buf back;

static void own_handler(int number)
{
    (void)number;
    handled = 1;
    siglongjmp(back, 1);
}

static int crash_with_handler(void *arg)
{
    struct sp_task *task;

    (void)arg;
    signal(SIGSEGV, own_handler);
    task = attach_or_exit(NULL);
    if (sigsetjmp(back, 1) == 0)
        *nowhere() = 1;
    CHECK(handled == 1);
    return sp_detach(&task);
}

static int fork_in_task(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 30});
    int status;
    pid_t child;

    (void)arg;
    for (unsigned i = 0; i < 30; i++)
        memory[i * SP_PAGE_SIZE] = 5;
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        memory[0] = 6; /* no managed memory here: this is a crash */
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        *nowhere() = 6; /* a crash like any other: the line below comes once */
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        kill(getpid(), SIGSEGV); /* no fault that would come again */
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    for (unsigned i = 0; i < 30; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == 5);
    return sp_detach(&task);
}

/* A child that attaches is a task of its own. Whoever started the program looks at the counters of the first. */
static int attach_in_both(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 30});
    struct sp_stats before, after;
    int status;
    pid_t child;

    (void)arg;
    for (unsigned i = 0; i < 30; i++)
        memory[i * SP_PAGE_SIZE] = 5;
    sp_get_stats(task, &before);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        task = attach_or_exit(NULL);
        memory = region_or_exit(task, &(struct sp_region_options){.pages = 3});
        memory[0] = 6;
        _exit(sp_detach(&task));
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    sp_get_stats(task, &after);
    CHECK(after.faults >= before.faults && before.faults > 0 && after.held == before.held);
    for (unsigned i = 0; i < 30; i++)
        CHECK(memory[i * SP_PAGE_SIZE] == 5);
    return sp_detach(&task);
}

static void a_child_may_be_a_task_of_its_own(void **state)
{
    struct sp_testing_result result;

    /* The emulator aborts where a child of a process with threads starts one. */
    if (getenv("SELFPAGE_EMULATED") != NULL)
        skip();
    run(state, "guaranteed=8", NULL, attach_in_both, NULL, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
}

static void test_crashes_stay_crashes(void **state)
{
    struct sp_testing_result result;
    const char *said;

    run(state, "guaranteed=8", NULL, crash, NULL, &result);
    assert_int_equal(result.signal, SIGSEGV);
    run(state, "guaranteed=8", NULL, crash, &result, &result);
    assert_int_equal(result.signal, SIGSEGV);
    run(state, "guaranteed=8", NULL, crash_with_handler, NULL, &result);
    assert_int_equal(result.exit_status, 0);
    run(state, "guaranteed=8", NULL, fork_in_task, NULL, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
    said = strstr(result.output, "touched managed memory: a child has none");
    if (said == NULL || strstr(said + 1, "touched managed memory") != NULL)
        fail_msg("not once: %s", result.output);
}

static int refill_fails(void *arg, size_t index, void *frame)
{
    (void)arg;
    (void)frame;
    return index == 3 ? EIO : 0;
}

static int failing_refill(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory =
        region_or_exit(task, &(struct sp_region_options){
                                 .pages = 5, .kind = SP_REMANUFACTURABLE, .refill = refill_fails});

    (void)arg;
    for (unsigned i = 0; i < 5; i++)
        (void)memory[i * SP_PAGE_SIZE];
    return 0;
}

static void test_failing_refill(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, failing_refill, NULL, &result);
    assert_int_equal(result.exit_status, 2);
    expect_output(&result, "page 3");
}

/* ---- Negotiation ---- */

static int negotiate(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_terms terms = {
        .kind = SP_GUARANTEED, .min = 100, .frames = 5000, .term_ns = SP_FOREVER};
    struct sp_error error = {0};
    struct sp_offer offer;
    struct sp_stats stats;

    (void)arg;
    CHECK(sp_propose(task, &terms, &offer, &error) == 0);
    CHECK(offer.answer == SP_COUNTERED && offer.terms.frames >= 100 && offer.terms.frames < 1024);
    CHECK(sp_accept(task, offer.contract, &offer, &error) == 0 && offer.answer == SP_ACCEPTED);
    sp_get_stats(task, &stats);
    CHECK(stats.guaranteed == 8 + offer.terms.frames);
    CHECK(sp_accept(task, offer.contract, &offer, &error) == -EALREADY);
    CHECK(sp_close_contract(task, offer.contract, &error) == 0);
    sp_get_stats(task, &stats);
    CHECK(stats.guaranteed == 8);
    CHECK(sp_close_contract(task, offer.contract, &error) == -ENOENT);
    terms.min = 2000;
    CHECK(sp_propose(task, &terms, &offer, &error) == 0 && offer.answer == SP_REFUSED &&
          offer.reason == SP_REASON_OVERCOMMITTED);
    terms.kind = 77;
    CHECK(sp_propose(task, &terms, &offer, &error) == -EINVAL);
    return sp_detach(&task);
}

static int outlive_terms(void *arg)
{
    struct sp_task *task = attach_or_exit(&(struct sp_attach_options){.flags = *(unsigned *)arg});
    struct sp_stats stats;

    /* Terms of 200 ms: renewed again and again, or over after the first. */
    for (unsigned i = 0; i < 5; i++) {
        poll(NULL, 0, 150);
        sp_get_stats(task, &stats);
    }
    return stats.guaranteed == 8 ? 0 : 3;
}

static void test_negotiation(void **state)
{
    struct sp_testing_result result;
    unsigned flags = 0;

    run(state, "guaranteed=8", NULL, negotiate, NULL, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
    run(state, "guaranteed=8,term=400ms", NULL, outlive_terms, &flags, &result);
    assert_int_equal(result.exit_status, 0);
    flags = SP_ATTACH_NO_RENEWAL;
    run(state, "guaranteed=8,term=100ms", NULL, outlive_terms, &flags, &result);
    assert_int_equal(result.exit_status, 3);
}

/* ---- Detaching ---- */

/* Both calls want mappings, whatever may be done with them. But the emulator's mincore wants pages that can be read, and
 * Memcheck complains of an msync of what is not mapped. */
static bool is_mapped(volatile unsigned char *memory)
{
    unsigned char there[64];
    int result = RUNNING_ON_VALGRIND
                     ? mincore((void *)memory, sizeof(there) * SP_PAGE_SIZE, there)
                     : msync((void *)memory, sizeof(there) * SP_PAGE_SIZE, MS_ASYNC);

    CHECK(result == 0 || errno == ENOMEM);
    return result == 0;
}

static int attach_again(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 64});

    (void)arg;
    memory[0] = 1;
    CHECK(is_mapped(memory));
    CHECK(sp_detach(&task) == 0);
    CHECK(!is_mapped(memory));
    task = attach_or_exit(NULL);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 64});
    memory[0] = 1;
    return sp_detach(&task);
}

static void detaching_gives_back_the_addresses(void **state)
{
    struct sp_testing_result result;

    run(state, "guaranteed=8", NULL, attach_again, NULL, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_attachments, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_bad_regions, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_negotiation, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_crashes_stay_crashes, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(a_child_may_be_a_task_of_its_own, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_failing_refill, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_ignored_recall_is_death, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_recall_with_dirty_pages, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(test_a_server_dies, sp_testing_setup, sp_testing_teardown),
        cmocka_unit_test_setup_teardown(detaching_gives_back_the_addresses, sp_testing_setup,
                                        sp_testing_teardown),
    };

    /* Whatever frames are free, recalls must be messages. */
    setenv("SELFPAGE_FRAME_STACK", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
