/* The rungs of the ladder, and the tree of parts, with real tasks: what becomes of their pages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <valgrind/valgrind.h>

#include <selfpage/testing.h>

#include "awaiting.h"
#include "fixture.h"
#include "live.h"

#define PAGES 300u

/* What test and tasks tell each other. */
struct shared {
    uint64_t token;
    uint32_t part;
    int step;
};

static int read_step(const struct shared *shared)
{
    return __atomic_load_n(&shared->step, __ATOMIC_ACQUIRE);
}

static void set_step(struct shared *shared, int step)
{
    __atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

static void pause_a_little(void)
{
    poll(NULL, 0, 1); /* between questions; not an assumption */
}

/* In a task, of another task: the fixture's timeout ends a task that waits in vain. */
static void await_other(const struct shared *shared, int step)
{
    while (read_step(shared) < step)
        pause_a_little();
}

static enum sp_recall_answer ignore(void *arg, const struct sp_recall *recall)
{
    (void)arg;
    (void)recall;
    return SP_RECALL_IGNORE;
}

static struct sp_task *attach_deaf(void)
{
    return attach_or_exit(&(struct sp_attach_options){.on_recall = ignore});
}

static void await_loss(struct sp_task *task)
{
    struct sp_stats stats;

    do {
        pause_a_little();
        sp_get_stats(task, &stats);
    } while (stats.frames_lost == 0);
}

static uint32_t *word(void *memory, uint32_t page)
{
    return (uint32_t *)(void *)((char *)memory + (size_t)page * SP_PAGE_SIZE);
}

/* ---- Tasks that lose frames ---- */

/* What is only scratch reads as zeros afterwards, and can be written again. */
static int lose_scratch(void *arg)
{
    struct sp_task *task = attach_deaf();
    void *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});
    uint32_t zeros = 0;

    for (uint32_t i = 0; i < PAGES; i++)
        *word(memory, i) = i + 1;
    set_step(arg, 1);
    await_loss(task);
    for (uint32_t i = 0; i < PAGES; i++) {
        CHECK(*word(memory, i) == i + 1 || *word(memory, i) == 0);
        zeros += *word(memory, i) == 0;
        *word(memory, i) = i + 1;
    }
    CHECK(zeros > 0);
    for (uint32_t i = 0; i < PAGES; i++)
        CHECK(*word(memory, i) == i + 1 || *word(memory, i) == 0);
    return sp_detach(&task);
}

/* The same all the time, until it is told to end. */
static int lose_again_and_again(void *arg)
{
    struct sp_task *task = attach_deaf();
    void *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});

    set_step(arg, 1);
    for (uint32_t i = 0; read_step(arg) < 2; i = (i + 1) % PAGES) {
        CHECK(*word(memory, i) == i + 1 || *word(memory, i) == 0);
        *word(memory, i) = i + 1;
    }
    return sp_detach(&task);
}

static int make_page(void *arg, size_t index, void *frame)
{
    (void)arg;
    memset(frame, 0, SP_PAGE_SIZE);
    *(uint32_t *)frame = (uint32_t)index + 7;
    return 0;
}

/* What can be made again is; what swap has comes back from there; what is pinned stays. */
static int lose_what_can_be_had_again(void *arg)
{
    struct sp_task *task = attach_deaf();
    void *made =
        region_or_exit(task, &(struct sp_region_options){
                                 .pages = 100, .kind = SP_REMANUFACTURABLE, .refill = make_page});
    void *precious = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    void *pinned =
        region_or_exit(task, &(struct sp_region_options){.pages = 4, .kind = SP_DISCARDABLE});
    struct sp_stats stats;

    CHECK(sp_pin(task, pinned, 2, NULL) == 0);
    *word(pinned, 0) = 4711;
    *word(pinned, 1) = 4712;
    for (uint32_t i = 0; i < PAGES; i++)
        *word(precious, i) = i + 1;
    /* More than the frames there are: each page is written to swap, and read back unchanged. */
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PAGES; i++)
            CHECK(*word(precious, i) == i + 1);
        for (uint32_t i = 0; i < 100; i++)
            CHECK(*word(made, i) == i + 7);
    }
    set_step(arg, 1);
    await_loss(task);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PAGES; i++)
            CHECK(*word(precious, i) == i + 1);
        for (uint32_t i = 0; i < 100; i++)
            CHECK(*word(made, i) == i + 7);
    }
    CHECK(*word(pinned, 0) == 4711 && *word(pinned, 1) == 4712);
    CHECK(sp_unpin(task, pinned, 2) == 0);
    sp_get_stats(task, &stats);
    CHECK(stats.policy_errors == 0);
    return sp_detach(&task);
}

