/* No request costs physmem more than a bounded amount of work: what is long is done in slices, and what
 * is refused is refused without counting. The work of an input is measured by the effects that come of
 * it, by what is left to do after it, and by how often an arbiter is asked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

#define GIGABYTE 262144u

static int big_setup(void **state)
{
    static struct world world;

    world_init(&world, &heap_allocator);
    *state = &world;
    return world_start(&world, GIGABYTE + 10000, 0, 0);
}

/* A task that holds one gigabyte, none of it mapped. */
static struct physmem_task *gigabyte(struct world *world, uint32_t *container)
{
    struct physmem_task *task = world_task(world, "big");

    world_contract(world, task, SP_GUARANTEED, GIGABYTE);
    *container = world_container(world, task, GIGABYTE);
    for (uint32_t slot = 0; slot < GIGABYTE; slot += PHYSMEM_ALLOCATE_MAX)
        expect_allocated(world_allocate(world, task, *container, slot, PHYSMEM_ALLOCATE_MAX, 0),
                         PHYSMEM_ALLOCATE_MAX);
    return task;
}

static struct physmem_status status_of(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status;
}

static void test_a_task_of_a_gigabyte_is_freed_in_slices(void **state)
{
    struct world *world = *state;
    uint32_t container, in_other;
    struct physmem_task *other = task_with(world, "other", 20, 0, &in_other);
    size_t before, after;

    physmem_task_gone(world->physmem, world->now, gigabyte(world, &container));
    world_run(world);
    check_books(world);
    assert_int_equal(status_of(world).free, GIGABYTE + 10000); /* all can be had */
    before = world->memory.bytes;
    /* The tables of a slice are gone, and most are not. */
    physmem_tick(world->physmem, physmem_deadline(world->physmem));
    world_run(world);
    after = world->memory.bytes;
    assert_true(after < before && before - after < 4 * 4 * 1024 * 2);
    expect_allocated(world_allocate(world, other, in_other, 0, 20, 0), 20);
    check_books(world);
    world_pass(world, SECOND);
    assert_true(before - world->memory.bytes > GIGABYTE * 3); /* the tables of slots */
    assert_int_equal(physmem_deadline(world->physmem), DEADLINE_NEVER);
    check_books(world);
}

/* A task can get frames that are dead but not yet free. */
static void test_frames_of_a_dead_task_can_be_had_at_once(void **state)
{
    struct world *world = *state;
    uint32_t container;

    physmem_task_gone(world->physmem, world->now, gigabyte(world, &container));
    world_run(world);
    gigabyte(world, &container);
    check_books(world);
}

static void test_a_large_deallocation_is_answered_when_it_is_done(void **state)
{
    struct world *world = *state;
    uint32_t container, in_other;
    struct physmem_task *task = gigabyte(world, &container);
    struct physmem_task *other = task_with(world, "other", 20, 0, &in_other);
    const struct physmem_request request = world_request(world, task);
    const struct physmem_request second = world_request(world, task);
    const struct physmem_range range = {0, GIGABYTE};
    const struct physmem_effect *reply;
    uint32_t held;

    physmem_frames_deallocate(world->physmem, world->now, &request, container, &range, 1);
    world_run(world);
    assert_null(world_reply(world, request.seq));
    held = world_status(task).held;
    assert_true(held < GIGABYTE && held > GIGABYTE - 8192);
    check_books(world);
    physmem_frames_deallocate(world->physmem, world->now, &second, container, &range, 1);
    world_run(world);
    expect_error(world_reply(world, second.seq), EBUSY);
    expect_allocated(world_allocate(world, other, in_other, 0, 20, 0), 20);
    world_pass(world, SECOND);
    reply = world_reply(world, request.seq);
    assert_non_null(reply);
    assert_int_equal(reply->error, 0);
    assert_int_equal(reply->count, GIGABYTE);
    assert_int_equal(world_status(task).held, 0);
    check_books(world);
}

