/* The rules of recalls, breaches and ends, one by one, in virtual time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

/* ---- Recalls ---- */

static void test_within_the_guarantee_is_served_by_recalling(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting;
    struct physmem_task *a = task_with(world, "a", 10, 85, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    const struct physmem_effect *recall;

    expect_allocated(world_allocate(world, a, in_a, 0, 95, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 95);
    assert_null(world_allocate(world, b, in_b, 0, 20, 0));
    waiting = world->seq;
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_int_equal(recall->recall.frames, 15); /* five were free */
    assert_false(recall->recall.may_clean);
    assert_int_equal(recall->recall.grace, SP_DEFAULT_T_DROP_NS);
    /* While it owes, and while others wait, it gets no extra frames. */
    expect_error(world_allocate(world, a, in_a, 200, 1, PHYSMEM_EXTRA), ENOMEM);
    assert_null(world_find(world, world->recorded - 1, PHYSMEM_SEND_RECALL, a));
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 15);
    expect_allocated(world_reply(world, waiting), 20);
    check_books(world);
}

static void test_acknowledge_then_retake_gains_nothing(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 85, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);

    expect_allocated(world_allocate(world, a, in_a, 0, 95, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 95);
    assert_null(world_allocate(world, b, in_b, 0, 20, 0));
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 15);
    expect_error(world_allocate(world, a, in_a, 0, 15, PHYSMEM_EXTRA), ENOMEM);
    expect_error(world_allocate(world, a, in_a, 0, 1, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), ENOMEM);
    assert_int_equal(world_status(a).held, 80);
    check_books(world);
}

static void test_no_extra_frames_for_a_task_that_owes(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 50, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 50, &in_b);

    expect_allocated(world_allocate(world, a, in_a, 0, 20, PHYSMEM_EXTRA), 20);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 5), 5);
    expect_error(world_allocate(world, a, in_a, 50, 1, PHYSMEM_EXTRA), ENOMEM); /* 80 are free */
    expect_allocated(world_allocate(world, b, in_b, 0, 1, PHYSMEM_EXTRA), 1);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 5);
    assert_non_null(world_find(world, 0, PHYSMEM_SEND_NOTICE, a));
    expect_allocated(world_allocate(world, a, in_a, 50, 1, PHYSMEM_EXTRA), 1);
    check_books(world);
}

static void test_no_extra_frames_while_others_wait(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, in_c;
    struct physmem_task *a = task_with(world, "a", 0, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 90, 0, &in_b);
    struct physmem_task *c = task_with(world, "c", 0, 50, &in_c);

    expect_allocated(world_allocate(world, a, in_a, 0, 60, PHYSMEM_EXTRA), 60);
    assert_null(world_allocate(world, b, in_b, 0, 60, 0));
    expect_error(world_allocate(world, c, in_c, 0, 1, PHYSMEM_EXTRA), ENOMEM); /* 40 are free */
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 60);
    expect_allocated(world_allocate(world, c, in_c, 0, 1, PHYSMEM_EXTRA), 1);
    check_books(world);
}

static void test_the_recall_that_is_due_first_is_paid_first(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_GUARANTEED, 30);
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 0, 0, &container);
    uint32_t number;

    terms.t_clean = 10 * SECOND;
    number = world_propose(world, task, &terms)->offer.offer.contract;
    expect_allocated(world_allocate(world, task, container, 0, 30, 0), 30);
    terms = world_terms(SP_EXTRA, 10);
    terms.t_drop = SECOND;
    world_propose(world, task, &terms);
    world_close(world, task, number); /* 20 with time to clean, 10 are extra now */
    assert_int_equal(world_status(task).owed, 20);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 10), 10);
    world_range(world, physmem_frames_deallocate, task, container, 0, 10);
    assert_int_equal(world_status(task).recalls_met, 1);
    world_pass(world, 10 * SECOND - 1);
    assert_false(world_status(task).breached);
    check_books(world);
    world_pass(world, 1);
    assert_true(world_status(task).breached);
}