/* What was written and not stored is gone, and the task says so. */
static int lose_what_is_precious(void *arg)
{
    struct sp_task *task = attach_deaf();
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});

    for (uint32_t i = 0; i < 100; i++)
        *word(memory, i) = i + 1;
    set_step(arg, 1);
    /* The loss is counted a moment before the pages are unmapped: until then what is there is right. */
    for (uint32_t round = 0; round < 20000; round++, pause_a_little())
        for (uint32_t i = 0; i < 100; i++)
            CHECK(*word(memory, i) == i + 1);
    return 3;
}

/* Until the end of the process. */
static int touch_forever(void *arg)
{
    struct sp_task *task = attach_deaf();
    void *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});

    for (uint32_t i = 0;; i++) {
        (*word(memory, i % PAGES))++;
        if (i == PAGES)
            set_step(arg, 1);
    }
    return 0;
}

/* ---- Running them ---- */

static struct shared *shared_new(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(shared != MAP_FAILED);
    return shared;
}

static void finish(struct sp_testing_task **taskp, int status, const char *text)
{
    struct sp_testing_result result;

    sp_testing_wait(taskp, &result);
    if (result.exit_status != status || (text != NULL && strstr(result.output, text) == NULL))
        fail_msg("ended with %d, not %d: %s", result.exit_status, status, result.output);
}

static void recall(struct sp_testing *fixture, const char *name, uint32_t frames)
{
    struct sp_error error;

    if (sp_testing_recall(fixture, name, frames, &error) != 0)
        fail_msg("%s", error.text);
}

static struct sp_testing_task_status status_of(struct sp_testing *fixture, const char *name)
{
    struct sp_testing_task_status status = {0};
    struct sp_error error;

    if (sp_testing_task_status(fixture, name, &status, &error) != 0)
        fail_msg("%s", error.text);
    return status;
}

/* Recall `frames` frames from a task that is deaf, once it has touched its pages. */
static void run_deaf(struct sp_testing *fixture, const char *contract, const char *policy,
                     uint32_t frames, int (*function)(void *), int status, const char *text)
{
    struct shared *shared = shared_new();
    struct sp_testing_task *task = begin_with(fixture, "deaf", contract, policy, function, shared);

    AWAIT(task, read_step(shared) >= 1);
    recall(fixture, "deaf", frames);
    finish(&task, status, text);
    munmap(shared, sizeof(*shared));
}

static void test_repossessed_scratch(void **state)
{
    struct sp_testing_task_status status;

    run_deaf(*state, "guaranteed=20;extra=500,drop=20ms,breach=repossess", NULL, 10, lose_scratch,
             0, "physmem took");
    status = status_of(*state, "deaf");
    assert_int_equal(status.repossessed, 10); /* and no more, though it goes by whole extents */
    assert_int_equal(status.breached, 0);
    assert_int_equal(status.recalls_missed, 1);
}

/* Loses frames by one recall after the other, each of which leaves it what it has written elsewhere. */
static int lose_little_by_little(void *arg)
{
    struct sp_task *task = attach_deaf();
    struct sp_stats stats;
    void *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});
    uint32_t zeros = 0;

    for (uint32_t i = 0; i < PAGES; i++)
        *word(memory, i) = i + 1;
    set_step(arg, 1);
    while (read_step(arg) < 2)
        pause_a_little();
    sp_get_stats(task, &stats);
    for (uint32_t i = 0; i < PAGES; i++) {
        CHECK(*word(memory, i) == i + 1 || *word(memory, i) == 0);
        zeros += *word(memory, i) == 0;
    }
    CHECK(zeros <= stats.frames_lost + stats.dropped);
    for (uint32_t i = 0; i < 3 * PAGES; i++)
        *word(memory, i % PAGES) = i;
    return sp_detach(&task);
}

