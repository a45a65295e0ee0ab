/* Frames that are taken from a frame stack: which, how many, and what is never believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"
#include "shm/frame_stack.h"

#define PLACES 128u

/* A task that holds `held` extra frames, from slot 0, and offers `offered` of them. */
static struct frame_offers offers_of(struct world *world, struct physmem_task *task,
                                     uint32_t container, uint32_t held, uint32_t offered)
{
    const struct physmem_effect *reply = world_open_stack(world, task, container, PLACES);
    struct frame_offers offers;

    assert_int_equal(reply->kind, PHYSMEM_REPLY_STACK);
    frame_stack_offers_init(&offers, reply->stack.stack, reply->stack.places);
    expect_allocated(
        world_allocate(world, task, container, 0, held, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), held);
    for (uint32_t slot = 0; slot < offered; slot++)
        assert_int_not_equal(frame_stack_offers_add(&offers, slot), 0);
    return offers;
}

static void count_lost(void *context, uint32_t slot)
{
    uint32_t *count = context;

    assert_int_equal(slot, *count);
    ++*count;
}

static void test_unused_frames_go_without_a_message(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, lost = 0;
    struct physmem_task *a = task_with(world, "a", 0, 95, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct frame_offers offers = offers_of(world, a, in_a, 95, 60);

    expect_allocated(world_allocate(world, b, in_b, 0, 50, 0), 50);
    assert_null(world_find(world, 0, PHYSMEM_SEND_RECALL, a));
    assert_int_equal(world_status(a).held, 50);
    assert_int_equal(world_status(a).owed, 0);
    assert_int_equal(world_status(a).recalls, 0);
    assert_int_equal(world_status(a).frames_transparent, 45); /* five were free */
    assert_int_equal(world_status(a).recalls_transparent, 1);
    assert_true(frame_offers_were_taken(&offers));
    frame_stack_offers_sweep(&offers, count_lost, &lost);
    assert_int_equal(lost, 45); /* from the top */
    check_books(world);
}

static void test_what_is_lacking_is_asked_for(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, waiting;
    struct physmem_task *a = task_with(world, "a", 0, 95, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct physmem_status status;

    offers_of(world, a, in_a, 95, 10);
    assert_null(world_allocate(world, b, in_b, 0, 50, 0));
    waiting = world->seq;
    assert_int_equal(world_find(world, 0, PHYSMEM_SEND_RECALL, a)->recall.frames, 35);
    assert_int_equal(world_status(a).owed, 35);
    assert_int_equal(world_status(a).frames_recalled, 35);
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.frames_transparent, 10);
    assert_int_equal(status.frames_recalled, 35);
    assert_int_equal(status.recalls, 1);
    world_range(world, physmem_frames_deallocate, a, in_a, 50, 35);
    expect_allocated(world_reply(world, waiting), 50);
    assert_int_equal(world_status(a).recalls_met, 1);
    check_books(world);
}

static void test_what_is_promised_or_owed_is_not_taken(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 40, 20, &in_a);

    offers_of(world, a, in_a, 60, 1);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 15), 15);
    assert_int_equal(world_status(a).frames_transparent, 1);
    assert_int_equal(world_status(a).owed, 14);
    world_run(world);
    {
        struct frame_offers offers;

        frame_stack_offers_init(&offers, world->shell.stack[0].stack, PLACES);
        for (uint32_t slot = 1; slot < 50; slot++)
            frame_stack_offers_add(&offers, slot);
    }
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 100), 5);
    world_run(world);
    assert_int_equal(world_status(a).held, 54);
    assert_int_equal(world_status(a).owed, 14);
    check_books(world);
}

static void test_nothing_is_believed(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, second;
    struct physmem_task *a = task_with(world, "a", 0, 90, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 90, &in_b);
    struct frame_offers offers = offers_of(world, a, in_a, 10, 0);
    static const uint32_t lies[] = {999, 1000, FRAME_STACK_TAKEN - 2, 500, 3, 3, 3, 20, 4};

    second = world_container(world, a, 1000);
    expect_allocated(world_allocate(world, a, second, 500, 5, PHYSMEM_EXTRA), 5);
    expect_allocated(world_allocate(world, b, in_b, 20, 5, PHYSMEM_EXTRA), 5);
    world_range(world, physmem_frames_release, a, in_a, 4, 1); /* soft */
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        frame_stack_offers_add(&offers, lies[i]);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 14), 14);
    assert_int_equal(world_status(a).frames_transparent, 1); /* slot 3, once */
    assert_int_equal(world_status(b).held, 5);
    assert_int_equal(world_status(a).held, 13);
    check_books(world);
}

