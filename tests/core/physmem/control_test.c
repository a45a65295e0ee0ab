/* Physmem under a policy server: limits, and what a table decides. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/physmem/state.h"
#include "meddler.h"

#define FRAMES 320u
#define PLENTY (PHYSMEM_EXTRA | PHYSMEM_PARTIAL)

/* 310 of 320 frames are given out as extra. */
struct controlled {
    struct world world;
    struct meddler server;
};

static int setup(void **state)
{
    static struct controlled controlled;

    memset(&controlled, 0, sizeof(controlled));
    world_init(&controlled.world, &heap_allocator);
    assert_int_equal(world_start(&controlled.world, FRAMES, 0, 0), 0);
    *state = &controlled;
    return 0;
}

static int teardown(void **state)
{
    struct controlled *c = *state;
    size_t lost = world_end(&c->world);

    meddler_fini(&c->server);
    return lost == 0 ? 0 : -1;
}

static void take_control(struct controlled *c, uint32_t rows)
{
    meddler_move(&c->server, &c->world, rows);
    atomic_store(&meddler_table(&c->server)->decides, 1);
    physmem_policyserver_begin(c->world.physmem, c->world.now);
    world_run(&c->world);
}

/* The row of a task, as a policy server finds it; NULL if there is none. */
static struct control_row *row_of(const struct controlled *c, const struct physmem_task *task)
{
    struct control_table *table = meddler_table(&c->server);

    for (uint32_t i = 0; i < atomic_load(&table->used); i++)
        if (atomic_load(&table->row[i].id) == physmem_task_id(task))
            return &table->row[i];
    return NULL;
}

static void entitle(struct controlled *c, const struct physmem_task *task, uint32_t entitled,
                    uint32_t first, uint32_t then)
{
    struct control_entitlement says = {0, entitled, {first, then, then, then}};
    struct sp_arbiter_task told;
    uint32_t uid;

    assert_true(control_table_read(row_of(c, task), c->world.now, &told, &uid));
    says.basis = control_table_basis(&told);
    control_table_entitle(row_of(c, task), physmem_task_id(task), &says);
}

static void say_entitled(struct controlled *c)
{
    physmem_policyserver_entitled(c->world.physmem, c->world.now);
    world_run(&c->world);
}

static struct physmem_task *extra_task(struct controlled *c, const char *name, uint32_t *containerp)
{
    struct physmem_task *task = world_task(&c->world, name);

    world_contract(&c->world, task, SP_EXTRA, FRAMES);
    *containerp = world_container(&c->world, task, 2 * FRAMES);
    return task;
}

static uint32_t recalled_from(struct controlled *c, uint32_t since, const struct physmem_task *task)
{
    const struct physmem_effect *effect = world_find(&c->world, since, PHYSMEM_SEND_RECALL, task);

    return effect == NULL ? 0 : effect->recall.frames;
}

static void test_the_table_shows_the_books(void **state)
{
    struct controlled *c = *state;
    uint32_t container, uid;
    struct physmem_task *early = extra_task(c, "early", &container);
    struct sp_arbiter_task told;

    take_control(c, 8);
    world_contract(&c->world, early, SP_GUARANTEED, 40);
    world_allocate(&c->world, early, container, 0, 50, PLENTY);
    assert_true(control_table_read(row_of(c, early), c->world.now, &told, &uid));
    assert_int_equal(told.held, 50);
    assert_int_equal(told.guaranteed, 40);
    assert_int_equal(told.extra, FRAMES);
    assert_int_equal(told.recallable, 10);
    assert_int_equal(told.wanted, 0);
    assert_int_equal(uid, 1000);
    assert_int_equal(atomic_load(&meddler_table(&c->server)->spare), 260);
    assert_null(physmem_check(c->world.physmem));
    physmem_task_gone(c->world.physmem, c->world.now, early);
    assert_null(row_of(c, early));
}