static void test_recalls_are_proportional_to_excess(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, in_c;
    struct physmem_task *a = task_with(world, "a", 10, 30, &in_a);
    struct physmem_task *b = task_with(world, "b", 10, 60, &in_b);
    struct physmem_task *c = task_with(world, "c", 50, 0, &in_c);

    expect_allocated(world_allocate(world, a, in_a, 0, 30, PHYSMEM_EXTRA), 30); /* excess 20 */
    expect_allocated(world_allocate(world, b, in_b, 0, 50, PHYSMEM_EXTRA), 50); /* excess 40 */
    assert_null(world_allocate(world, c, in_c, 0, 50, 0));                      /* 20 are free */
    assert_int_equal(world_status(a).owed, 10);
    assert_int_equal(world_status(b).owed, 20);
    check_books(world);
}

static void test_recalls_are_a_little_ahead_of_need(void **state)
{
    struct world world;
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(world_start(&world, 1000, 0, 0), 0);
    a = task_with(&world, "a", 500, 500, &in_a);
    b = task_with(&world, "b", 500, 0, &in_b);
    for (uint32_t i = 0; i < 2; i++) /* 31 are not given as extra */
        expect_allocated(world_allocate(&world, a, in_a, i * 485, 484 + i, PHYSMEM_EXTRA), 484 + i);
    assert_int_equal(world_allocate(&world, b, in_b, 0, 31, 0)->error, 0);
    assert_null(world_allocate(&world, b, in_b, 31, 1, 0));
    assert_int_equal(world_status(a).owed, 15); /* 1000 / 64 */
    check_books(&world);
    world_range(&world, physmem_frames_deallocate, a, in_a, 0, 15);
    for (uint32_t i = 32; i < 46; i++) /* the next ones need not wait */
        expect_allocated(world_allocate(&world, b, in_b, i, 1, 0), 1);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

/* An arbiter that asks everybody for everything, and gives everything to everybody. */
static uint32_t greedy_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                              size_t count, const struct sp_arbiter_request *request,
                              uint32_t *takes)
{
    (void)self;
    (void)now;
    (void)tasks;
    (void)request;
    for (size_t i = 0; i < count; i++)
        takes[i] = UINT32_MAX;
    return UINT32_MAX;
}

/* One that never finds a victim, and refuses everybody. */
static uint32_t idle_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                            size_t count, const struct sp_arbiter_request *request, uint32_t *takes)
{
    (void)self;
    (void)now;
    (void)tasks;
    (void)count;
    (void)request;
    (void)takes;
    return 0;
}

