/* The ladder: what a missed recall costs, rung by rung. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

#define GRACE (10 * MS)

/* A task with `extra` frames allowed, which costs it this to miss a recall of. */
static struct physmem_task *task_on_rung(struct world *world, const char *name, enum sp_breach rung,
                                         uint32_t extra, uint32_t *container)
{
    struct physmem_task *task = world_task(world, name);
    struct sp_terms terms = world_terms(SP_EXTRA, extra);

    terms.on_breach = (uint8_t)rung;
    terms.t_drop = GRACE;
    terms.bid = 7;
    assert_int_equal(world_propose(world, task, &terms)->offer.offer.answer, SP_ACCEPTED);
    *container = world_container(world, task, 1000);
    return task;
}

static uint32_t available(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status.free + status.soft;
}

static void recall(struct world *world, const char *name, uint32_t frames)
{
    assert_int_equal(physmem_recall_from(world->physmem, world->now, name, frames), frames);
    world_run(world);
}

/* Whatever the rung: after the whole grace, what was asked for is free, and a task with a
 * guarantee gets its frames, and keeps what it has. */
static void test_every_rung_frees_what_was_asked(void **state)
{
    for (unsigned rung = 0; rung < SP_BREACH_ACTIONS; rung++) {
        struct world *world = *state;
        uint32_t in_bad;
        uint32_t in_good;
        struct physmem_task *good = task_with(world, "good", 40, 0, &in_good);
        struct physmem_task *bad = task_on_rung(world, "bad", rung, 90, &in_bad);
        uint32_t before;

        expect_allocated(world_allocate(world, good, in_good, 0, 10, 0), 10);
        expect_allocated(world_allocate(world, bad, in_bad, 0, 80, PHYSMEM_EXTRA), 80);
        assert_int_equal(world_map(world, bad, in_bad, 0, 80)->kind, PHYSMEM_REPLY_MAPPED);
        before = available(world);
        assert_null(world_allocate(world, good, in_good, 10, 30, 0)); /* waits */
        for (unsigned i = 0; i <= PHYSMEM_WARNINGS; i++) {
            world_pass(world, GRACE);
            check_books(world);
        }
        assert_int_equal(world_status(good).held, 40);
        assert_int_equal(world_status(good).guaranteed, 40);
        assert_false(world_status(good).breached);
        assert_true(available(world) + 30 >= before + 20);
        assert_int_equal(world_status(bad).breached,
                         rung != SP_BREACH_REPOSSESS && rung != SP_BREACH_PENALTY);
        assert_int_equal(world_find(world, 0, PHYSMEM_KILL, bad) != NULL, rung == SP_BREACH_KILL);
        physmem_task_gone(world->physmem, world->now, good);
        physmem_task_gone(world->physmem, world->now, bad);
        world_run(world);
        world->recorded = 0;
        check_books(world);
    }
}

static void test_warnings(void **state)
{
    struct world *world = *state;
    const struct physmem_effect *warned;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_WARN, 50, &container);
    uint32_t recorded;

    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 20);
    for (unsigned i = 1; i <= PHYSMEM_WARNINGS; i++) {
        recorded = world->recorded;
        world_pass(world, GRACE - 1);
        assert_null(world_find(world, recorded, PHYSMEM_SEND_WARNED, task));
        world_pass(world, 1);
        warned = world_find(world, recorded, PHYSMEM_SEND_WARNED, task);
        assert_non_null(warned);
        assert_int_equal(warned->warned.missing, 20);
        assert_int_equal(warned->warned.left, PHYSMEM_WARNINGS - i);
        assert_true(warned->warned.grace == GRACE && warned->warned.charged == 0);
        assert_int_equal(world_status(task).overdue, 20);
        check_books(world);
    }
    expect_error(world_allocate(world, task, container, 40, 1, PHYSMEM_EXTRA), ENOMEM);
    assert_int_equal(world_status(task).recalls_missed, 1); /* one recall, however often */
    world_pass(world, GRACE);
    assert_true(world_status(task).breached);
    assert_int_equal(world_status(task).reason, SP_REASON_RECALL_MISSED);
    check_books(world);
}

static void test_recalls_that_are_met_take_misses_off(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_WARN, 50, &container);

    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    for (unsigned i = 0; i < PHYSMEM_WARNINGS; i++) {
        recall(world, "a", 2);
        world_pass(world, GRACE); /* too late: a miss */
        world_range(world, physmem_frames_deallocate, task, container, 2 * i, 2);
        assert_int_equal(world_status(task).owed, 0);
        assert_int_equal(world_status(task).overdue, 0);
    }
    assert_int_equal(world_status(task).warnings, PHYSMEM_WARNINGS);
    assert_int_equal(world_status(task).recalls_met, 0);
    recall(world, "a", 2); /* and one in time */
    world_range(world, physmem_frames_deallocate, task, container, 10, 2);
    assert_int_equal(world_status(task).recalls_met, 1);
    recall(world, "a", 2);
    world_pass(world, GRACE);
    assert_false(world_status(task).breached); /* permitted once more, */
    world_pass(world, GRACE);
    assert_true(world_status(task).breached); /* and no more */
    check_books(world);
}

