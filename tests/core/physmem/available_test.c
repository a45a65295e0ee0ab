/* How much a task could have: the figures, whether they hold, and when a task is told of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "expect.h"

static struct physmem_availability availability(struct world *world, struct physmem_task *task)
{
    struct physmem_request request = world_request(world, task);
    const struct physmem_effect *reply;

    physmem_availability_ask(world->physmem, world->now, &request);
    world_run(world);
    reply = world_reply(world, request.seq);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_AVAILABILITY);
    return reply->availability;
}

static void expect_availability(struct world *world, struct physmem_task *task, uint32_t available,
                                uint32_t held, uint32_t promised, uint32_t pressure)
{
    struct physmem_availability now = availability(world, task);

    assert_int_equal(now.available, available);
    assert_int_equal(now.held, held);
    assert_int_equal(now.promised, promised);
    assert_int_equal(now.pressure, pressure);
}

static void watch(struct world *world, struct physmem_task *task, bool on, uint32_t hysteresis)
{
    struct physmem_request request = world_request(world, task);

    physmem_availability_watch(world->physmem, world->now, &request, on, hysteresis);
    world_run(world);
    assert_int_equal(world_reply(world, request.seq)->kind, PHYSMEM_REPLY_AVAILABILITY);
}

static void hear(struct world *world, struct physmem_task *task)
{
    physmem_availability_heard(world->physmem, world->now, task);
    world_run(world);
}

/* ---- Figures: 100 frames, 4 of them reserved; 3 are kept from extra frames ---- */

static void test_contracts_bound_what_is_available(void **state)
{
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *a = task_with(world, "a", 0, 0, &container);

    expect_availability(world, a, 0, 0, 0, 0);
    world_contract(world, a, SP_GUARANTEED, 20);
    expect_availability(world, a, 20, 0, 20, 0);
    world_contract(world, a, SP_TIMED, 10);
    world_contract(world, a, SP_EXTRA, 15);
    expect_availability(world, a, 45, 0, 30, 0);
    expect_allocated(world_allocate(world, a, container, 0, 40, PHYSMEM_EXTRA), 40);
    expect_availability(world, a, 45, 40, 30, 0);
    check_books(world);
}

static void test_what_is_there_bounds_what_is_available(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 20, 60, &in_a);
    struct physmem_task *b = task_with(world, "b", 30, 80, &in_b);

    expect_allocated(world_allocate(world, b, in_b, 0, 50, PHYSMEM_EXTRA), 50);
    expect_availability(world, a, 47, 0, 20, 0); /* 50 less 3 */
    expect_availability(world, b, 97, 50, 30, 0);
    expect_allocated(world_allocate(world, a, in_a, 0, 47, PHYSMEM_EXTRA), 47);
    expect_availability(world, a, 47, 47, 20, 0);
    expect_availability(world, b, 50, 50, 30, 0);
    check_books(world);
}

static void test_debts_and_waiting_requests_lower_it(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, in_c;
    struct physmem_task *a = task_with(world, "a", 10, 70, &in_a);
    struct physmem_task *b = task_with(world, "b", 50, 0, &in_b);
    struct physmem_task *c = task_with(world, "c", 5, 50, &in_c);

    expect_allocated(world_allocate(world, a, in_a, 0, 70, PHYSMEM_EXTRA), 70);
    expect_allocated(world_allocate(world, c, in_c, 0, 7, PHYSMEM_EXTRA), 7);
    assert_null(world_allocate(world, b, in_b, 0, 40, 0)); /* 17 are missing; 3 besides */
    expect_availability(world, b, 50, 0, 50, 20);
    expect_availability(world, a, 70 - world_status(a).owed, 70, 10, 20);
    assert_int_not_equal(world_status(a).owed, 0);
    expect_availability(world, c, 7 - world_status(c).owed, 7, 5, 20);
    check_books(world);
}

