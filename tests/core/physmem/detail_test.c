/* What physmem says of one task, piece by piece. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <selfpage/task.h>

#include "core/physmem/detail.h"
#include "expect.h"

static struct physmem_task_detail detail_of(struct world *world, const struct physmem_task *task)
{
    struct physmem_task_detail detail;

    physmem_detail_get(world->physmem, world->now, task, &detail);
    return detail;
}

static void contracts_are_told_in_order_with_the_time_left(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 10, 30, &container);
    struct sp_terms terms = {.kind = SP_TIMED, .frames = 5, .min = 5, .term_ns = 2000};
    struct physmem_task_detail detail;

    world_propose(world, task, &terms);
    expect_allocated(world_allocate(world, task, container, 0, 15, 0), 15);
    world_pass(world, 500);
    detail = detail_of(world, task);
    assert_int_equal(detail.contracts, 3);
    assert_int_equal(detail.contract[0].terms.kind, SP_GUARANTEED);
    assert_int_equal(detail.contract[0].terms.frames, 10);
    assert_true(detail.contract[0].left_ns == SP_FOREVER);
    assert_int_equal(detail.contract[1].terms.kind, SP_EXTRA);
    assert_int_equal(detail.contract[2].left_ns, 1500);
    assert_int_equal(detail.contract[2].state, SP_CONTRACT_ACTIVE);
    world_pass(world, 9000);
    detail = detail_of(world, task);
    assert_int_equal(detail.contract[2].state, SP_CONTRACT_EXPIRED);
    assert_int_equal(detail.contract[2].left_ns, 0);
}

static void a_recall_is_told_until_it_is_met(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 85, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct physmem_task_detail detail;

    expect_allocated(world_allocate(world, a, in_a, 0, 95, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 95);
    assert_int_equal(detail_of(world, a).recalls, 0);
    assert_null(world_allocate(world, b, in_b, 0, 20, 0));
    world_range(world, physmem_frames_deallocate, a, in_a, 0, 4);
    detail = detail_of(world, a);
    assert_int_equal(detail.recalls, 1);
    assert_int_equal(detail.recall[0].asked, 15);
    assert_int_equal(detail.recall[0].missing, 11);
    assert_int_equal(detail.recall[0].left_ns, SP_DEFAULT_T_DROP_NS);
    assert_false(detail.recall[0].overdue);
    world_range(world, physmem_frames_deallocate, a, in_a, 4, 11);
    assert_int_equal(detail_of(world, a).recalls, 0);
}

static void containers_are_told_up_to_a_number(void **state)
{
    struct world *world = *state;
    uint32_t first;
    struct physmem_task *task = task_with(world, "a", 50, 0, &first);
    struct physmem_task_detail detail;

    expect_allocated(world_allocate(world, task, first, 0, 7, 0), 7);
    world_range(world, physmem_frames_release, task, first, 0, 2);
    detail = detail_of(world, task);
    assert_int_equal(detail.containers, 1);
    assert_int_equal(detail.container[0].number, first);
    assert_int_equal(detail.container[0].slots, 1000);
    assert_int_equal(detail.container[0].allocated, 5);
    assert_int_equal(detail.container[0].soft, 2);
    for (uint32_t i = 0; i < PHYSMEM_DETAIL_CONTAINERS; i++)
        world_container(world, task, 1 + i);
    detail = detail_of(world, task);
    assert_int_equal(detail.containers, PHYSMEM_DETAIL_CONTAINERS + 1);
    assert_int_equal(detail.containers_seen, PHYSMEM_DETAIL_CONTAINERS);
    for (uint32_t i = 0; i < detail.containers_seen; i++) /* those made last, the newest first */
        assert_int_equal(detail.container[i].slots, PHYSMEM_DETAIL_CONTAINERS - i);
}

static void regions_are_repeated_as_the_task_tells_them(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 50, 0, &container);
    struct frame_offers offers;
    struct physmem_task_detail detail;

    assert_int_equal(detail_of(world, task).regions_seen, 0); /* there is no stack yet */
    assert_non_null(world_open_stack(world, task, container, 100));
    frame_stack_offers_init(&offers, world->shell.stack[0].stack, 100);
    frame_stack_offers_tell_base(&offers, 0x10000);
    frame_stack_offers_tell_region(&offers, 0, 0, 20, SP_PRECIOUS, 1);
    frame_stack_offers_tell_region(&offers, 2, 30, 7, SP_DISCARDABLE, 2);
    frame_stack_offers_tell_region(&offers, FRAME_STACK_REGIONS, 99, 1, SP_PRECIOUS, 3);
    frame_stack_offers_tell_resident(&offers, 2, 4);
    frame_stack_offers_tell_resident(&offers, FRAME_STACK_REGIONS, 1);
    detail = detail_of(world, task);
    assert_int_equal(detail.regions, 3);
    assert_int_equal(detail.regions_seen, 2);
    assert_int_equal(detail.region[1].address, 0x10000 + 30 * SP_PAGE_SIZE);
    assert_int_equal(detail.region[1].pages, 7);
    assert_int_equal(detail.region[1].resident, 4);
    assert_int_equal(detail.region[1].kind, SP_DISCARDABLE);
    /* One is gone, and another one is a lie, which harms nobody's books. */
    frame_stack_offers_tell_region(&offers, 0, 0, 0, 0, 1);
    frame_stack_offers_tell_region(&offers, 5, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
    detail = detail_of(world, task);
    assert_int_equal(detail.regions_seen, 2);
    assert_int_equal(detail.region[0].pages, 7);
    assert_int_equal(detail.region[1].kind, UINT32_MAX);
    check_books(world);
}

static void a_task_that_has_lost_everything_has_nothing(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 85, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct physmem_task_detail detail;

    expect_allocated(world_allocate(world, a, in_a, 0, 95, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 95);
    assert_null(world_allocate(world, b, in_b, 0, 20, 0));
    world_pass(world, SP_DEFAULT_T_DROP_NS + 1);
    detail = detail_of(world, a);
    assert_int_equal(detail.contracts + detail.recalls + detail.containers, 0);
    detail = detail_of(world, b);
    assert_int_equal(detail.contracts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contracts_are_told_in_order_with_the_time_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_recall_is_told_until_it_is_met, setup, teardown),
        cmocka_unit_test_setup_teardown(containers_are_told_up_to_a_number, setup, teardown),
        cmocka_unit_test_setup_teardown(regions_are_repeated_as_the_task_tells_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_task_that_has_lost_everything_has_nothing, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