static void test_a_row_is_told_apart_from_the_one_before(void **state)
{
    struct controlled *c = *state;
    struct control_entitlement says;
    struct physmem_task *first, *second;
    struct control_row *row;

    take_control(c, 8);
    first = world_task(&c->world, "first");
    row = row_of(c, first);
    entitle(c, first, 200, 0, 0);
    assert_true(control_table_entitlement(row, physmem_task_id(first), &says));
    assert_int_equal(says.entitled, 200);
    physmem_task_gone(c->world.physmem, c->world.now, first);
    second = world_task(&c->world, "second");
    assert_ptr_equal(row_of(c, second), row);
    assert_false(control_table_entitlement(row, physmem_task_id(second), &says));
}

static void test_entitlements_decide_which_tasks_get_extra_frames(void **state)
{
    struct controlled *c = *state;
    uint32_t hoard, room, since;
    struct physmem_task *hoarder = extra_task(c, "hoarder", &hoard);
    struct physmem_task *late = extra_task(c, "late", &room);

    take_control(c, 8);
    /* With plenty, no task is held to its entitlement. */
    assert_int_equal(world_allocate(&c->world, hoarder, hoard, 0, FRAMES, PLENTY)->allocated.count,
                     310);
    /* No word of this task yet: it is entitled to what its contracts promise, and that is nothing. */
    assert_int_equal(world_allocate(&c->world, late, room, 0, 200, PLENTY)->error, ENOMEM);
    assert_int_equal(recalled_from(c, 0, hoarder), 0);
    assert_non_null(world_find(&c->world, 0, PHYSMEM_POLICYSERVER_RING, NULL));

    since = c->world.recorded;
    entitle(c, hoarder, 210, 0, 0);
    entitle(c, late, 100, 0, 0);
    say_entitled(c);
    assert_int_equal(recalled_from(c, since, hoarder), 100);
    assert_null(world_find(&c->world, since, PHYSMEM_SEND_NOTICE, late));
    world_range(&c->world, physmem_frames_deallocate, hoarder, hoard, 0, 100);
    assert_non_null(world_find(&c->world, since, PHYSMEM_SEND_NOTICE, late));
    assert_int_equal(world_allocate(&c->world, late, room, 0, 200, PLENTY)->allocated.count, 100);
    /* Both have what they are entitled to, and the hoarder cannot get it back. */
    assert_int_equal(world_allocate(&c->world, hoarder, hoard, 0, 10, PLENTY)->error, ENOMEM);
    assert_null(physmem_check(c->world.physmem));
}

static void test_a_raised_entitlement_is_told_once(void **state)
{
    struct controlled *c = *state;
    uint32_t hoard, room, since;
    struct physmem_task *hoarder = extra_task(c, "hoarder", &hoard);
    struct physmem_task *late = extra_task(c, "late", &room);

    take_control(c, 8);
    entitle(c, hoarder, FRAMES, 0, 0);
    world_allocate(&c->world, hoarder, hoard, 0, 300, PLENTY);
    assert_int_equal(world_allocate(&c->world, late, room, 0, 200, PHYSMEM_EXTRA)->error, ENOMEM);
    since = c->world.recorded;
    entitle(c, late, 5, 0, 0);
    say_entitled(c);
    assert_non_null(world_find(&c->world, since, PHYSMEM_SEND_NOTICE, late));
    /* It wants 200 or nothing: telling it again, with nothing new, would make it ask for ever. */
    assert_int_equal(world_allocate(&c->world, late, room, 0, 200, PHYSMEM_EXTRA)->error, ENOMEM);
    since = c->world.recorded;
    say_entitled(c);
    assert_null(world_find(&c->world, since, PHYSMEM_SEND_NOTICE, late));
    entitle(c, late, 7, 0, 0);
    say_entitled(c);
    assert_non_null(world_find(&c->world, since, PHYSMEM_SEND_NOTICE, late));
}