/* A task that owes frames gets no more, whether or not another one waits for them. */
static void test_a_debt_alone_lowers_it(void **state)
{
    struct world *world = *state;
    uint32_t in_a;
    struct physmem_task *a = task_with(world, "a", 0, 60, &in_a);

    expect_allocated(world_allocate(world, a, in_a, 0, 40, PHYSMEM_EXTRA), 40);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 10), 10);
    world_run(world);
    expect_availability(world, a, 30, 40, 0, 0);
    check_books(world);
}

/* With an arbiter that grants, what others would have to return counts. */
static void test_what_an_arbiter_would_grant(void **state)
{
    struct world world;
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    world_init(&world, &heap_allocator);
    world.arbiter = arbiter_registry_find("maxmin", 6);
    assert_int_equal(world_start(&world, FRAMES, 4, 0), 0);
    a = task_with(&world, "a", 10, 90, &in_a);
    b = task_with(&world, "b", 10, 90, &in_b);
    expect_allocated(world_allocate(&world, b, in_b, 0, 97, PHYSMEM_EXTRA), 97);
    expect_availability(&world, a, 48, 0, 10, 0); /* half of 97 */
    expect_availability(&world, b, 97, 97, 10, 0);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

/* ---- Whether the figures hold ---- */

#define TASKS        4u
#define WORLD_FRAMES 200u

struct stack {
    struct physmem_task *task;
    uint32_t container;
    uint32_t held; /* the slots below */
};

struct game {
    struct world world;
    struct random_source random;
    struct stack stack[TASKS];
    bool grants;
};

static void give_back(struct game *game, struct stack *stack, uint32_t frames)
{
    if (frames == 0)
        return;
    stack->held -= frames;
    world_range(&game->world, physmem_frames_deallocate, stack->task, stack->container, stack->held,
                frames);
}

static void pay(struct game *game)
{
    for (unsigned i = 0; i < TASKS; i++)
        give_back(game, &game->stack[i], world_status(game->stack[i].task).owed);
}

/* Ask for frames; returns how many came in the end. */
static uint32_t ask(struct game *game, struct stack *stack, uint32_t frames, unsigned flags)
{
    const struct physmem_effect *reply;
    uint32_t before = stack->held;

    if (frames == 0)
        return 0;
    reply = world_allocate(&game->world, stack->task, stack->container, stack->held, frames, flags);
    pay(game);
    if (reply == NULL) /* it had to wait for what was recalled */
        stack->held = world_status(stack->task).held;
    else if (reply->kind == PHYSMEM_REPLY_ALLOCATED)
        stack->held += reply->allocated.count;
    assert_int_equal(stack->held, world_status(stack->task).held);
    return stack->held - before;
}

static void scramble(struct game *game)
{
    for (unsigned step = 0; step < 20; step++) {
        struct stack *stack = &game->stack[random_below(&game->random, TASKS)];

        if (random_below(&game->random, 3) == 0)
            give_back(game, stack, random_below(&game->random, stack->held + 1));
        else
            ask(game, stack, 1 + random_below(&game->random, 60), PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
        world_pass(&game->world, random_below(&game->random, 2) * 100 * MS);
    }
}

/* Ask for all that is said to be there, at once; the others return what is recalled from them. */
static void take_it(struct game *game, struct stack *stack)
{
    struct physmem_task_status status = world_status(stack->task);
    uint32_t promised = status.guaranteed + status.leased;
    uint32_t available = availability(&game->world, stack->task).available;

    assert_true(available >= promised && available >= stack->held);
    assert_true(available <= promised + status.extra || available == stack->held);
    if (promised > stack->held)
        assert_int_equal(ask(game, stack, promised - stack->held, 0), promised - status.held);
    /* What is recalled for it comes when it asks again. */
    for (unsigned tries = 0; tries < 2 && stack->held < available;)
        tries = ask(game, stack, promised + status.extra - stack->held,
                    PHYSMEM_EXTRA | PHYSMEM_PARTIAL) > 0
                    ? 0
                    : tries + 1;
    if (stack->held < available)
        fail_msg("%s: %u frames are available, and %u came", game->world.arbiter->name, available,
                 stack->held);
    if (!game->grants && stack->held > available)
        fail_msg("%s: %u frames are available, and %u came", game->world.arbiter->name, available,
                 stack->held);
    check_books(&game->world);
}

static void play(const char *arbiter, uint64_t seed)
{
    struct game game = {.random = random_seeded(seed)};

    world_init(&game.world, &heap_allocator);
    game.world.arbiter = arbiter_registry_find(arbiter, strlen(arbiter));
    game.grants = (game.world.arbiter->flags & SP_ARBITER_GRANTS) != 0;
    assert_int_equal(world_start(&game.world, WORLD_FRAMES, 8, 0), 0);
    for (unsigned i = 0; i < TASKS; i++) {
        struct sp_terms terms = world_terms(SP_EXTRA, 20 + random_below(&game.random, 180));

        game.stack[i].task = task_with(&game.world, "x", random_below(&game.random, 50), 0,
                                       &game.stack[i].container);
        terms.weight = 1 + random_below(&game.random, 4);
        world_propose(&game.world, game.stack[i].task, &terms);
    }
    for (unsigned round = 0; round < 60; round++) {
        scramble(&game);
        take_it(&game, &game.stack[random_below(&game.random, TASKS)]);
    }
    assert_int_equal(world_end(&game.world), 0);
}

static void test_what_is_said_to_be_available_can_be_had(void **state)
{
    /* Those whose answers do not depend on the time, and that promise what they say. */
    static const char *const arbiters[] = {"excess", "fcfs", "maxmin", "esx"};

    (void)state;
    for (unsigned i = 0; i < sizeof(arbiters) / sizeof(arbiters[0]); i++)
        for (uint64_t seed = 1; seed <= (RUNNING_ON_VALGRIND ? 1 : 10); seed++)
            play(arbiters[i], seed);
}

/* ---- Which task is told when ---- */

static uint32_t told_since(struct world *world, uint32_t since)
{
    uint32_t count = 0;

    for (uint32_t i = since; i < world->recorded; i++)
        count += world->record[i % WORLD_RECORD].kind == PHYSMEM_SEND_AVAILABILITY;
    return count;
}

static void test_watchers_are_told_of_changes(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b;
    struct physmem_task *a = task_with(world, "a", 10, 80, &in_a);
    struct physmem_task *b = task_with(world, "b", 20, 60, &in_b);
    const struct physmem_effect *told;
    uint32_t since;

    watch(world, a, true, 10); /* 90 are available */
    since = world->recorded;
    expect_allocated(world_allocate(world, b, in_b, 0, 16, PHYSMEM_EXTRA), 16);
    assert_int_equal(told_since(world, since), 0); /* 81 */
    expect_allocated(world_allocate(world, b, in_b, 16, 2, PHYSMEM_EXTRA), 2);
    told = world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a);
    assert_non_null(told);
    assert_int_equal(told->availability.available, 79);
    /* At most one message is under way. */
    expect_allocated(world_allocate(world, b, in_b, 18, 30, PHYSMEM_EXTRA), 30);
    assert_int_equal(told_since(world, since), 1);
    hear(world, a);
    assert_int_equal(told_since(world, since), 2);
    assert_int_equal(world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a)->availability.available,
                     49);
    hear(world, a);
    /* A contract of its own. */
    world_contract(world, a, SP_TIMED, 66);
    assert_int_equal(told_since(world, since), 3);
    hear(world, a);
    watch(world, a, false, 0);
    world_range(world, physmem_frames_deallocate, b, in_b, 0, 48);
    assert_int_equal(told_since(world, since), 3);
    check_books(world);
}