/* Recalls that come one after the other, while the task does not grow again: each takes what it is for, to the frame. */
static void test_repossessed_little_by_little(void **state)
{
    static const uint32_t frames[] = {60, 5, 1, 1, 40, 7};
    struct shared *shared = shared_new();
    struct sp_testing_task *task;
    uint32_t held = 220;

    setenv("SELFPAGE_FRAME_STACK", "1", 1);
    task = begin(*state, "deaf", "guaranteed=20;extra=200,drop=20ms,breach=repossess",
                 lose_little_by_little, shared);
    setenv("SELFPAGE_FRAME_STACK", "0", 1);
    AWAIT(task, read_step(shared) >= 1);
    assert_int_equal(status_of(*state, "deaf").held, held);
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        recall(*state, "deaf", frames[i]);
        held -= frames[i];
        AWAIT(task, status_of(*state, "deaf").held <= held);
        assert_int_equal(status_of(*state, "deaf").held, held);
    }
    assert_true(status_of(*state, "deaf").repossessed > 0); /* what lies unused goes otherwise */
    set_step(shared, 2);
    finish(&task, 0, "physmem took");
    assert_int_equal(status_of(*state, "deaf").breached, 0);
    munmap(shared, sizeof(*shared));
}

/* Recall from the task again; returns how many frames it has lost so far. */
static uint64_t take_more(struct sp_testing *fixture)
{
    struct sp_error error;

    (void)sp_testing_recall(fixture, "deaf", 200, &error); /* it may have none now */
    return status_of(fixture, "deaf").repossessed;
}

/* Frames are taken at any moment, also from a thread that has been given some and has not mapped them yet. */
static void test_repossessed_again_and_again(void **state)
{
    uint64_t most = RUNNING_ON_VALGRIND ? 60 : 400;
    struct shared *shared = shared_new();
    struct sp_testing_task *task =
        begin_with(*state, "deaf", "guaranteed=20;extra=500,drop=1us,breach=repossess", NULL,
                   lose_again_and_again, shared);

    AWAIT(task, read_step(shared) >= 1);
    AWAIT(task, take_more(*state) >= most);
    set_step(shared, 2);
    finish(&task, 0, "physmem took");
    munmap(shared, sizeof(*shared));
}

static void test_repossessed_but_to_be_had_again(void **state)
{
    run_deaf(*state, "guaranteed=20;extra=250,drop=20ms,breach=repossess", "fifo", 10,
             lose_what_can_be_had_again, 0, "physmem took");
    assert_int_equal(status_of(*state, "deaf").breached, 0);
}

static void test_repossessed_and_precious(void **state)
{
    /* Pages are written ahead of need, too. Here swap takes none, so that their frames have all there is. */
    static const char *const args[] = {"--fail-writes", "1", NULL};
    const struct sp_testing_options options = {.swap_args = args};
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    run_deaf(fixture, "guaranteed=20;extra=200,drop=20ms,breach=repossess", NULL, 80,
             lose_what_is_precious, 2, "whose only copy physmem has taken");
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

static void test_penalty_and_then_repossession(void **state)
{
    struct sp_testing_task_status status;

    run_deaf(*state, "guaranteed=20;extra=500,drop=20ms,breach=penalty,bid=5", NULL, 10,
             lose_scratch, 0, "warned by physmem");
    status = status_of(*state, "deaf");
    assert_int_equal(status.penalty, 4 * 10 * 5);
    assert_int_equal(status.warnings, 3);
    assert_int_equal(status.repossessed, 10);
    assert_int_equal(status.breached, 0);
}

static void test_warnings_and_then_revocation(void **state)
{
    struct sp_testing_task_status status;

    run_deaf(*state, "guaranteed=20;extra=500,drop=20ms,breach=warn", NULL, 10, touch_forever,
             128 + SIGBUS, "extend the deadline 0 more times");
    status = status_of(*state, "deaf");
    assert_int_equal(status.warnings, 3);
    assert_int_equal(status.breached, 1);
    assert_int_equal(status.repossessed, 0);
}

static void test_kill(void **state)
{
    struct shared *shared = shared_new();
    struct sp_testing_result result;
    struct sp_testing_task *task =
        begin_with(*state, "deaf", "guaranteed=20;extra=500,drop=20ms,breach=kill", NULL,
                   lose_scratch, shared);

    if (RUNNING_ON_VALGRIND) { /* which has no pidfd_send_signal: physmem cannot kill, and says so */
        finish(&task, 1, "breach=kill");
        return;
    }
    AWAIT(task, read_step(shared) >= 1);
    recall(*state, "deaf", 10);
    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGKILL);
    munmap(shared, sizeof(*shared));
}

