/* What physmem learns of a task's use of memory: unused frames, which it takes without a message;
 * idle ones, by sampling; and ghost hits. With real tasks, and arbiters that act on it. Nothing here
 * is timed: what has to come about is waited for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include <valgrind/valgrind.h>

#include <selfpage/testing.h>

#include "awaiting.h"
#include "fixture.h"
#include "live.h"
#include "scale.h"

#define FRAMES 150u

static struct sp_testing_task_status status_of(struct sp_testing *fixture, const char *name)
{
    struct sp_testing_task_status status = {0};
    struct sp_error error;

    (void)sp_testing_task_status(fixture, name, &status, &error);
    return status;
}

static struct sp_stats stats_of(const struct sp_testing_task *task)
{
    struct sp_stats stats;

    sp_testing_task_stats(task, &stats);
    return stats;
}

static void end(struct sp_testing_task **taskp)
{
    kill(sp_testing_task_pid(*taskp), SIGKILL);
    sp_testing_wait(taskp, NULL);
}

/* ---- Unused frames ---- */

#define PAGES     120u
#define DISCARDED 80u
#define TAKEN     20u

static bool arg_is_silent(const struct sp_attach_options *options)
{
    return options != NULL && (options->flags & SP_ATTACH_NO_FRAME_STACK) != 0;
}

/* Write to pages, discard most, wait until physmem has helped itself, and find the others as they
 * were. */
static int leave_frames_unused(void *arg)
{
    struct sp_task *task = attach_or_exit(arg);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES + 1});
    struct sp_stats stats;

    for (unsigned i = 0; i < PAGES; i++)
        memory[i * SP_PAGE_SIZE] = (unsigned char)i;
    CHECK(sp_discard(task, memory, DISCARDED) == DISCARDED);
    do { /* each fault is a moment to notice what is gone */
        memory[PAGES * SP_PAGE_SIZE] = 1;
        CHECK(sp_discard(task, memory + PAGES * SP_PAGE_SIZE, 1) == 1);
        sp_get_stats(task, &stats);
    } while (arg_is_silent(arg) ? stats.recalls_heard == 0 : stats.taken == 0);
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK(memory[i * SP_PAGE_SIZE] == (i < DISCARDED ? 0 : i));
        memory[i * SP_PAGE_SIZE] = 1;
    }
    return sp_detach(&task);
}

static void unused_frames(void **state, const char *name, struct sp_attach_options *options,
                          bool transparently)
{
    struct sp_testing_task *task =
        begin_with(*state, name, "extra=140", NULL, leave_frames_unused, options);
    struct sp_testing_task_status status;
    struct sp_testing_result result;
    struct sp_error error;

    AWAIT(task, stats_of(task).dropped >= DISCARDED);
    /* What the task is just handling cannot be taken: then it is asked for. */
    AWAIT(task, sp_testing_recall(*state, name, TAKEN, &error) == 0 &&
                    (!transparently || status_of(*state, name).frames_transparent > 0));
    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
    status = status_of(*state, name);
    assert_int_equal(result.stats.taken, status.frames_transparent);
    if (transparently) {
        assert_true(status.recalls_transparent > 0);
    } else {
        assert_int_equal(status.frames_transparent, 0);
        assert_int_equal(status.frames_recalled, TAKEN);
        assert_int_equal(status.recalls, 1);
        assert_int_equal(result.stats.recalls_heard, 1);
    }
}

static void test_unused_frames_are_taken(void **state)
{
    struct sp_attach_options options = {.flags = SP_ATTACH_PAGER_THREAD};

    unused_frames(state, "in-line", NULL, true);
    unused_frames(state, "by-thread", &options, true);
}

static void test_a_task_that_lists_none_is_asked(void **state)
{
    struct sp_attach_options options = {.flags = SP_ATTACH_NO_FRAME_STACK};

    unused_frames(state, "silent", &options, false);
}

/* ---- Idle frames ---- */

/* Use a number of pages once, and no more. */
static int hoard(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned pages = *(unsigned *)arg;
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = pages, .kind = SP_DISCARDABLE});

    for (unsigned i = 0; i < pages; i++)
        memory[i * SP_PAGE_SIZE]++;
    for (;;)
        pause();
    return 0;
}

