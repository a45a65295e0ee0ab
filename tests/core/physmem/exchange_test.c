/* Frames exchanged between slots of one task. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

static const struct physmem_effect *exchange(struct world *world, struct physmem_task *task,
                                             struct physmem_exchange what)
{
    struct physmem_request request = world_request(world, task);

    physmem_exchange(world->physmem, world->now, &request, &what);
    world_run(world);
    check_books(world);
    return world_reply(world, request.seq);
}

/* Nobody else can have the frames in between, not even a task that waits for some. */
static void test_a_waiting_task_does_not_get_what_is_exchanged(void **state)
{
    struct world *world = *state;
    uint32_t a, b;
    struct physmem_task *task = task_with(world, "task", 0, 90, &a);
    struct physmem_task *other = task_with(world, "other", 50, 0, &b);
    uint32_t to = world_container(world, task, 100);

    expect_allocated(world_allocate(world, task, a, 0, 80, PHYSMEM_EXTRA), 80);
    assert_null(world_allocate(world, other, b, 0, 50, 0)); /* waits for a recall */
    expect_allocated(exchange(world, task, (struct physmem_exchange){a, to, 10, 20, 30}), 30);
    assert_int_equal(world_status(task).held, 80);
    expect_error(world_map(world, task, a, 10, 1), ENOENT);
    assert_int_equal(world_map(world, task, to, 20, 30)->error, 0);
}

static void test_an_exchange_is_whole_or_nothing(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "task", 50, 0, &a);
    uint32_t to = world_container(world, task, 100);
    const struct physmem_effect *reply;

    expect_allocated(world_allocate(world, task, a, 0, 20, 0), 20);
    expect_allocated(world_allocate(world, task, to, 5, 1, 0), 1);
    reply = exchange(world, task, (struct physmem_exchange){a, to, 15, 10, 10});
    expect_error(reply, ENOENT);
    assert_int_equal(reply->count, 5);
    reply = exchange(world, task, (struct physmem_exchange){a, to, 0, 0, 10});
    expect_error(reply, EEXIST);
    assert_int_equal(reply->count, 5);
    expect_error(exchange(world, task, (struct physmem_exchange){a, to, 0, 95, 10}), EINVAL);
    expect_error(exchange(world, task, (struct physmem_exchange){a, to, 0, 0, 0}), EINVAL);
    expect_error(exchange(world, task, (struct physmem_exchange){a, to, UINT32_MAX, 0, 2}), EINVAL);
    expect_error(exchange(world, task, (struct physmem_exchange){a, 99, 0, 0, 2}), ENOENT);
    assert_int_equal(world_status(task).held, 21);
}

/* Also where the slots that give frames up and those that get some lie in one table. */
static void test_frames_move_within_one_extent(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "task", 20, 0, &a);

    expect_allocated(world_allocate(world, task, a, 0, 10, 0), 10);
    expect_allocated(exchange(world, task, (struct physmem_exchange){a, a, 0, 100, 10}), 10);
    expect_error(exchange(world, task, (struct physmem_exchange){a, a, 0, 200, 10}), ENOENT);
    expect_error(exchange(world, task, (struct physmem_exchange){a, a, 100, 105, 10}), EEXIST);
    assert_int_equal(world_status(task).held, 10);
}

static void test_nobody_exchanges_frames_of_others(void **state)
{
    struct world *world = *state;
    uint32_t a, b;
    struct physmem_task *task = task_with(world, "task", 20, 0, &a);
    struct physmem_task *other = task_with(world, "other", 20, 0, &b);

    expect_allocated(world_allocate(world, other, b, 0, 20, 0), 20);
    expect_error(exchange(world, task, (struct physmem_exchange){b, a, 0, 0, 10}), ENOENT);
    expect_error(exchange(world, other, (struct physmem_exchange){b, a, 0, 0, 10}), ENOENT);
}

/* A page that was given up reads as zeros when it comes back. */
static void test_what_is_given_up_is_cleared(void **state)
{
    struct world *world = *state;
    uint32_t a, since;
    struct physmem_task *task = task_with(world, "task", 20, 0, &a);
    uint32_t to = world_container(world, task, 100);
    const struct physmem_effect *punch;

    expect_allocated(world_allocate(world, task, a, 0, 20, 0), 20);
    assert_int_equal(world_map(world, task, a, 0, 20)->error, 0);
    since = world->recorded;
    expect_allocated(exchange(world, task, (struct physmem_exchange){a, to, 3, 0, 4}), 4);
    punch = world_find(world, since, PHYSMEM_EXTENT_PUNCH, NULL);
    assert_non_null(punch);
    assert_int_equal(punch->extent.offset, 3);
    assert_int_equal(punch->extent.count, 4);
}

/* ---- An overdraft of a task whose contracts say "repossess" ---- */

static void test_an_overdraft_costs_an_extent_where_contracts_say_repossess(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "task");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 40);
    const struct physmem_effect *map, *told;
    uint32_t a, b, since;

    terms.on_breach = SP_BREACH_REPOSSESS;
    expect_offer(world_propose(world, task, &terms), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    a = world_container(world, task, 100);
    b = world_container(world, task, 100);
    expect_allocated(world_allocate(world, task, a, 0, 10, 0), 10);
    expect_allocated(world_allocate(world, task, b, 0, 10, 0), 10);
    map = world_map(world, task, a, 0, 10);
    assert_int_equal(map->error, 0);
    since = world->recorded;
    physmem_audit_done(world->physmem, world->now, world->items[0].extent, 10, 11);
    world_run(world);
    check_books(world);
    told = world_find(world, since, PHYSMEM_SEND_REPOSSESSED, task);
    assert_non_null(told);
    assert_int_equal(told->repossessed.container, a);
    assert_int_equal(told->repossessed.frames, 10);
    assert_int_equal(world_status(task).held, 10);
    assert_null(world_find(world, since, PHYSMEM_SEND_REVOKED, task));
}

int main(void)
{
#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        EXCHANGE_TEST(test_a_waiting_task_does_not_get_what_is_exchanged),
        EXCHANGE_TEST(test_an_exchange_is_whole_or_nothing),
        EXCHANGE_TEST(test_frames_move_within_one_extent),
        EXCHANGE_TEST(test_nobody_exchanges_frames_of_others),
        EXCHANGE_TEST(test_what_is_given_up_is_cleared),
        EXCHANGE_TEST(test_an_overdraft_costs_an_extent_where_contracts_say_repossess),
    };

    return cmocka_run_group_tests_name("core/physmem/exchange", tests, NULL, NULL);
}