/* ---- Growing, shrinking, returning ---- */

static int resize(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 200});
    struct sp_contract_info info;
    struct sp_error error = {0};
    struct sp_offer offer;
    struct sp_stats stats;
    struct sp_part part;

    (void)arg;
    CHECK(sp_resize_contract(task, 1, 200, &offer, &error) == 0 && offer.answer == SP_ACCEPTED);
    for (uint32_t i = 0; i < 200; i++)
        *word(memory, i) = i + 1;
    sp_get_stats(task, &stats);
    CHECK(stats.guaranteed == 200 && stats.held == 200);
    CHECK(sp_resize_contract(task, 1, 60, &offer, &error) == 0 && offer.answer == SP_ACCEPTED);
    CHECK(sp_get_contract(task, 1, &info) == 0 && info.state == SP_CONTRACT_ACTIVE &&
          info.terms.frames == 60);
    do {
        pause_a_little();
        sp_get_stats(task, &stats);
    } while (stats.held > 60 || stats.recalls_answered < 1);
    for (uint32_t i = 0; i < 200; i++)
        CHECK(*word(memory, i) == i + 1);
    /* More than there is: countered, and nothing changes. */
    CHECK(sp_resize_contract(task, 1, 5000, &offer, &error) == 0 && offer.answer == SP_COUNTERED &&
          offer.terms.frames < 5000);
    CHECK(sp_get_contract(task, 1, &info) == 0 && info.terms.frames == 60);
    CHECK(sp_resize_contract(task, 1, 0, &offer, &error) == 0 && offer.answer == SP_REFUSED &&
          offer.reason == SP_REASON_ZERO_FRAMES);
    /* Unasked. */
    CHECK(sp_return_frames(task, 20) == 20);
    do {
        pause_a_little();
        sp_get_stats(task, &stats);
    } while (stats.held > 40);
    /* Mistakes say what is the matter. */
    CHECK(sp_resize_contract(task, 9, 60, &offer, &error) == -ENOENT);
    CHECK(sp_accept(task, 1, &offer, &error) == -EALREADY && strstr(error.text, "active") != NULL);
    CHECK(sp_split_contract(task, 1, 60, &part, &error) == -EINVAL);
    CHECK(sp_claim_contract(task, 12345, &offer, &error) == -ENOENT);
    CHECK(sp_reabsorb_contract(task, 1, &offer, &error) == -ENOENT);
    CHECK(sp_get_contract(task, 0, &info) == -ENOENT);
    return sp_detach(&task);
}

static void test_resizing(void **state)
{
    struct sp_testing_task *task =
        begin_with(*state, "sizes", "guaranteed=100", NULL, resize, NULL);

    finish(&task, 0, NULL);
}

/* ---- A part for another task ---- */

static int split(void *arg)
{
    struct shared *shared = arg;
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_contract_info info;
    struct sp_error error = {0};
    struct sp_offer offer;
    struct sp_part part;

    CHECK(sp_split_contract(task, 1, 80, &part, &error) == 0);
    CHECK(part.frames == 80 && part.left == 120 && part.contract == 1);
    CHECK(sp_claim_contract(task, part.token, &offer, &error) == -EINVAL);
    shared->token = part.token;
    set_step(shared, 1);
    await_other(shared, 2); /* claimed, and in use */
    CHECK(sp_reabsorb_contract(task, part.part, &offer, &error) == 0);
    CHECK(offer.contract == 1 && offer.terms.frames == 200);
    CHECK(sp_get_contract(task, 1, &info) == 0 && info.terms.frames == 200);
    CHECK(sp_reabsorb_contract(task, part.part, &offer, &error) == -ENOENT);
    /* Another one, whose holder goes by itself. */
    CHECK(sp_split_contract(task, 1, 50, &part, &error) == 0);
    shared->token = part.token;
    set_step(shared, 3);
    do {
        pause_a_little();
        CHECK(sp_get_contract(task, 1, &info) == 0);
    } while (info.terms.frames != 200);
    return sp_detach(&task);
}

static struct sp_task *attach_by_token(const struct shared *shared)
{
    char contract[64];

    snprintf(contract, sizeof(contract), "claim=%llu", (unsigned long long)shared->token);
    return attach_or_exit(&(struct sp_attach_options){.contract = contract});
}

