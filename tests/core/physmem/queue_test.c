/* Requests that wait for frames: which of them may overtake which, and for how long. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

/* Three tasks in 1,000 frames. `hoard` holds 800 extra frames and ignores recalls for three seconds;
 * `big` has a guarantee of 900, and `small` one of 10. */
struct stage {
    struct world *world;
    struct physmem_task *hoard, *big, *small;
    uint32_t in_hoard, in_big, in_small;
};

static int wide_setup(void **state)
{
    static struct world world;

    world_init(&world, &heap_allocator);
    *state = &world;
    return world_start(&world, 1000, 0, 0);
}

static struct stage stage_set(struct world *world)
{
    struct stage stage = {.world = world};
    struct sp_terms terms = world_terms(SP_EXTRA, 900);

    terms.t_drop = 3 * SECOND;
    stage.hoard = task_with(world, "hoard", 0, 0, &stage.in_hoard);
    expect_offer(world_propose(world, stage.hoard, &terms), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    stage.big = task_with(world, "big", 900, 0, &stage.in_big);
    stage.small = task_with(world, "small", 10, 0, &stage.in_small);
    expect_allocated(world_allocate(world, stage.hoard, stage.in_hoard, 0, 800, PHYSMEM_EXTRA),
                     800);
    return stage;
}

static uint32_t ask(struct stage *stage, struct physmem_task *task, uint32_t container,
                    uint32_t start, uint32_t count)
{
    assert_null(world_allocate(stage->world, task, container, start, count, 0));
    return stage->world->seq;
}

static void test_what_is_free_and_guaranteed_is_given_at_once(void **state)
{
    struct stage stage = stage_set(*state);
    uint32_t big = ask(&stage, stage.big, stage.in_big, 0, 900);

    expect_allocated(world_allocate(stage.world, stage.small, stage.in_small, 0, 1, 0), 1);
    check_books(stage.world);
    /* The frame is asked for again, so that `big` has all in time. */
    assert_true(world_status(stage.hoard).owed >= 701);
    world_range(stage.world, physmem_frames_deallocate, stage.hoard, stage.in_hoard, 0, 701);
    expect_allocated(world_reply(stage.world, big), 900);
    check_books(stage.world);
}

static void test_what_is_not_free_is_waited_for_in_order(void **state)
{
    struct stage stage = stage_set(*state);
    struct physmem_task *other;
    uint32_t in_other, other_seq, big;

    other = task_with(stage.world, "other", 90, 0, &in_other);
    expect_allocated(world_allocate(stage.world, stage.big, stage.in_big, 0, 195, 0), 195);
    other_seq = ask(&stage, other, in_other, 0, 50);
    big = ask(&stage, stage.big, stage.in_big, 195, 40);
    world_range(stage.world, physmem_frames_deallocate, stage.hoard, stage.in_hoard, 0, 45);
    expect_allocated(world_reply(stage.world, other_seq), 50);
    assert_null(world_reply(stage.world, big));
    world_range(stage.world, physmem_frames_deallocate, stage.hoard, stage.in_hoard, 45, 40);
    expect_allocated(world_reply(stage.world, big), 40);
    check_books(stage.world);
}

static void test_a_request_never_overtakes_one_of_its_own_task(void **state)
{
    struct stage stage = stage_set(*state);
    uint32_t first = ask(&stage, stage.big, stage.in_big, 0, 300);
    uint32_t second = ask(&stage, stage.big, stage.in_big, 300, 1);

    world_range(stage.world, physmem_frames_deallocate, stage.hoard, stage.in_hoard, 0, 101);
    assert_true(world_reply(stage.world, first) != NULL &&
                world_reply(stage.world, second) != NULL);
    check_books(stage.world);
}

/* One that is impatient blocks even those whose frames are free. */
static void test_patience_ends(void **state)
{
    struct stage stage = stage_set(*state);
    struct world *world = stage.world;
    struct sp_terms terms = world_terms(SP_EXTRA, 100);
    struct physmem_task *slow;
    uint32_t in_slow, big, small;

    terms.t_drop = PHYSMEM_MAX_GRACE_NS;
    terms.on_breach = SP_BREACH_WARN;
    slow = task_with(world, "slow", 0, 0, &in_slow);
    world_propose(world, slow, &terms);
    expect_allocated(world_allocate(world, slow, in_slow, 0, 100, PHYSMEM_EXTRA), 100);
    expect_allocated(world_allocate(world, stage.big, stage.in_big, 0, 50, 0), 50);
    world_range(world, physmem_frames_deallocate, stage.hoard, stage.in_hoard, 0, 800);
    /* 850 are free, 100 with `slow`; `big` may have 850 more. */
    expect_allocated(world_allocate(world, stage.small, stage.in_small, 0, 9, 0), 9);
    big = ask(&stage, stage.big, stage.in_big, 50, 850);
    world_pass(world, PHYSMEM_MAX_GRACE_NS - 1);
    world_range(world, physmem_frames_deallocate, stage.small, stage.in_small, 0, 1);
    expect_allocated(world_allocate(world, stage.small, stage.in_small, 0, 1, 0), 1);
    world_pass(world, 2);
    assert_null(world_reply(world, big)); /* `slow` was warned only */
    small = ask(&stage, stage.small, stage.in_small, 9, 1);
    check_books(world);
    world_range(world, physmem_frames_deallocate, slow, in_slow, 0, 100);
    expect_allocated(world_reply(world, big), 850);
    expect_allocated(world_reply(world, small), 1);
    check_books(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_free_and_guaranteed_is_given_at_once,
                                        wide_setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_free_is_waited_for_in_order, wide_setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_request_never_overtakes_one_of_its_own_task,
                                        wide_setup, teardown),
        cmocka_unit_test_setup_teardown(test_patience_ends, wide_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