static void test_short_of_frames(void **state)
{
    struct controlled *c = *state;
    uint32_t a_room, b_room, g_room, since;
    struct physmem_task *a = extra_task(c, "a", &a_room);
    struct physmem_task *b = extra_task(c, "b", &b_room);
    struct physmem_task *g = world_task(&c->world, "g");

    world_contract(&c->world, g, SP_GUARANTEED, 250);
    g_room = world_container(&c->world, g, FRAMES);
    world_allocate(&c->world, a, a_room, 0, 200, PLENTY);
    world_allocate(&c->world, b, b_room, 0, 110, PLENTY);
    take_control(c, 8);
    entitle(c, a, 190, 5, 200);
    entitle(c, b, FRAMES, 15, 15);
    since = c->world.recorded;
    /* 10 are there, 10 are missing: all of these come from the task with more than its
     * entitlement. */
    assert_null(world_allocate(&c->world, g, g_room, 0, 20, 0));
    assert_int_equal(recalled_from(c, since, a), 10);
    assert_int_equal(recalled_from(c, since, b), 0);
    world_range(&c->world, physmem_frames_deallocate, a, a_room, 0, 10);
    /* Then as it was laid down: of 8, a quarter and three quarters. */
    since = c->world.recorded;
    assert_null(world_allocate(&c->world, g, g_room, 20, 8, 0));
    assert_int_equal(recalled_from(c, since, a), 2);
    assert_int_equal(recalled_from(c, since, b), 6);
    world_range(&c->world, physmem_frames_deallocate, a, a_room, 10, 2);
    world_range(&c->world, physmem_frames_deallocate, b, b_room, 0, 6);
    /* And more than the first step comes from the next. */
    since = c->world.recorded;
    assert_null(world_allocate(&c->world, g, g_room, 28, 50, 0));
    assert_int_equal(recalled_from(c, since, a), 35);
    assert_int_equal(recalled_from(c, since, b), 15);
    assert_null(physmem_check(c->world.physmem));
}

static void test_limits(void **state)
{
    static const struct limit limits[] = {
        {0, 0, "", LIMIT_NONE, 100, 2, 1},
        {LIMIT_NAME, 0, "big", LIMIT_NONE, 150, LIMIT_NONE, 7},
        {LIMIT_NAME | LIMIT_USER, 1, "big", 0, 0, 0, 0},
    };
    struct controlled *c = *state;
    uint32_t small_room, big_room, since, uid;
    struct physmem_task *small = extra_task(c, "small", &small_room);
    struct physmem_task *big = extra_task(c, "big", &big_room);
    struct sp_arbiter_task told;

    world_allocate(&c->world, small, small_room, 0, 130, PLENTY);
    take_control(c, 8);
    since = c->world.recorded;
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, limits, 3), 0);
    world_run(&c->world);
    /* What it has beyond is recalled, though nobody lacks it. */
    assert_int_equal(recalled_from(c, since, small), 30);
    assert_int_equal(world_allocate(&c->world, big, big_room, 0, 170, PLENTY)->allocated.count,
                     150);
    assert_true(control_table_read(row_of(c, big), 0, &told, &uid));
    assert_int_equal(told.extra, 150);
    assert_int_equal(told.weight, 2);
    assert_int_equal(told.priority, 7);
    /* Without limits all is as before. */
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, NULL, 0), 0);
    assert_int_equal(world_allocate(&c->world, big, big_room, 200, 10, PLENTY)->allocated.count,
                     10);
}

static void propose(struct controlled *c, struct physmem_task *task, enum sp_contract_kind kind,
                    uint32_t min, uint32_t frames, enum sp_answer answer, uint32_t gets)
{
    struct sp_terms terms = world_terms(kind, frames);
    const struct physmem_effect *reply;

    terms.min = min;
    reply = world_propose(&c->world, task, &terms);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_OFFER);
    assert_int_equal(reply->offer.offer.answer, answer);
    assert_int_equal(reply->offer.offer.terms.frames, gets);
    if (answer != SP_ACCEPTED)
        assert_int_equal(reply->offer.offer.reason, SP_REASON_NOT_ENTITLED);
}