/* What is overdue is not waited for: others are asked in its place, but the late one first. */
static void test_the_late_are_asked_first_and_not_waited_for(void **state)
{
    struct world *world = *state;
    uint32_t in_late;
    uint32_t in_other;
    uint32_t in_good;
    struct physmem_task *late = task_on_rung(world, "late", SP_BREACH_WARN, 40, &in_late);
    struct physmem_task *other = task_with(world, "other", 0, 60, &in_other);
    struct physmem_task *good = task_with(world, "good", 40, 0, &in_good);
    uint32_t recorded;

    expect_allocated(world_allocate(world, late, in_late, 0, 40, PHYSMEM_EXTRA), 40);
    expect_allocated(world_allocate(world, other, in_other, 0, 50, PHYSMEM_EXTRA), 50);
    recall(world, "late", 10);
    world_pass(world, GRACE);
    recorded = world->recorded;
    assert_null(world_allocate(world, good, in_good, 0, 40, 0));
    /* 10 are free, 10 overdue: physmem asks the late task for 30 more before it asks the other. */
    assert_int_equal(world_find(world, recorded, PHYSMEM_SEND_RECALL, late)->recall.frames, 30);
    assert_null(world_find(world, recorded, PHYSMEM_SEND_RECALL, other));
    recorded = world->recorded;
    world_pass(world, GRACE);
    /* Now all of them are late, and somebody else has to give. */
    assert_int_equal(world_find(world, recorded, PHYSMEM_SEND_RECALL, other)->recall.frames, 30);
    world_range(world, physmem_frames_deallocate, other, in_other, 0, 30);
    assert_int_equal(world_status(good).held, 40);
    assert_false(world_status(late).breached);
    check_books(world);
}

static void test_penalties(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_PENALTY, 50, &container);

    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 10);
    world_pass(world, GRACE);
    assert_int_equal(world_status(task).penalty, 70);
    assert_true(world_find(world, 0, PHYSMEM_SEND_WARNED, task)->warned.charged == 70);
    world_range(world, physmem_frames_deallocate, task, container, 0, 4);
    world_pass(world, GRACE);
    assert_int_equal(world_status(task).penalty, 112);
    world_pass(world, GRACE);
    assert_int_equal(world_status(task).penalty, 154);
    assert_int_equal(world_status(task).repossessed, 0);
    world_pass(world, GRACE); /* the task pays the price for this miss, too */
    assert_int_equal(world_status(task).penalty, 196);
    assert_int_equal(world_status(task).repossessed, 6);
    assert_int_equal(world_status(task).held, 30);
    assert_int_equal(world_status(task).owed, 0);
    assert_false(world_status(task).breached);
    check_books(world);
}

static void test_an_account_does_not_overflow(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_EXTRA, 50);
    uint32_t container = world_container(world, task, 100);

    terms.on_breach = SP_BREACH_PENALTY;
    terms.t_drop = GRACE;
    terms.bid = UINT64_MAX / 2;
    world_propose(world, task, &terms);
    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 1);
    world_pass(world, GRACE);
    assert_true(world_status(task).penalty == UINT64_MAX / 2);
    world_pass(world, 2 * GRACE);
    assert_true(world_status(task).penalty == UINT64_MAX);
    check_books(world);
}

/* ---- Repossession ---- */

/* Frames in three extents: 10, 40 and 20 of them, all mapped. */
static struct physmem_task *three_extents(struct world *world, uint32_t *container)
{
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_REPOSSESS, 90, container);
    static const uint32_t frames[] = {10, 40, 20};

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t start = i * EXTENT_PAGES + 5;

        expect_allocated(world_allocate(world, task, *container, start, frames[i], PHYSMEM_EXTRA),
                         frames[i]);
        assert_int_equal(world_map(world, task, *container, start, frames[i])->kind,
                         PHYSMEM_REPLY_MAPPED);
    }
    return task;
}

static void expect_repossessed(struct world *world, struct physmem_task *task, uint32_t since,
                               uint32_t start, uint32_t count)
{
    const struct physmem_effect *effect = world_find(world, since, PHYSMEM_SEND_REPOSSESSED, task);

    assert_non_null(effect);
    assert_int_equal(effect->repossessed.frames, count);
    assert_int_equal(effect->repossessed.count, 1);
    assert_int_equal(world->repossessed[0].slot, start);
    assert_int_equal(world->repossessed[0].count, count);
    assert_int_equal(world_status(task).owed, 0);
    assert_false(world_status(task).breached);
    check_books(world);
}