/* Use a number of pages, in turn, for ever. */
static int go_round(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned pages = *(unsigned *)arg;
    volatile unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = pages, .kind = SP_DISCARDABLE});

    for (unsigned i = 0;; i = (i + 1) % pages)
        memory[i * SP_PAGE_SIZE]++;
    return 0;
}

static struct sp_testing_task *begin_hoarder(struct sp_testing *fixture)
{
    unsigned pages = 100;
    struct sp_testing_task *task = begin_with(fixture, "idle", "extra=140", NULL, hoard, &pages);

    AWAIT(task, status_of(fixture, "idle").held >= pages);
    return task;
}

static struct sp_testing_task *begin_active(struct sp_testing *fixture)
{
    unsigned pages = 200;

    return begin_with(fixture, "active", "extra=140", NULL, go_round, &pages);
}

static bool about_four_times(uint64_t has, uint64_t idle_has)
{
    return has * 10 >= idle_has * 32 && has * 10 <= idle_has * 48;
}

/* Equal shares, one idle, a tax of 3/4: one to four. */
static void test_idle_frames_are_taxed_away(void **state)
{
    struct sp_testing_task *idle = begin_hoarder(*state);
    struct sp_testing_task *active = begin_active(*state);

    AWAIT(active,
          about_four_times(status_of(*state, "active").held, status_of(*state, "idle").held));
    end(&active);
    end(&idle);
}

/* However long the active one asks. */
static void test_without_a_tax_they_are_kept(void **state)
{
    struct sp_testing_task *idle = begin_hoarder(*state);
    struct sp_testing_task *active = begin_active(*state);
    const uint64_t enough = scale_is_slow() ? 4000 : 40000;

    AWAIT(active, stats_of(active).faults >= enough);
    assert_true(status_of(*state, "idle").held >= 100);
    assert_true(status_of(*state, "active").held <= FRAMES - 100);
    end(&active);
    end(&idle);
}

/* ---- Ghost hits ---- */

/* The one goes round in more than half of the frames, and would gain from each one more; the other
 * reads through so much that nothing helps it. Without ghost hits both were meant to have 75. */
static void test_frames_follow_ghost_hits(void **state)
{
    struct sp_testing_task *gains, *scans;
    unsigned small = 100;
    unsigned large = 4000;

    scans = begin_with(*state, "scans", "extra=145", "lru", go_round, &large);
    AWAIT(scans, status_of(*state, "scans").held >= 120);
    gains = begin_with(*state, "gains", "extra=145", "lru", go_round, &small);
    AWAIT(gains, status_of(*state, "gains").held >= 95 && status_of(*state, "scans").held <= 55);
    assert_int_equal(stats_of(scans).ghost_hits, 0);
    assert_true(stats_of(gains).ghost_hits > 0);
    end(&gains);
    end(&scans);
}

int main(void)
{
    /* Long enough for the active task to use each of its frames many times over. */
    const char *const taxing[] = {
        "--arbiter=esx:tax=0.75",
        RUNNING_ON_VALGRIND ? "--sample-period=500ms" : "--sample-period=50ms", NULL};
    const char *const climbing[] = {"--arbiter=cliffhanger:period=0.01", NULL};
    struct sp_testing_options plain = {.physmem_frames = FRAMES};
    struct sp_testing_options taxes = {.physmem_frames = FRAMES, .physmem_args = taxing};
    struct sp_testing_options climbs = {.physmem_frames = FRAMES, .physmem_args = climbing};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_unused_frames_are_taken, sp_testing_setup,
                                                 sp_testing_teardown, &plain),
        cmocka_unit_test_prestate_setup_teardown(test_a_task_that_lists_none_is_asked,
                                                 sp_testing_setup, sp_testing_teardown, &plain),
        cmocka_unit_test_prestate_setup_teardown(test_idle_frames_are_taxed_away, sp_testing_setup,
                                                 sp_testing_teardown, &taxes),
        cmocka_unit_test_prestate_setup_teardown(test_without_a_tax_they_are_kept, sp_testing_setup,
                                                 sp_testing_teardown, &plain),
        cmocka_unit_test_prestate_setup_teardown(test_frames_follow_ghost_hits, sp_testing_setup,
                                                 sp_testing_teardown, &climbs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