static void test_limits_bound_contracts(void **state)
{
    static const struct limit limits[] = {
        {0, 0, "", 60, 100, LIMIT_NONE, LIMIT_NONE},
        {LIMIT_USER, 1000, "", 100, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE},
        {LIMIT_USER, 1001, "", 0, 0, LIMIT_NONE, LIMIT_NONE},
    };
    struct controlled *c = *state;
    struct physmem_task *first = world_task(&c->world, "first");
    struct physmem_task *second = world_task(&c->world, "second");
    uint32_t number;

    take_control(c, 8);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, limits, 3), 0);
    world_run(&c->world);
    propose(c, first, SP_GUARANTEED, 1, 90, SP_COUNTERED, 60);
    propose(c, first, SP_GUARANTEED, 61, 90, SP_REFUSED, 60);
    propose(c, first, SP_GUARANTEED, 40, 40, SP_ACCEPTED, 40);
    propose(c, first, SP_TIMED, 21, 21, SP_REFUSED, 20);
    propose(c, first, SP_TIMED, 20, 20, SP_ACCEPTED, 20);
    propose(c, first, SP_EXTRA, 1, 101, SP_COUNTERED, 100);
    /* All tasks of a user together. */
    propose(c, second, SP_GUARANTEED, 1, 50, SP_COUNTERED, 40);
    number = world_contract(&c->world, second, SP_GUARANTEED, 30);
    /* What runs can be renewed, up to the limit, and not beyond a lower one. */
    assert_int_equal(world_renew(&c->world, second, number, 5 * SECOND)->offer.offer.answer,
                     SP_ACCEPTED);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now,
                                                 (struct limit[]){{0, 0, "", 29, 0, 1, 0}}, 1),
                     0);
    world_run(&c->world);
    assert_int_equal(world_renew(&c->world, second, number, SECOND)->offer.offer.reason,
                     SP_REASON_NOT_ENTITLED);
    assert_int_equal(world_status(second).guaranteed, 30);
    assert_null(physmem_check(c->world.physmem));
}

/* However many tasks a user has; and without a policy server. */
static void test_what_all_tasks_of_a_user_may_have_together_is_bounded(void **state)
{
    static const struct limit told[] = {
        {LIMIT_USER, 1000, "", LIMIT_NONE, 150, LIMIT_NONE, LIMIT_NONE},
    };
    struct controlled *c = *state;
    struct physmem_task *task[6];
    uint32_t number;

    c->world.physmem->config.user_guaranteed = 50;
    c->world.physmem->config.user_extra = 100;
    for (unsigned i = 0; i < 6; i++)
        task[i] = world_task(&c->world, "one of many");
    propose(c, task[0], SP_EXTRA, 1, 200, SP_COUNTERED, 100);
    number = world_contract(&c->world, task[0], SP_EXTRA, 40);
    for (unsigned i = 1; i < 4; i++)
        world_contract(&c->world, task[i], SP_EXTRA, 20);
    propose(c, task[4], SP_EXTRA, 1, 1, SP_REFUSED, 0);
    propose(c, task[4], SP_GUARANTEED, 1, 60, SP_COUNTERED, 50);
    world_contract(&c->world, task[4], SP_GUARANTEED, 30);
    propose(c, task[5], SP_TIMED, 1, 60, SP_COUNTERED, 20);
    /* What is given up others may have; what a policy server says of the user stands instead. */
    world_close(&c->world, task[0], number);
    propose(c, task[5], SP_EXTRA, 1, 60, SP_COUNTERED, 40);
    take_control(c, 8);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, told, 1), 0);
    world_run(&c->world);
    propose(c, task[5], SP_EXTRA, 1, 100, SP_COUNTERED, 90);
    propose(c, task[5], SP_GUARANTEED, 1, 60, SP_COUNTERED, 20);
    assert_null(physmem_check(c->world.physmem));
}

