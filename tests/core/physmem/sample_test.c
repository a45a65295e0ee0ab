/* Idleness by sampling: what counts as used, and what tells nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/physmem/candidates.h"
#include "core/physmem/idle.h"
#include "expect.h"

#define UNMAPS_KEPT 64u

/* The slots that one task was asked to unmap in the present period. */
struct asked {
    struct physmem_task *task;
    uint32_t slot[UNMAPS_KEPT];
    uint32_t count;
};

/* Which of these it uses. */
typedef bool uses(uint32_t slot);

static bool all_slots(uint32_t slot)
{
    (void)slot;
    return true;
}

static bool no_slot(uint32_t slot)
{
    (void)slot;
    return false;
}

static bool every_other_slot(uint32_t slot)
{
    return slot % 2 == 0;
}

static bool first_quarter(uint32_t slot)
{
    return slot < 10;
}

/* A task that holds and maps 40 extra frames. */
static struct physmem_task *mapped_task(struct world *world, const char *name, uint32_t *container)
{
    struct physmem_task *task = task_with(world, name, 0, 40, container);

    expect_allocated(world_allocate(world, task, *container, 0, 40, PHYSMEM_EXTRA), 40);
    world_map(world, task, *container, 0, 40);
    return task;
}

/* One period: physmem draws, the task answers, and asks again for what it uses. */
static void period(struct world *world, struct random_source *random, struct physmem_task *task,
                   uint32_t container, uses *used, uint32_t run)
{
    uint32_t since = world->recorded;
    struct asked asked = {.task = task};

    physmem_sample(world->physmem, world->now, random);
    world_run(world);
    for (uint32_t i = since; i < world->recorded; i++) {
        const struct physmem_effect *effect = &world->record[i % WORLD_RECORD];

        if (effect->kind != PHYSMEM_SEND_UNMAP || effect->task != task)
            continue;
        assert_int_equal(effect->unmap.range.count, 1);
        asked.slot[asked.count++] = effect->unmap.range.start;
        assert_int_equal(physmem_unmap_answered(world->physmem, world->now, task, effect->unmap.id),
                         0);
    }
    for (uint32_t i = 0; i < asked.count; i++)
        if (used(asked.slot[i]))
            world_map(world, task, container, asked.slot[i], smaller(run, 40 - asked.slot[i]));
    check_books(world);
}

static void expect_idle(const struct physmem_task *task, uint32_t least, uint32_t most)
{
    assert_in_range(idle_part(task), least, most);
}

static void test_unknown_is_zero(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct random_source random = random_seeded(1);

    expect_idle(a, 0, 0);
    period(world, &random, a, in_a, no_slot, 1);
    expect_idle(a, 0, 0); /* the first period goes on */
    period(world, &random, a, in_a, no_slot, 1);
    assert_true(idle_part(a) > 0);
}

static void test_the_idle_and_the_active(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct physmem_task *b;
    struct random_source random = random_seeded(2);

    for (unsigned i = 0; i < 40; i++)
        period(world, &random, a, in_a, no_slot, 1);
    expect_idle(a, 990, 1000);
    b = mapped_task(world, "b", &in_b); /* a answers no more */
    for (unsigned i = 0; i < 40; i++)
        period(world, &random, b, in_b, all_slots, 1);
    expect_idle(b, 0, 0);
}

static void test_a_part_is_used(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct physmem_task *b;
    struct random_source random = random_seeded(3);
    uint64_t half = 0, quarter = 0;

    for (unsigned i = 0; i < 240; i++) {
        period(world, &random, a, in_a, every_other_slot, 1);
        half += i < 40 ? 0 : idle_part(a);
    }
    b = mapped_task(world, "b", &in_b);
    for (unsigned i = 0; i < 240; i++) {
        period(world, &random, b, in_b, first_quarter, 1);
        quarter += i < 40 ? 0 : idle_part(b);
    }
    /* The largest of three averages is a little above the truth. */
    assert_in_range(half / 200, 380, 510);
    assert_in_range(quarter / 200, 630, 760);
}