static void test_pressure_is_told_before_recalls(void **state)
{
    struct world *world = *state;
    uint32_t in_a, in_b, since;
    struct physmem_task *a = task_with(world, "a", 10, 80, &in_a);
    struct physmem_task *b = task_with(world, "b", 60, 0, &in_b);
    const struct physmem_effect *told, *recall;

    expect_allocated(world_allocate(world, a, in_a, 0, 50, PHYSMEM_EXTRA), 50);
    watch(world, a, true, 1000);
    since = world->recorded;
    expect_allocated(world_allocate(world, b, in_b, 0, 47, 0), 47); /* 3 are left */
    assert_int_equal(told_since(world, since), 0);
    expect_allocated(world_allocate(world, b, in_b, 47, 1, 0), 1);
    told = world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a);
    assert_non_null(told);
    assert_int_equal(told->availability.pressure, 1);
    hear(world, a);
    assert_null(world_allocate(world, b, in_b, 48, 5, 0)); /* it was told already */
    assert_int_equal(told_since(world, since), 1);
    assert_non_null(world_find(world, since, PHYSMEM_SEND_RECALL, a));
    world_range(world, physmem_frames_deallocate, a, in_a, 40, 10);
    assert_int_equal(told_since(world, since), 2); /* that it is over */
    assert_int_equal(world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a)->availability.pressure,
                     0);
    hear(world, a);
    /* All at once: the message about pressure still comes first. */
    since = world->recorded;
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 6), 6);
    world_run(world);
    told = world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a);
    recall = world_find(world, since, PHYSMEM_SEND_RECALL, a);
    assert_non_null(told);
    assert_non_null(recall);
    assert_true(told < recall);
    assert_int_equal(told->availability.pressure, 6);
    assert_int_equal(told->availability.available, 34); /* of 40 */
    check_books(world);
}