/* A part that was split off counts for the user all the time: it can come back after more was promised. */
static void test_a_part_counts_for_the_user_of_the_contract(void **state)
{
    const uint64_t token = 4711;
    struct controlled *c = *state;
    struct physmem_task *giver, *taker;
    uint32_t number;

    c->world.physmem->config.user_guaranteed = 50;
    giver = world_task(&c->world, "giver");
    taker = world_task(&c->world, "taker");
    number = world_contract(&c->world, giver, SP_GUARANTEED, 50);
    assert_int_equal(world_split(&c->world, giver, number, 40, token)->error, 0);
    propose(c, giver, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    assert_int_equal(world_claim(&c->world, taker, token)->offer.offer.answer, SP_ACCEPTED);
    propose(c, giver, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    propose(c, taker, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    world_close(&c->world, giver, number);
    propose(c, taker, SP_GUARANTEED, 1, 60, SP_COUNTERED, 50);
    assert_null(physmem_check(c->world.physmem));
}

/* Nor does a task get beyond a limit for its name by splitting a part off. */
static void test_a_part_counts_for_the_task_that_it_comes_from(void **state)
{
    static const struct limit limit = {
        LIMIT_NAME, 0, "giver", 50, 30, LIMIT_NONE, LIMIT_NONE,
    };
    const uint64_t token = 4711;
    struct controlled *c = *state;
    struct physmem_task *giver = world_task(&c->world, "giver");
    struct physmem_task *taker = world_task(&c->world, "taker");
    uint32_t guaranteed, extra;

    take_control(c, 8);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, &limit, 1), 0);
    world_run(&c->world);
    guaranteed = world_contract(&c->world, giver, SP_GUARANTEED, 50);
    extra = world_contract(&c->world, giver, SP_EXTRA, 30);
    assert_int_equal(world_split(&c->world, giver, guaranteed, 40, token)->error, 0);
    assert_int_equal(world_split(&c->world, giver, extra, 20, token + 1)->error, 0);
    propose(c, giver, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    propose(c, giver, SP_EXTRA, 1, 20, SP_REFUSED, 0);
    assert_int_equal(world_claim(&c->world, taker, token)->offer.offer.answer, SP_ACCEPTED);
    propose(c, giver, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    propose(c, taker, SP_GUARANTEED, 1, 40, SP_ACCEPTED, 40); /* it has no limit */
    assert_null(physmem_check(c->world.physmem));
}

/* A task gets no more from others than the limit for it says, and a part that it may not have can still be had. */
static void test_a_limit_for_a_task_bounds_the_parts_that_it_claims(void **state)
{
    struct limit limit = {LIMIT_NAME, 0, "taker", 50, 10, LIMIT_NONE, LIMIT_NONE};
    struct controlled *c = *state;
    struct physmem_task *giver = world_task(&c->world, "giver");
    struct physmem_task *taker = world_task(&c->world, "taker");
    struct physmem_task *friend = world_task(&c->world, "friend");
    uint32_t guaranteed = world_contract(&c->world, giver, SP_GUARANTEED, 150);
    uint32_t extra = world_contract(&c->world, giver, SP_EXTRA, 30);
    const struct physmem_effect *effect;

    take_control(c, 8);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, &limit, 1), 0);
    world_run(&c->world);
    assert_int_equal(world_split(&c->world, giver, guaranteed, 51, 1)->error, 0);
    assert_int_equal(world_split(&c->world, giver, guaranteed, 50, 2)->error, 0);
    assert_int_equal(world_split(&c->world, giver, guaranteed, 40, 3)->error, 0);
    assert_int_equal(world_split(&c->world, giver, extra, 11, 4)->error, 0);
    effect = world_claim(&c->world, taker, 1);
    assert_int_equal(effect->offer.offer.answer, SP_REFUSED);
    assert_int_equal(effect->offer.offer.reason, SP_REASON_NOT_ENTITLED);
    assert_int_equal(world_claim(&c->world, taker, 4)->offer.offer.answer, SP_REFUSED);
    effect = world_claim(&c->world, taker, 2);
    assert_int_equal(effect->offer.offer.answer, SP_ACCEPTED);
    /* What it passes on comes back to it: there is no room for more. */
    assert_int_equal(world_split(&c->world, taker, effect->offer.offer.contract, 40, 5)->error, 0);
    assert_int_equal(world_claim(&c->world, friend, 5)->offer.offer.answer, SP_ACCEPTED);
    assert_int_equal(world_claim(&c->world, taker, 3)->offer.offer.answer, SP_REFUSED);
    propose(c, taker, SP_GUARANTEED, 1, 40, SP_REFUSED, 0);
    limit.guaranteed = 90;
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, &limit, 1), 0);
    world_run(&c->world);
    assert_int_equal(world_claim(&c->world, taker, 3)->offer.offer.answer, SP_ACCEPTED);
    assert_int_equal(world_claim(&c->world, friend, 1)->offer.offer.answer, SP_ACCEPTED);
    assert_null(physmem_check(c->world.physmem));
}