static void test_no_policy_touches_a_guarantee(void **state)
{
    static const struct sp_arbiter greedy = {
        .abi = SP_ARBITER_ABI, .name = "greedy", .decide = greedy_decide};
    struct world world;
    struct physmem_config config = {
        .allocator = &world.memory.allocator, .arbiter = &greedy, .frames = 100};
    struct physmem_status status;
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(physmem_new(&world.physmem, &config), 0);
    a = task_with(&world, "a", 40, 50, &in_a);
    b = task_with(&world, "b", 60, 0, &in_b);
    expect_allocated(world_allocate(&world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    assert_null(world_allocate(&world, b, in_b, 0, 11, 0));
    assert_int_equal(world_status(a).owed, 50);
    physmem_get_status(world.physmem, &status);
    assert_int_equal(status.overruled, 1);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

static void test_greedy_grants_are_cut(void **state)
{
    static const struct sp_arbiter greedy = {.abi = SP_ARBITER_ABI,
                                             .flags = SP_ARBITER_GRANTS,
                                             .name = "greedy",
                                             .decide = greedy_decide};
    struct world world;
    struct physmem_status status;
    struct physmem_task *a, *b;
    uint32_t in_a, in_b;

    (void)state;
    world_init(&world, &heap_allocator);
    world.arbiter = &greedy;
    assert_int_equal(world_start(&world, 100, 0, 0), 0);
    a = task_with(&world, "a", 20, 80, &in_a);
    b = task_with(&world, "b", 20, 80, &in_b);
    expect_allocated(world_allocate(&world, a, in_a, 0, 100, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 97);
    assert_int_equal(world_status(a).owed, 0); /* it had nothing when the arbiter was asked */
    expect_error(world_allocate(&world, b, in_b, 0, 50, PHYSMEM_EXTRA), ENOMEM);
    assert_int_equal(world_status(a).owed, 77);
    physmem_get_status(world.physmem, &status);
    assert_int_equal(status.overruled, 2);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

static void test_an_idle_arbiter_starves_nobody_of_its_guarantee(void **state)
{
    static const struct sp_arbiter idle = {
        .abi = SP_ARBITER_ABI, .name = "idle", .decide = idle_decide};
    struct world world;
    struct physmem_status status;
    struct physmem_task *a, *b, *c;
    uint32_t in_a, in_b, in_c;

    (void)state;
    world_init(&world, &heap_allocator);
    world.arbiter = &idle;
    assert_int_equal(world_start(&world, 100, 0, 0), 0);
    a = task_with(&world, "a", 0, 80, &in_a);
    b = task_with(&world, "b", 0, 80, &in_b);
    c = task_with(&world, "c", 70, 0, &in_c);
    expect_allocated(world_allocate(&world, a, in_a, 0, 30, PHYSMEM_EXTRA), 30);
    expect_allocated(world_allocate(&world, b, in_b, 0, 60, PHYSMEM_EXTRA), 60);
    assert_null(world_allocate(&world, c, in_c, 0, 70, 0)); /* 10 are there */
    assert_int_equal(world_status(a).owed + world_status(b).owed, 60);
    assert_int_equal(world_status(b).owed, 60); /* it has most */
    physmem_get_status(world.physmem, &status);
    assert_int_equal(status.overruled, 1);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

/* The choice matters: with maxmin a latecomer gets its part of what another holds, and the other
 * cannot take it back; with fcfs it gets nothing. */
static void late_and_hoarder(const struct sp_arbiter *arbiter, uint32_t late_gets)
{
    struct world world;
    struct physmem_task *hoarder, *late;
    uint32_t in_hoarder, in_late, seen, owed;

    world_init(&world, &heap_allocator);
    world.arbiter = arbiter;
    assert_int_equal(world_start(&world, 320, 0, 0), 0);
    hoarder = task_with(&world, "hoarder", 0, 320, &in_hoarder);
    late = task_with(&world, "late", 0, 320, &in_late);
    expect_allocated(
        world_allocate(&world, hoarder, in_hoarder, 0, 320, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 310);
    seen = world.recorded;
    expect_error(world_allocate(&world, late, in_late, 0, 200, PHYSMEM_EXTRA | PHYSMEM_PARTIAL),
                 ENOMEM);
    owed = world_status(hoarder).owed;
    if (owed > 0)
        world_range(&world, physmem_frames_deallocate, hoarder, in_hoarder, 0, owed);
    /* Told or not, each asks again, the hoarder first. */
    assert_int_equal(world_find(&world, seen, PHYSMEM_SEND_NOTICE, late) != NULL, late_gets > 0);
    expect_error(
        world_allocate(&world, hoarder, in_hoarder, 0, 160, PHYSMEM_EXTRA | PHYSMEM_PARTIAL),
        owed > 0 ? ENOMEM : EEXIST);
    world_allocate(&world, late, in_late, 0, 200, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
    assert_int_equal(world_status(late).held, late_gets);
    assert_int_equal(world_status(hoarder).held, 310 - late_gets);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

static void test_fcfs_lets_the_hoarder_win(void **state)
{
    (void)state;
    late_and_hoarder(&arbiter_fcfs, 0);
    late_and_hoarder(&arbiter_excess, 0);
}

static void test_maxmin_shares_with_a_latecomer(void **state)
{
    (void)state;
    late_and_hoarder(&arbiter_maxmin, 155);
    late_and_hoarder(&arbiter_viengoos, 155);
}

static void test_missed_recall_costs_everything(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting, seen;
    struct physmem_task *a = task_with(world, "a", 20, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    const struct physmem_effect *revoked;
    struct physmem_status status;

    expect_allocated(world_allocate(world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    assert_int_equal(world_map(world, a, in_a, 0, 90)->error, 0);
    assert_null(world_allocate(world, b, in_b, 0, 30, 0));
    waiting = world->seq;
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 19); /* of 20: not enough */
    world_pass(world, SP_DEFAULT_T_DROP_NS - 1);
    assert_false(world_status(a).breached);
    seen = world->recorded;
    world_pass(world, 1);
    revoked = world_find(world, seen, PHYSMEM_SEND_REVOKED, a);
    assert_non_null(revoked);
    assert_int_equal(revoked->revoked.reason, SP_REASON_RECALL_MISSED);
    assert_int_equal(revoked->revoked.asked, 20);
    assert_int_equal(revoked->revoked.missing, 1);
    assert_int_equal(revoked->revoked.lost, 71);
    /* It is told before its extents go, and its control connection goes last. */
    assert_int_equal(world->record[seen].kind, PHYSMEM_SEND_REVOKED);
    assert_int_equal(world->record[seen + 1].kind, PHYSMEM_EXTENT_DESTROY);
    assert_int_equal(world->record[seen + 2].kind, PHYSMEM_CLOSE_CONTROL);
    assert_null(world_find(world, seen, PHYSMEM_KILL, a));
    /* Its frames, guaranteed ones included, are back at once. */
    expect_allocated(world_reply(world, waiting), 30);
    assert_int_equal(world_status(a).held, 0);
    assert_int_equal(world_status(a).guaranteed, 0);
    assert_true(world_status(a).breached);
    expect_error(world_allocate(world, a, in_a, 0, 1, 0), EPIPE);
    expect_error(world_map(world, a, in_a, 0, 1), EPIPE);
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.breaches, 1);
    assert_int_equal(status.recalls_missed, 1);
    assert_int_equal(status.tasks, 1);
    check_books(world);
    physmem_task_gone(world->physmem, world->now, a);
    check_books(world);
}

/* A task that holds 86 frames, 76 of them extra under a grace of five allocations, and one that
 * waits for 20. */
static struct physmem_task *task_with_five_allocations(struct world *world, uint32_t *in_a,
                                                       uint32_t *waiting)
{
    struct sp_terms terms = world_terms(SP_EXTRA, 80);
    struct physmem_task *a = task_with(world, "a", 10, 0, in_a);
    uint32_t in_b;
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    const struct physmem_effect *recall;

    terms.grace_unit = SP_GRACE_ALLOCATIONS;
    terms.t_drop = 5;
    world_propose(world, a, &terms);
    expect_allocated(world_allocate(world, a, *in_a, 0, 86, PHYSMEM_EXTRA), 86);
    assert_null(world_allocate(world, b, in_b, 0, 20, 0));
    *waiting = world->seq;
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_int_equal(recall->recall.unit, SP_GRACE_ALLOCATIONS);
    assert_int_equal(recall->recall.grace, 5);
    assert_int_equal(world_status(a).owed, 6);
    return a;
}

static void test_grace_by_allocations_needs_no_clock(void **state)
{
    struct world *world = *state;
    uint32_t container, waiting;
    struct physmem_task *a = task_with_five_allocations(world, &container, &waiting);

    world_pass(world, 20 * SECOND);
    for (unsigned i = 0; i < 4; i++)
        expect_error(world_allocate(world, a, container, 100, 30, PHYSMEM_EXTRA), ENOMEM);
    expect_allocated(world_allocate(world, a, container, 0, 86, PHYSMEM_SQUASH), 86); /* none new */
    assert_false(world_status(a).breached);
    world_range(world, physmem_frames_deallocate, a, container, 0, 6);
    expect_allocated(world_reply(world, waiting), 20);
    for (unsigned i = 0; i < 20; i++)
        expect_error(world_allocate(world, a, container, 100, 1, PHYSMEM_EXTRA), ENOMEM);
    assert_false(world_status(a).breached);
    assert_int_equal(world_status(a).recalls_met, 1);
    check_books(world);
}

static void test_grace_by_allocations_runs_out(void **state)
{
    struct world *world = *state;
    uint32_t container, waiting;
    struct physmem_task *a = task_with_five_allocations(world, &container, &waiting);

    for (unsigned i = 0; i < 4; i++)
        expect_error(world_allocate(world, a, container, 100, 30, PHYSMEM_EXTRA), ENOMEM);
    assert_false(world_status(a).breached);
    assert_null(world_reply(world, waiting));
    expect_error(world_allocate(world, a, container, 100, 30, PHYSMEM_EXTRA), ENOMEM);
    assert_true(world_status(a).breached);
    assert_int_equal(world_status(a).reason, SP_REASON_RECALL_MISSED);
    expect_allocated(world_reply(world, waiting), 20);
    check_books(world);
}

static void test_silence_ends_grace_by_allocations(void **state)
{
    struct world *world = *state;
    uint32_t container, waiting;
    struct physmem_task *a = task_with_five_allocations(world, &container, &waiting);

    world_pass(world, PHYSMEM_SILENCE_NS - 1);
    assert_false(world_status(a).breached);
    world_pass(world, 1);
    assert_true(world_status(a).breached);
    expect_allocated(world_reply(world, waiting), 20);
    check_books(world);
}

static void test_a_growing_guarantee_forgives(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 40);

    world_contract(world, a, SP_GUARANTEED, 10);
    expect_allocated(world_allocate(world, a, container, 0, 50, 0), 50);
    world_close(world, a, number);
    assert_int_equal(world_status(a).owed, 40);
    expect_error(world_allocate(world, a, container, 60, 1, PHYSMEM_EXTRA), ENOMEM);
    world_contract(world, a, SP_GUARANTEED, 30);
    assert_int_equal(world_status(a).owed, 10);
    assert_int_equal(world_status(a).contracts, 3); /* the closed one is not over */
    check_books(world);
    world_contract(world, a, SP_GUARANTEED, 16); /* and it may take six more */
    assert_int_equal(world_status(a).owed, 0);
    assert_int_equal(world_status(a).contracts, 3);
    expect_allocated(world_allocate(world, a, container, 60, 6, 0), 6);
    assert_int_equal(world_status(a).recalls_met, 1);
    check_books(world);
}

static void test_breach_may_kill(void **state)
{
    struct world *world = *state;
    struct sp_terms terms = world_terms(SP_EXTRA, 50);
    struct physmem_task *a = world_task(world, "a");
    uint32_t in_a = world_container(world, a, 100);

    terms.on_breach = SP_BREACH_KILL;
    terms.t_drop = MS;
    world_propose(world, a, &terms);
    expect_allocated(world_allocate(world, a, in_a, 0, 50, PHYSMEM_EXTRA), 50);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 1), 1);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "nobody", 1), -ENOENT);
    world_pass(world, MS);
    assert_non_null(world_find(world, 0, PHYSMEM_KILL, a));
}

/* Extra frames bear no labels: the longest grace that a contract gives them holds for all, in whatever order
 * the contracts were made. */
static void test_extra_frames_have_the_longest_grace(void **state)
{
    static const uint64_t drops[][2] = {{50 * MS, 20 * MS}, {20 * MS, 50 * MS}};
    static const char *const names[] = {"a", "b"};
    struct world *world = *state;

    for (unsigned i = 0; i < 2; i++) {
        struct physmem_task *task = world_task(world, names[i]);
        struct sp_terms terms = world_terms(SP_EXTRA, 20);
        uint32_t container = world_container(world, task, 40);

        for (unsigned k = 0; k < 2; k++) {
            terms.t_drop = drops[i][k];
            world_propose(world, task, &terms);
        }
        expect_allocated(world_allocate(world, task, container, 0, 40, PHYSMEM_EXTRA), 40);
        assert_int_equal(physmem_recall_from(world->physmem, world->now, names[i], 5), 5);
        world_run(world);
        assert_int_equal(world_find(world, 0, PHYSMEM_SEND_RECALL, task)->recall.grace, 50 * MS);
    }
    check_books(world);
}

static void test_four_recalls_at_once_then_no_more(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 0, 50, &in_a);

    expect_allocated(world_allocate(world, a, in_a, 0, 50, PHYSMEM_EXTRA), 50);
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 3), 3);
        world_pass(world, MS);
    }
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 3), -EBUSY);
    assert_int_equal(world_status(a).owed, 12);
    check_books(world);
    world_range(world, physmem_frames_deallocate, a, in_a, 0,
                4); /* the first, and a third of the next */
    assert_int_equal(world_status(a).recalls_met, 1);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 100), 38);
    assert_int_equal(world_status(a).owed, 46);
    check_books(world);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 50);
    assert_int_equal(world_status(a).recalls_met, 5);
    assert_int_equal(world_status(a).owed, 0);
    check_books(world);
}