static void test_a_large_deallocation_ends_with_its_container(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = gigabyte(world, &container);
    const struct physmem_request request = world_request(world, task);
    const struct physmem_request destroy = world_request(world, task);
    const struct physmem_range range = {0, GIGABYTE};

    physmem_frames_deallocate(world->physmem, world->now, &request, container, &range, 1);
    physmem_container_destroy(world->physmem, world->now, &destroy, container);
    world_run(world);
    expect_error(world_reply(world, request.seq), ENOENT);
    assert_int_equal(world_reply(world, destroy.seq)->error, 0);
    check_books(world);
    world_pass(world, SECOND);
    check_books(world);
}

static void test_ranges_that_overlap_without_bound_are_refused(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 20, 0, &container);
    const struct physmem_request request = world_request(world, task);
    struct physmem_range ranges[256];

    for (unsigned i = 0; i < 256; i++)
        ranges[i] = (struct physmem_range){0, 1000};
    physmem_unmap_own(world->physmem, world->now, &request, container, ranges, 256);
    world_run(world);
    expect_error(world_reply(world, request.seq), EINVAL);
}

static void test_no_more_can_be_released_at_once_than_allocated(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = gigabyte(world, &container);

    expect_error(
        world_range(world, physmem_frames_release, task, container, 0, PHYSMEM_ALLOCATE_MAX + 1),
        E2BIG);
    assert_int_equal(
        world_range(world, physmem_frames_release, task, container, 0, PHYSMEM_ALLOCATE_MAX)->count,
        PHYSMEM_ALLOCATE_MAX);
    expect_error(
        world_range(world, physmem_frames_recover, task, container, 0, PHYSMEM_ALLOCATE_MAX + 1),
        E2BIG);
    check_books(world);
}

/* ---- Arbiters are not asked again and again ---- */

static unsigned asked;

static uint32_t refuse(void *self, uint64_t now, const struct sp_arbiter_task *tasks, size_t count,
                       const struct sp_arbiter_request *request, uint32_t *take)
{
    (void)self;
    (void)now;
    (void)tasks;
    (void)count;
    (void)take;
    asked += request->event == SP_ARBITER_EXTRA;
    return 0;
}

static const struct sp_arbiter refuser = {
    .abi = SP_ARBITER_ABI, .flags = SP_ARBITER_GRANTS, .name = "refuser", .decide = refuse};

static void test_a_refused_task_does_not_make_the_arbiter_look_again_and_again(void **state)
{
    struct world world;
    struct physmem_task *task;
    uint32_t container;

    (void)state;
    world_init(&world, &heap_allocator);
    world.arbiter = &refuser;
    assert_int_equal(world_start(&world, FRAMES, 0, 0), 0);
    task = task_with(&world, "a", 0, FRAMES, &container);
    for (unsigned i = 0; i < 100; i++)
        world_task(&world, "other");
    world_task(&world, "last");
    asked = 0;
    for (unsigned i = 0; i < 1000; i++)
        expect_error(world_allocate(&world, task, container, 0, FRAMES, PHYSMEM_EXTRA), ENOMEM);
    assert_int_equal(asked, 1);
    world_pass(&world, 10 * MS);
    expect_error(world_allocate(&world, task, container, 0, FRAMES, PHYSMEM_EXTRA), ENOMEM);
    assert_int_equal(asked, 2);
    assert_int_equal(world_end(&world), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, big_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_task_of_a_gigabyte_is_freed_in_slices),
        TEST(test_frames_of_a_dead_task_can_be_had_at_once),
        TEST(test_a_large_deallocation_is_answered_when_it_is_done),
        TEST(test_a_large_deallocation_ends_with_its_container),
        TEST(test_ranges_that_overlap_without_bound_are_refused),
        TEST(test_no_more_can_be_released_at_once_than_allocated),
        cmocka_unit_test(test_a_refused_task_does_not_make_the_arbiter_look_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