static void test_the_extent_that_fits_best_is_taken(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = three_extents(world, &container);
    uint32_t destroyed;

    recall(world, "a", 12);
    world_pass(world, GRACE);
    expect_repossessed(world, task, 0, 2 * EXTENT_PAGES + 5, 20);
    destroyed = world->recorded;
    assert_non_null(world_find(world, 0, PHYSMEM_EXTENT_DESTROY, NULL));
    assert_int_equal(world_status(task).held, 50);
    /* The slots are holes now, and can be had again. */
    expect_allocated(world_allocate(world, task, container, 2 * EXTENT_PAGES + 5, 3, PHYSMEM_EXTRA),
                     3);
    assert_int_equal(world_map(world, task, container, 2 * EXTENT_PAGES + 5, 3)->kind,
                     PHYSMEM_REPLY_MAPPED);
    /* More than any extent has: the largest, and what then fits best. */
    recall(world, "a", 42);
    world_pass(world, GRACE);
    assert_int_equal(world_status(task).held, 10);
    assert_int_equal(world_status(task).repossessed, 20 + 40 + 3);
    assert_int_equal(world_find(world, destroyed, PHYSMEM_SEND_REPOSSESSED, task)->repossessed.id,
                     2);
    check_books(world);
}

/* A task that has frames as a pager spreads them (1, 1, 2, 4, 8, 16, and 32 in each other extent) loses what is missing
 * and no more, whatever that is: what it is guaranteed stays. */
static void test_frames_that_are_spread_are_taken_exactly(void **state)
{
    static const uint32_t recalls[] = {1, 2, 3, 10, 31, 55, 64, 128, 238, 240};
    static const uint32_t spread[] = {1, 1, 2, 4, 8, 16, 32, 32, 32, 32, 32, 32, 32, 4};

    (void)state;
    for (size_t i = 0; i < sizeof(recalls) / sizeof(recalls[0]); i++) {
        static struct world own;
        struct world *world = &own;
        struct physmem_task *task;
        uint32_t container;

        world_init(world, &heap_allocator);
        assert_int_equal(world_start(world, 1000, 4, 0), 0);
        task = task_on_rung(world, "a", SP_BREACH_REPOSSESS, 260, &container);
        container = world_container(world, task, 16 * EXTENT_PAGES);
        for (uint32_t j = 0; j < sizeof(spread) / sizeof(spread[0]); j++) {
            uint32_t start = j * EXTENT_PAGES;

            expect_allocated(
                world_allocate(world, task, container, start, spread[j], PHYSMEM_EXTRA), spread[j]);
            world_map(world, task, container, start, spread[j]);
        }
        recall(world, "a", recalls[i]);
        world_pass(world, GRACE);
        assert_int_equal(world_status(task).repossessed, recalls[i]);
        assert_int_equal(world_status(task).held, 260 - recalls[i]);
        check_books(world);
        assert_int_equal(world_end(world), 0);
    }
}

static void test_what_was_never_mapped_goes_frame_by_frame(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = three_extents(world, &container);

    expect_allocated(world_allocate(world, task, container, 800, 15, PHYSMEM_EXTRA), 15);
    recall(world, "a", 12);
    world_pass(world, GRACE);
    expect_repossessed(world, task, 0, 800, 12);
    assert_null(world_find(world, 0, PHYSMEM_EXTENT_DESTROY, NULL));
    assert_int_equal(world_status(task).held, 73);
}

static void test_vital_slots_are_spared(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = three_extents(world, &container);
    uint32_t recorded;

    assert_int_equal(
        world_range(world, physmem_vital, task, container, 2 * EXTENT_PAGES + 6, 1)->count, 1);
    recall(world, "a", 12);
    world_pass(world, GRACE);
    expect_repossessed(world, task, 0, EXTENT_PAGES + 5, 40);
    /* Naming others, or slots without frames, protects nothing. */
    assert_int_equal(world_range(world, physmem_vital, task, container, 100, 16)->count, 16);
    recorded = world->recorded;
    recall(world, "a", 12);
    world_pass(world, GRACE);
    expect_repossessed(world, task, recorded, 2 * EXTENT_PAGES + 5, 20);
    /* If what is not vital is too little, all is lost. */
    expect_allocated(world_allocate(world, task, container, 0, 5, PHYSMEM_EXTRA), 5);
    assert_int_equal(world_range(world, physmem_vital, task, container, 6, 1)->count, 1);
    recall(world, "a", 1);
    world_pass(world, GRACE);
    assert_true(world_status(task).breached);
    check_books(world);
}