static void test_the_last_table_stands(void **state)
{
    struct controlled *c = *state;
    uint32_t hoard, room;
    struct physmem_task *hoarder = extra_task(c, "hoarder", &hoard);
    struct physmem_task *late;
    struct physmem_status status;

    take_control(c, 8);
    entitle(c, hoarder, 200, 0, 0);
    world_allocate(&c->world, hoarder, hoard, 0, FRAMES, PLENTY);
    physmem_policyserver_end(c->world.physmem, c->world.now);
    physmem_get_status(c->world.physmem, &status);
    assert_int_equal(status.control, PHYSMEM_LEFT);
    assert_int_equal(status.controllers, 1);
    /* A newcomer is entitled to what its contracts promise, and gets that. */
    late = extra_task(c, "late", &room);
    world_contract(&c->world, late, SP_GUARANTEED, 20);
    assert_null(world_allocate(&c->world, late, room, 0, 20, 0));
    assert_int_equal(recalled_from(c, 0, hoarder), 10);
    world_range(&c->world, physmem_frames_deallocate, hoarder, hoard, 0, 10);
    assert_int_equal(world_status(late).held, 20);
    /* The hoarder has more than the 200 it is entitled to. */
    assert_int_equal(world_allocate(&c->world, hoarder, hoard, 0, 5, PLENTY)->error, ENOMEM);
    assert_null(physmem_check(c->world.physmem));
}

/* What gave control back is as if it had never been there; a limit or a table that decides is not. */
static void test_nothing_stands_of_one_that_gave_control_back(void **state)
{
    struct controlled *c = *state;
    const struct limit limit = {
        .whom = LIMIT_NAME, .name = "other", .guaranteed = 1, .extra = 1, .weight = 1};
    struct physmem_status status;

    take_control(c, 8);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, &limit, 1), 0);
    atomic_store(&meddler_table(&c->server)->decides, 0);
    assert_true(physmem_policyserver_end(c->world.physmem, c->world.now));
    physmem_get_status(c->world.physmem, &status);
    assert_int_equal(status.control, PHYSMEM_LEFT);
    physmem_policyserver_begin(c->world.physmem, c->world.now);
    assert_int_equal(physmem_policyserver_limits(c->world.physmem, c->world.now, NULL, 0), 0);
    assert_false(physmem_policyserver_end(c->world.physmem, c->world.now));
    physmem_get_status(c->world.physmem, &status);
    assert_int_equal(status.control, PHYSMEM_UNCONTROLLED);
    assert_int_equal(status.controllers, 2);
    assert_null(physmem_check(c->world.physmem));
}

static void test_the_table_moves(void **state)
{
    struct controlled *c = *state;
    struct physmem_task *task[6];
    uint32_t room, since;

    task[0] = extra_task(c, "first", &room);
    take_control(c, 2);
    entitle(c, task[0], 77, 1, 2);
    task[1] = world_task(&c->world, "second");
    since = c->world.recorded;
    task[2] = world_task(&c->world, "third");
    assert_non_null(world_find(&c->world, since, PHYSMEM_POLICYSERVER_GROW, NULL));
    assert_null(row_of(c, task[2]));
    assert_null(physmem_check(c->world.physmem));
    /* None could be made: physmem asks again when it matters. */
    assert_int_equal(physmem_policyserver_table(c->world.physmem, c->world.now, NULL, 0), -EINVAL);
    since = c->world.recorded;
    task[3] = world_task(&c->world, "fourth");
    assert_non_null(world_find(&c->world, since, PHYSMEM_POLICYSERVER_GROW, NULL));
    meddler_move(&c->server, &c->world, 64);
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(row_of(c, task[i]));
    assert_int_equal(atomic_load(&row_of(c, task[0])->entitled), 77);
    assert_int_equal(atomic_load(&row_of(c, task[0])->gives[1]), 2);
    assert_int_equal(atomic_load(&meddler_table(&c->server)->decides), 1);
    assert_null(physmem_check(c->world.physmem));
}