static void test_it_wakes_up_at_once(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct random_source random = random_seeded(4);

    for (unsigned i = 0; i < 40; i++)
        period(world, &random, a, in_a, no_slot, 1);
    for (uint32_t slot = 0; slot < 40; slot++) /* by now all are without rights */
        world_map(world, a, in_a, slot, 1);
    expect_idle(a, 490, 510); /* within the period: half by the present, half by the past */
    period(world, &random, a, in_a, all_slots, 1);
    period(world, &random, a, in_a, all_slots, 1);
    expect_idle(a, 0, 260);
}

/* Slots for which rights are asked because a neighbour was used are no sign of use. */
static void test_neighbours_do_not_count(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct random_source random = random_seeded(5);
    uint64_t sum = 0;

    for (unsigned i = 0; i < 240; i++) {
        period(world, &random, a, in_a, first_quarter, 30);
        sum += i < 40 ? 0 : idle_part(a);
    }
    assert_in_range(sum / 200, 630, 760);
}

static void test_what_is_lost_tells_nothing(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct random_source random = random_seeded(6);

    for (unsigned i = 0; i < 10; i++) {
        period(world, &random, a, in_a, no_slot, 1);
        world_range(world, physmem_frames_deallocate, a, in_a, 0, 40);
        expect_allocated(world_allocate(world, a, in_a, 0, 40, PHYSMEM_EXTRA), 40);
        world_map(world, a, in_a, 0, 40);
    }
    expect_idle(a, 0, 0);
    /* Nothing held, nothing drawn; the container may go. */
    {
        struct physmem_request request = world_request(world, a);

        period(world, &random, a, in_a, no_slot, 1);
        physmem_container_destroy(world->physmem, world->now, &request, in_a);
        world_run(world);
        physmem_sample(world->physmem, world->now, &random);
        physmem_sample(world->physmem, world->now, &random);
        world_run(world);
    }
    expect_idle(a, 0, 0);
    check_books(world);
}

static void test_silence_tells_nothing(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct random_source random = random_seeded(7);

    for (unsigned i = 0; i < 5; i++) {
        physmem_sample(world->physmem, world->now, &random);
        world_run(world);
        expect_idle(a, 0, 0);
    }
    /* But it is a breach in the end. */
    world_pass(world, 2 * PHYSMEM_UNMAP_GRACE_NS);
    assert_true(world_status(a).breached);
    physmem_sample(world->physmem, world->now, &random);
    check_books(world);
}

static void test_a_task_cannot_take_back_ghost_hits(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = mapped_task(world, "a", &in_a);
    struct frame_stack *stack = world_open_stack(world, a, in_a, 10)->stack.stack;
    struct sp_arbiter_task said;

    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.ghost_hits, 0);
    stack->ghost_hits = 70;
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.ghost_hits, 70);
    stack->ghost_hits = 5;
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.ghost_hits, 70);
}

/* What a task asks for is the size of its next batch; what it would use it states. That counts for as
 * long as it asks, as far as its contracts allow, and is never less than what it has and asks for. */
static void test_a_task_states_its_demand(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 50, &in_a);
    struct physmem_task *b = task_with(world, "b", 0, 90, &in_b);
    struct frame_stack *stack = world_open_stack(world, a, in_a, 10)->stack.stack;
    struct sp_arbiter_task said;

    expect_allocated(world_allocate(world, b, in_b, 0, 90, PHYSMEM_EXTRA), 90);
    stack->demand = 55;
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.demand, 0); /* it does not ask */
    expect_allocated(world_allocate(world, a, in_a, 0, 10, 0), 10);
    expect_error(world_allocate(world, a, in_a, 10, 8, PHYSMEM_EXTRA), ENOMEM);
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.wanted, 8);
    assert_int_equal(said.demand, 55);
    stack->demand = UINT32_MAX;
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.demand, 60);
    stack->demand = 3;
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.demand, 18);
    stack->demand = 55;
    world_pass(world, 2 * SECOND);
    world_container(world, b, 1); /* physmem learns of the time */
    candidates_describe(world->physmem, a, &said);
    assert_int_equal(said.demand, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unknown_is_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_idle_and_the_active, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_part_is_used, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_wakes_up_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neighbours_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_lost_tells_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence_tells_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_task_cannot_take_back_ghost_hits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_task_states_its_demand, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