/* More watchers than are looked at in one go: all are told, soon. */
static void test_many_watchers(void **state)
{
    enum { MANY = 100 };
    struct world world;
    struct physmem_task *task[MANY], *b;
    uint32_t in_b, since;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(world_start(&world, 10000, 0, 0), 0);
    for (unsigned i = 0; i < MANY; i++) {
        task[i] = world_task(&world, "watcher");
        world_contract(&world, task[i], SP_EXTRA, 10000);
        watch(&world, task[i], true, 100);
    }
    b = task_with(&world, "b", 5000, 0, &in_b);
    since = world.recorded;
    world_allocate(&world, b, in_b, 0, 1000, 0);
    assert_in_range(told_since(&world, since), 1, MANY - 1);
    world_pass(&world, 20 * MS);
    assert_int_equal(told_since(&world, since), MANY);
    world_pass(&world, SECOND);
    assert_int_equal(told_since(&world, since), MANY);
    for (unsigned i = 0; i < MANY; i += 2)
        physmem_task_gone(world.physmem, world.now, task[i]);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

/* Whatever changes what a task could have is told at once, an accepted counter-offer, too. */
static void test_an_accepted_counter_offer_is_told(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct sp_terms terms = world_terms(SP_GUARANTEED, 500);
    const struct physmem_effect *reply;
    uint32_t since;

    watch(world, a, true, 0);
    terms.min = 1;
    reply = world_propose(world, a, &terms);
    expect_offer(reply, SP_COUNTERED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_COUNTERED);
    since = world->recorded;
    world_accept(world, a, reply->offer.offer.contract);
    assert_non_null(world_find(world, since, PHYSMEM_SEND_AVAILABILITY, a));
    check_books(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contracts_bound_what_is_available, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_there_bounds_what_is_available, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_debts_and_waiting_requests_lower_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_debt_alone_lowers_it, setup, teardown),
        cmocka_unit_test(test_what_an_arbiter_would_grant),
        cmocka_unit_test(test_what_is_said_to_be_available_can_be_had),
        cmocka_unit_test_setup_teardown(test_watchers_are_told_of_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pressure_is_told_before_recalls, setup, teardown),
        cmocka_unit_test(test_many_watchers),
        cmocka_unit_test_setup_teardown(test_an_accepted_counter_offer_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