static void test_bells_are_gathered(void **state)
{
    struct controlled *c = *state;
    uint32_t since;

    take_control(c, 8);
    since = c->world.recorded;
    world_task(&c->world, "a");
    assert_non_null(world_find(&c->world, since, PHYSMEM_POLICYSERVER_RING, NULL));
    since = c->world.recorded;
    world_task(&c->world, "b");
    assert_null(world_find(&c->world, since, PHYSMEM_POLICYSERVER_RING, NULL));
    say_entitled(c);
    assert_int_equal(world_find(&c->world, since, PHYSMEM_POLICYSERVER_RING, NULL)->ring,
                     PHYSMEM_RING_TASK);
}

#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What a task is said to be able to have is what it gets when it asks. */
static uint32_t available(struct world *world, struct physmem_task *task)
{
    const struct physmem_request request = world_request(world, task);

    physmem_availability_ask(world->physmem, world->now, &request);
    world_run(world);
    return world_reply(world, request.seq)->availability.available;
}

static void test_availability_is_what_the_table_grants(void **state)
{
    struct controlled *c = *state;
    uint32_t in_a, in_b, had;
    struct physmem_task *a = extra_task(c, "a", &in_a), *b = extra_task(c, "b", &in_b);

    take_control(c, 8);
    world_allocate(&c->world, a, in_a, 0, 250, PLENTY); /* 60 are left */
    entitle(c, a, 100, 0, 0);
    entitle(c, b, 20, 0, 0);
    assert_int_equal(available(&c->world, b), 60); /* what nobody else wants */
    entitle(c, b, 150, 0, 0);
    assert_int_equal(available(&c->world, b), 150);
    entitle(c, b, 300, 0, 0);
    assert_int_equal(available(&c->world, b), 210); /* a keeps 100 */
    assert_int_equal(available(&c->world, a), 310); /* nobody has asked yet */

    world_allocate(&c->world, b, in_b, 0, 300, PLENTY);
    had = world_status(b).held;
    assert_int_equal(world_status(a).owed, 150);
    world_range(&c->world, physmem_frames_deallocate, a, in_a, 100, 150);
    world_allocate(&c->world, b, in_b, had, 300 - had, PLENTY);
    assert_int_equal(world_status(b).held, 210);
    assert_int_equal(available(&c->world, a), 100);
    assert_null(physmem_check(c->world.physmem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTROL_TEST(test_the_table_shows_the_books),
        CONTROL_TEST(test_a_row_is_told_apart_from_the_one_before),
        CONTROL_TEST(test_entitlements_decide_which_tasks_get_extra_frames),
        CONTROL_TEST(test_availability_is_what_the_table_grants),
        CONTROL_TEST(test_a_raised_entitlement_is_told_once),
        CONTROL_TEST(test_short_of_frames),
        CONTROL_TEST(test_limits),
        CONTROL_TEST(test_limits_bound_contracts),
        CONTROL_TEST(test_what_all_tasks_of_a_user_may_have_together_is_bounded),
        CONTROL_TEST(test_a_part_counts_for_the_user_of_the_contract),
        CONTROL_TEST(test_a_part_counts_for_the_task_that_it_comes_from),
        CONTROL_TEST(test_a_limit_for_a_task_bounds_the_parts_that_it_claims),
        CONTROL_TEST(test_the_last_table_stands),
        CONTROL_TEST(test_nothing_stands_of_one_that_gave_control_back),
        CONTROL_TEST(test_the_table_moves),
        CONTROL_TEST(test_bells_are_gathered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