static void test_few_slots_can_be_vital(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    uint32_t first = world_container(world, task, 100);
    uint32_t second = world_container(world, task, 100);
    struct physmem_request request;

    world->memory.fail_after = 0;
    expect_error(world_range(world, physmem_vital, task, first, 0, 1), ENOMEM);
    world->memory.fail_after = UINT64_MAX;
    expect_error(world_range(world, physmem_vital, task, first, 0, PHYSMEM_VITAL_MAX + 1), E2BIG);
    expect_error(world_range(world, physmem_vital, task, first, 99, 2), EINVAL);
    expect_error(world_range(world, physmem_vital, task, 999, 0, 1), ENOENT);
    assert_int_equal(world_range(world, physmem_vital, task, first, 0, 10)->error, 0);
    expect_error(world_range(world, physmem_vital, task, second, 0, 7), E2BIG);
    assert_int_equal(world_range(world, physmem_vital, task, second, 0, 6)->error, 0);
    assert_int_equal(world_range(world, physmem_vital, task, first, 50, 10)->error, 0);
    request = world_request(world, task);
    physmem_container_destroy(world->physmem, world->now, &request, first);
    world_run(world);
    assert_int_equal(world_range(world, physmem_vital, task, second, 0, 16)->error, 0);
    request = world_request(world, task);
    physmem_vital(world->physmem, world->now, &request, second, NULL, 0); /* none any more */
    world_run(world);
    assert_int_equal(world_reply(world, request.seq)->error, 0);
    check_books(world);
}

/* ---- Whose rung ---- */

static void test_the_gentlest_of_several_for_extra_frames(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_KILL, 30, &container);
    struct sp_terms terms = world_terms(SP_EXTRA, 30);

    terms.on_breach = SP_BREACH_REPOSSESS;
    terms.t_drop = GRACE;
    world_propose(world, task, &terms);
    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 5);
    world_pass(world, GRACE);
    assert_int_equal(world_status(task).repossessed, 5);
    assert_false(world_status(task).breached);
    check_books(world);
}

static void test_the_contract_whose_frames_they_are(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_WARN, 10, &container);
    struct sp_terms terms = world_terms(SP_GUARANTEED, 30);
    uint32_t number;

    terms.on_breach = SP_BREACH_REPOSSESS;
    terms.t_clean = 3 * GRACE;
    number = world_propose(world, task, &terms)->offer.offer.contract;
    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    assert_int_equal(world_size(world, task, number, 25)->error, 0);
    assert_int_equal(world_status(task).owed, 5);
    world_pass(world, 3 * GRACE - 1);
    assert_int_equal(world_status(task).repossessed, 0);
    world_pass(world, 1);
    assert_int_equal(world_status(task).repossessed, 5);
    assert_int_equal(world_status(task).warnings, 0);
    assert_int_equal(world_status(task).contracts, 2);
    check_books(world);
}

static void test_grace_in_allocations_begins_again(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    uint32_t container = world_container(world, task, 100);
    struct sp_terms terms = world_terms(SP_EXTRA, 50);

    terms.on_breach = SP_BREACH_WARN;
    terms.grace_unit = SP_GRACE_ALLOCATIONS;
    terms.t_drop = 4;
    world_propose(world, task, &terms);
    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 5);
    for (unsigned i = 1; i <= 4 * (PHYSMEM_WARNINGS + 1); i++) {
        expect_error(world_allocate(world, task, container, 60, 1, PHYSMEM_EXTRA), ENOMEM);
        assert_int_equal(world_status(task).warnings,
                         i / 4 < PHYSMEM_WARNINGS ? i / 4 : PHYSMEM_WARNINGS);
        assert_int_equal(world_status(task).breached, i == 4 * (PHYSMEM_WARNINGS + 1));
        check_books(world);
    }
}

static void test_a_task_that_hangs_up_gets_no_more_time(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_on_rung(world, "a", SP_BREACH_WARN, 50, &container);

    expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
    recall(world, "a", 5);
    physmem_task_disconnected(world->physmem, world->now, task);
    world_pass(world, GRACE);
    assert_true(world_status(task).breached);
    assert_int_equal(world_status(task).reason, SP_REASON_NOT_RECEIVING);
    check_books(world);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_rung_frees_what_was_asked),
        TEST(test_warnings),
        TEST(test_recalls_that_are_met_take_misses_off),
        TEST(test_the_late_are_asked_first_and_not_waited_for),
        TEST(test_penalties),
        TEST(test_an_account_does_not_overflow),
        TEST(test_the_extent_that_fits_best_is_taken),
        TEST(test_frames_that_are_spread_are_taken_exactly),
        TEST(test_what_was_never_mapped_goes_frame_by_frame),
        TEST(test_vital_slots_are_spared),
        TEST(test_few_slots_can_be_vital),
        TEST(test_the_gentlest_of_several_for_extra_frames),
        TEST(test_the_contract_whose_frames_they_are),
        TEST(test_grace_in_allocations_begins_again),
        TEST(test_a_task_that_hangs_up_gets_no_more_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