static int use_part(void *arg)
{
    struct shared *shared = arg;
    struct sp_task *task = attach_by_token(shared);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    struct sp_stats stats;

    for (uint32_t i = 0; i < 100; i++)
        *word(memory, i) = i + 1;
    sp_get_stats(task, &stats);
    CHECK(stats.guaranteed == 80 && stats.held > 0 && stats.held <= 80);
    set_step(shared, 2);
    do { /* reabsorbed: the library returns everything */
        pause_a_little();
        sp_get_stats(task, &stats);
    } while (stats.guaranteed > 0 || stats.held > 0);
    return sp_detach(&task);
}

static int use_part_and_go(void *arg)
{
    struct sp_task *task = attach_by_token(arg);
    void *memory = region_or_exit(task, &(struct sp_region_options){.pages = 40});

    for (uint32_t i = 0; i < 40; i++)
        *word(memory, i) = i + 1;
    return sp_detach(&task);
}

static void test_a_part_for_another_task(void **state)
{
    struct shared *shared = shared_new();
    struct sp_testing_task *parent =
        begin_with(*state, "parent", "guaranteed=200", NULL, split, shared);
    struct sp_testing_task *child;
    struct sp_testing_task *second;

    AWAIT(parent, read_step(shared) >= 1);
    child = begin_with(*state, "child", "guaranteed=1", NULL, use_part, shared);
    finish(&child, 0, NULL);
    AWAIT(parent, read_step(shared) >= 3);
    second = begin_with(*state, "second", "guaranteed=1", NULL, use_part_and_go, shared);
    finish(&second, 0, NULL);
    finish(&parent, 0, NULL);
    munmap(shared, sizeof(*shared));
}

/* ---- Descriptors ---- */

/* Open files of a physmem that has extents for two tasks which spread their frames, and for few more. */
#define FILES 300u

/* Whether this process, and the servers that it starts, may have so many open files from now on. */
static bool limit_files(rlim_t files)
{
    const struct rlimit limit = {files, files};

    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static struct sp_testing_task *begin_scan(struct sp_testing *fixture, const char *name,
                                          const char *workload)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin_load(fixture, name, "guaranteed=900,breach=repossess", "fifo", workload,
                              &task, &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

/* Frames that may be taken by force are spread over extents: where there are none left, they come to lie side by side. */
static void test_frames_are_not_spread_where_descriptors_are_short(void **state)
{
    const struct sp_testing_options options = {
        .physmem_frames = 4000, .swap_slots = SP_TESTING_NO_SWAP, .where = SP_TESTING_LIVE};
    struct sp_testing_task *task[4];
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (RUNNING_ON_VALGRIND || !limit_files(FILES))
        skip(); /* Valgrind has files of its own among them */
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    for (unsigned i = 0; i < 4; i++) {
        char name[] = {(char)('a' + i), '\0'}, held[32];

        task[i] = begin_scan(fixture, name, "pages=900,kind=discardable;scan=1;idle=1h");
        snprintf(held, sizeof(held), "%s.faults == 900", name);
        if (sp_testing_await(fixture, held, &error) != 0)
            fail_msg("%s\n%s", error.text, sp_testing_said(fixture));
    }
    if (sp_testing_expect(fixture, "physmem.extents < 110", &error) != 1)
        fail_msg("%s", error.text);
    for (unsigned i = 0; i < 4; i++) {
        kill(sp_testing_task_pid(task[i]), SIGKILL);
        sp_testing_wait(&task[i], NULL);
    }
    assert_int_equal(sp_testing_stop(&fixture, &error), 0);
}

int main(void)
{
#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, sp_testing_setup, sp_testing_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_repossessed_scratch),
        TEST(test_repossessed_little_by_little),
        TEST(test_repossessed_again_and_again),
        TEST(test_repossessed_but_to_be_had_again),
        cmocka_unit_test(test_repossessed_and_precious),
        TEST(test_penalty_and_then_repossession),
        TEST(test_warnings_and_then_revocation),
        TEST(test_kill),
        TEST(test_resizing),
        TEST(test_a_part_for_another_task),
        cmocka_unit_test(test_frames_are_not_spread_where_descriptors_are_short),
    };

    /* Whatever frames are free, recalls must be messages. */
    setenv("SELFPAGE_FRAME_STACK", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