/* ---- Ends ---- */

static void test_disconnect_returns_everything_at_once(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting;
    struct physmem_task *a = task_with(world, "a", 20, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct physmem_status status;

    expect_allocated(world_allocate(world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    assert_int_equal(world_map(world, a, in_a, 0, 90)->error, 0);
    world_range(world, physmem_frames_release, a, in_a, 0, 5);
    assert_null(world_allocate(world, b, in_b, 0, 30, 0));
    waiting = world->seq;
    physmem_task_gone(world->physmem, world->now, a);
    world_run(world);
    expect_allocated(world_reply(world, waiting), 30);
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.free, FRAMES - 30);
    assert_int_equal(status.extents, 0);
    assert_int_equal(status.breaches, 0);
    check_books(world);
    /* Both stay listed. */
    assert_ptr_equal(physmem_task_after(world->physmem, 0), a);
    assert_ptr_equal(physmem_task_after(world->physmem, 1), b);
    assert_null(physmem_task_after(world->physmem, 2));
    assert_null(physmem_task_find(world->physmem, 1));
    assert_ptr_equal(physmem_task_find(world->physmem, 2), b);
}

static void test_disconnect_while_waiting(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 20, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);

    expect_allocated(world_allocate(world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    assert_null(world_allocate(world, b, in_b, 0, 30, 0));
    physmem_task_gone(world->physmem, world->now, b);
    check_books(world);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 20); /* owed all the same */
    assert_int_equal(world_status(a).recalls_met, 1);
    check_books(world);
}

static void test_no_control_connection_is_a_breach_when_needed(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting;
    struct physmem_task *a = task_with(world, "a", 20, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);

    expect_allocated(world_allocate(world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    physmem_task_disconnected(world->physmem, world->now, a);
    world_pass(world, SECOND);
    assert_false(world_status(a).breached); /* nobody has asked */
    assert_null(world_allocate(world, b, in_b, 0, 30, 0));
    waiting = world->seq;
    assert_null(world_find(world, 0, PHYSMEM_SEND_RECALL, a));
    world_pass(world, PHYSMEM_HANGUP_GRACE_NS);
    assert_true(world_status(a).breached);
    assert_int_equal(world_status(a).reason, SP_REASON_NOT_RECEIVING);
    expect_allocated(world_reply(world, waiting), 30);
    check_books(world);
}

static void test_control_connection_that_ends_while_asked(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting;
    struct physmem_task *a = task_with(world, "a", 20, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);

    expect_allocated(world_allocate(world, a, in_a, 0, 90, PHYSMEM_EXTRA), 90);
    assert_null(world_allocate(world, b, in_b, 0, 30, 0));
    waiting = world->seq;
    physmem_task_disconnected(world->physmem, world->now, a);
    world_pass(world, PHYSMEM_HANGUP_GRACE_NS - 1);
    assert_false(world_status(a).breached);
    world_pass(world, 1);
    assert_int_equal(world_status(a).reason, SP_REASON_NOT_RECEIVING);
    expect_allocated(world_reply(world, waiting), 30);
    check_books(world);
}

static void test_full_control_connection_is_a_breach(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 20, 0, &in_a);

    physmem_task_stuck(world->physmem, world->now, a);
    world_run(world);
    assert_int_equal(world_status(a).reason, SP_REASON_NOT_RECEIVING);
    assert_null(world_find(world, 0, PHYSMEM_CLOSE_CONTROL, a)); /* it is closed already */
    physmem_task_stuck(world->physmem, world->now, a);           /* once is enough */
    check_books(world);
}

static void test_extra_is_announced_when_pressure_ends(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, seen;
    struct physmem_task *a = task_with(world, "a", 90, 0, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 50, &in_b);
    const struct physmem_effect *notice;

    expect_allocated(world_allocate(world, a, in_a, 0, 90, 0), 90);
    /* 10 are free, and 3 of them (100 / 32) are not given as extra. */
    expect_error(world_allocate(world, b, in_b, 0, 8, PHYSMEM_EXTRA), ENOMEM);
    expect_allocated(world_allocate(world, b, in_b, 0, 8, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 7);
    expect_error(world_allocate(world, b, in_b, 7, 1, PHYSMEM_EXTRA), ENOMEM);
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 3);
    assert_null(world_find(world, 0, PHYSMEM_SEND_NOTICE, b)); /* 6 are free: not well above */
    seen = world->recorded;
    world_range(world, physmem_frames_deallocate, a, in_a, 3, 1);
    notice = world_find(world, seen, PHYSMEM_SEND_NOTICE, b);
    assert_non_null(notice);
    assert_int_equal(notice->notice.what, PHYSMEM_AVAILABLE);
    assert_int_equal(notice->notice.extra, 50);
    seen = world->recorded;
    world_range(world, physmem_frames_deallocate, a, in_a, 4, 10); /* once for each refusal */
    assert_null(world_find(world, seen, PHYSMEM_SEND_NOTICE, b));
    /* Beyond its allowance it is refused for good, and is told nothing. */
    expect_error(world_allocate(world, b, in_b, 100, 50, PHYSMEM_EXTRA), ENOMEM);
    check_books(world);
}

static void test_dead_tasks_are_forgotten_at_last(void **state)
{
    struct world *world = *state;

    for (unsigned i = 0; i < PHYSMEM_DEAD_MAX + 10; i++)
        physmem_task_gone(world->physmem, world->now, world_task(world, "a"));
    assert_int_equal(world_status(physmem_task_after(world->physmem, 0)).id, 11);
    assert_null(physmem_task_after(world->physmem, PHYSMEM_DEAD_MAX + 10));
    check_books(world);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_within_the_guarantee_is_served_by_recalling),
        TEST(test_acknowledge_then_retake_gains_nothing),
        TEST(test_no_extra_frames_for_a_task_that_owes),
        TEST(test_no_extra_frames_while_others_wait),
        TEST(test_the_recall_that_is_due_first_is_paid_first),
        TEST(test_recalls_are_proportional_to_excess),
        cmocka_unit_test(test_recalls_are_a_little_ahead_of_need),
        cmocka_unit_test(test_no_policy_touches_a_guarantee),
        cmocka_unit_test(test_greedy_grants_are_cut),
        cmocka_unit_test(test_an_idle_arbiter_starves_nobody_of_its_guarantee),
        cmocka_unit_test(test_fcfs_lets_the_hoarder_win),
        cmocka_unit_test(test_maxmin_shares_with_a_latecomer),
        TEST(test_missed_recall_costs_everything),
        TEST(test_grace_by_allocations_needs_no_clock),
        TEST(test_grace_by_allocations_runs_out),
        TEST(test_silence_ends_grace_by_allocations),
        TEST(test_a_growing_guarantee_forgives),
        TEST(test_breach_may_kill),
        TEST(test_extra_frames_have_the_longest_grace),
        TEST(test_four_recalls_at_once_then_no_more),
        TEST(test_disconnect_returns_everything_at_once),
        TEST(test_disconnect_while_waiting),
        TEST(test_no_control_connection_is_a_breach_when_needed),
        TEST(test_control_connection_that_ends_while_asked),
        TEST(test_full_control_connection_is_a_breach),
        TEST(test_extra_is_announced_when_pressure_ends),
        TEST(test_dead_tasks_are_forgotten_at_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