static void test_an_unmap_under_way_is_waited_for(void **state)
{
    struct world *world = *state;
    struct random_source random = random_seeded(3);
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 0, 90, &in_a);
    uint32_t slots = 0;

    offers_of(world, a, in_a, 1, 1);
    world_map(world, a, in_a, 0, 1);
    while (slots == 0)
        slots = physmem_unmap_random(world->physmem, world->now, &random);
    world_run(world);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 1), 1);
    assert_int_equal(world_status(a).frames_transparent, 0);
    assert_int_equal(world_status(a).owed, 1);
    check_books(world);
}

static void test_taken_frames_are_cleared(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 0, 90, &in_a);
    struct physmem_shell_extent *extent;

    offers_of(world, a, in_a, 8, 4);
    world_map(world, a, in_a, 0, 8);
    extent = world_extent(world, world->items[0].extent);
    physmem_shell_touch(extent, 0, 8, 1);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 3), 3);
    world_run(world);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(extent->page[i], i >= 3);
    check_books(world);
}

static void test_extra_frames_move_without_a_message(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a;
    struct physmem_task *b;

    assert_int_equal(teardown(state), 0);
    world_init(world, &heap_allocator);
    world->arbiter = &arbiter_maxmin;
    assert_int_equal(world_start(world, FRAMES, 4, 0), 0);
    a = task_with(world, "a", 0, 95, &in_a);
    b = task_with(world, "b", 0, 95, &in_b);
    offers_of(world, a, in_a, 95, 95);
    world_allocate(world, b, in_b, 0, 40, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
    assert_null(world_find(world, 0, PHYSMEM_SEND_RECALL, a));
    assert_non_null(world_find(world, 0, PHYSMEM_SEND_NOTICE, b));
    expect_allocated(world_allocate(world, b, in_b, 10, 30, PHYSMEM_EXTRA | PHYSMEM_PARTIAL), 30);
    check_books(world);
}

static void test_opening(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 0, 90, &in_a);

    task_with(world, "b", 0, 90, &in_b);
    expect_error(world_open_stack(world, a, in_b, 10), ENOENT);
    expect_error(world_open_stack(world, a, in_a, 0), EINVAL);
    expect_error(world_open_stack(world, a, in_a, FRAME_STACK_PLACES_MAX + 1), EINVAL);
    world->shell.create_error = EMFILE;
    expect_error(world_open_stack(world, a, in_a, 10), EMFILE);
    world->shell.create_error = 0;
    assert_int_equal(world_open_stack(world, a, in_a, 10)->kind, PHYSMEM_REPLY_STACK);
    expect_error(world_open_stack(world, a, in_a, 10), EEXIST);
    check_books(world);
    /* Without its container it lists nothing. */
    {
        struct physmem_request request = world_request(world, a);

        physmem_container_destroy(world->physmem, world->now, &request, in_a);
        world_run(world);
    }
    in_a = world_container(world, a, 1000);
    expect_allocated(world_allocate(world, a, in_a, 0, 5, PHYSMEM_EXTRA), 5);
    world->shell.stack[0].stack->place[0] = 1;
    world->shell.stack[0].stack->span = 1;
    physmem_recall_from(world->physmem, world->now, "a", 5);
    world_run(world);
    check_books(world);
    physmem_task_gone(world->physmem, world->now, a);
    world_run(world);
    assert_null(world->shell.stack[0].stack);
}

static void test_revocation_ends_it(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 0, 90, &in_a);

    offers_of(world, a, in_a, 10, 0);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 5), 5);
    world_run(world);
    world_pass(world, 60 * SECOND);
    assert_true(world_status(a).breached);
    assert_null(world->shell.stack[0].stack);
    expect_error(world_open_stack(world, a, in_a, 10), EPIPE);
    check_books(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unused_frames_go_without_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_lacking_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_promised_or_owed_is_not_taken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_unmap_under_way_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_frames_are_cleared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extra_frames_move_without_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_opening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revocation_ends_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
