/* The claim protocol of the frame stack: what it lists, and two threads that fight over every frame. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "shm/frame_stack.h"

#define PLACES 5u

struct pair {
    struct frame_stack *stack;
    struct frame_offers offers;
};

static struct pair pair_new(uint32_t places)
{
    struct pair pair = {.stack = calloc(1, frame_stack_size(places))};

    assert_non_null(pair.stack);
    frame_stack_offers_init(&pair.offers, pair.stack, places);
    return pair;
}

/* Take the first that can be taken. */
static uint32_t take_one(struct frame_stack *stack, uint32_t places, uint32_t *taken)
{
    struct frame_walk walk = frame_stack_walk_start(stack, places, places);
    uint32_t slot = frame_stack_walk_next(&walk);

    if (slot == FRAME_STACK_NONE || !frame_stack_walk_claim(&walk))
        return FRAME_STACK_NONE;
    frame_stack_tell(stack, ++*taken);
    return slot;
}

static void collect(void *context, uint32_t slot)
{
    uint32_t *lost = context;

    lost[++lost[0]] = slot;
}

static void test_order_and_room(void **state)
{
    struct pair pair = pair_new(PLACES);
    uint32_t place[PLACES + 1];
    uint32_t taken = 0;
    uint32_t slot;

    (void)state;
    for (uint32_t i = 0; i < PLACES; i++)
        assert_int_not_equal(place[i] = frame_stack_offers_add(&pair.offers, 10 + i), 0);
    assert_int_equal(frame_stack_offers_add(&pair.offers, 99), 0);
    assert_int_equal(frame_stack_offers_in_the_way(&pair.offers, &slot), 0); /* all are live */
    assert_int_equal(take_one(pair.stack, PLACES, &taken), 10);
    assert_int_equal(take_one(pair.stack, PLACES, &taken), 11);
    /* Not noticed yet: no room. */
    assert_int_equal(frame_stack_offers_add(&pair.offers, 99), 0);
    assert_true(frame_offers_were_taken(&pair.offers));
    assert_false(frame_stack_offers_claim(&pair.offers, place[0], 10));
    assert_true(frame_offers_were_taken(&pair.offers));
    {
        uint32_t lost[PLACES + 1] = {0};

        frame_stack_offers_sweep(&pair.offers, collect, lost);
        assert_int_equal(lost[0], 1);
        assert_int_equal(lost[1], 11);
    }
    assert_false(frame_offers_were_taken(&pair.offers));
    assert_true(frame_stack_offers_claim(&pair.offers, place[3], 13));
    assert_int_not_equal(frame_stack_offers_add(&pair.offers, 20), 0);
    assert_int_not_equal(frame_stack_offers_add(&pair.offers, 21), 0);
    /* 12, nothing, 14, 20, 21: the place in the middle is of no use until 12 moves. */
    assert_int_equal(frame_stack_offers_add(&pair.offers, 22), 0);
    assert_int_equal(frame_stack_offers_in_the_way(&pair.offers, &slot), place[2]);
    assert_int_equal(slot, 12);
    assert_true(frame_stack_offers_claim(&pair.offers, place[2], 12));
    assert_int_not_equal(frame_stack_offers_add(&pair.offers, 12), 0);
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t expected[] = {14, 20, 21, 12};

        assert_int_equal(take_one(pair.stack, PLACES, &taken), expected[i]);
    }
    assert_int_equal(take_one(pair.stack, PLACES, &taken), FRAME_STACK_NONE);
    free(pair.stack);
}

/* Whatever stands in the shared memory, a walk ends, and stays within it. */
static void test_hostile_memory(void **state)
{
    struct random_source random = random_seeded(7);
    struct frame_stack *stack = calloc(1, frame_stack_size(PLACES));

    (void)state;
    assert_non_null(stack);
    for (unsigned round = 0; round < 1000; round++) {
        struct frame_walk walk;
        unsigned found = 0;

        stack->head = random_below(&random, UINT32_MAX);
        stack->span = random_below(&random, UINT32_MAX);
        for (uint32_t i = 0; i < PLACES; i++)
            stack->place[i] = random_below(&random, 3) == 0 ? 0 : random_below(&random, UINT32_MAX);
        walk = frame_stack_walk_start(stack, PLACES, 3);
        while (frame_stack_walk_next(&walk) != FRAME_STACK_NONE) {
            assert_true(frame_stack_walk_claim(&walk));
            found++;
        }
        assert_true(found <= 3);
    }
    free(stack);
}

/* ---- Two threads ---- */

#define FRAMES      24u
#define HAMMER_ENDS (RUNNING_ON_VALGRIND ? 2000u : 200000u)

struct hammer {
    struct frame_stack *stack;
    uint32_t places;
    /* Written by the side that has the frame: plain memory, so that ThreadSanitizer sees two
     * owners. */
    uint32_t written[FRAMES];
    _Atomic uint32_t back[FRAMES]; /* 1: physmem gives the frame to the task again */
    _Atomic bool stop;
    uint32_t takings; /* read after the end */
};

static void *physmem_main(void *argument)
{
    struct hammer *hammer = argument;
    bool has[FRAMES] = {false};
    struct random_source random = random_seeded(2);
    uint32_t taken = 0;
    bool more = true;

    while (more) {
        struct frame_walk walk =
            frame_stack_walk_start(hammer->stack, hammer->places, hammer->places);
        uint32_t slot;

        more = !hammer->stop;
        while ((slot = frame_stack_walk_next(&walk)) != FRAME_STACK_NONE) {
            /* The books: no such slot, or one that the task does not have. */
            if (slot >= FRAMES || has[slot] || !frame_stack_walk_claim(&walk))
                continue;
            has[slot] = true;
            hammer->written[slot]++;
            taken++;
        }
        frame_stack_tell(hammer->stack, taken);
        for (uint32_t i = 0; i < FRAMES; i++) {
            if (!has[i] || random_below(&random, 3) == 0)
                continue;
            hammer->written[i]++;
            has[i] = false;
            atomic_store_explicit(&hammer->back[i], 1, memory_order_release);
        }
        sched_yield();
    }
    hammer->takings = taken;
    return NULL;
}

struct holder {
    struct frame_offers offers;
    enum { OURS, LISTED, THEIRS } state[FRAMES];
    uint32_t place[FRAMES];
    uint32_t lost;
};

static void on_lost(void *context, uint32_t slot)
{
    struct holder *holder = context;

    assert_int_equal(holder->state[slot], LISTED);
    holder->state[slot] = THEIRS;
    holder->lost++;
}

static void holder_step(struct hammer *hammer, struct holder *holder, struct random_source *random)
{
    uint32_t slot = random_below(random, FRAMES);

    if (random_below(random, 8) == 0)
        frame_stack_offers_sweep(&holder->offers, on_lost, holder);
    switch (holder->state[slot]) {
    case OURS:
        hammer->written[slot]++;
        if (random_below(random, 2) == 0)
            break;
        holder->place[slot] = frame_stack_offers_add(&holder->offers, slot);
        if (holder->place[slot] != 0)
            holder->state[slot] = LISTED;
        break;
    case LISTED:
        if (!frame_stack_offers_claim(&holder->offers, holder->place[slot], slot)) {
            on_lost(holder, slot);
            break;
        }
        holder->state[slot] = OURS;
        hammer->written[slot]++;
        break;
    case THEIRS:
        if (atomic_exchange_explicit(&hammer->back[slot], 0, memory_order_acquire) == 0)
            break;
        holder->state[slot] = OURS;
        hammer->written[slot]++;
        break;
    }
}

static void hammer_run(uint32_t places)
{
    struct hammer hammer = {.stack = calloc(1, frame_stack_size(places)), .places = places};
    struct holder holder = {.lost = 0};
    struct random_source random = random_seeded(1);
    pthread_t thread;

    assert_non_null(hammer.stack);
    frame_stack_offers_init(&holder.offers, hammer.stack, places);
    assert_int_equal(pthread_create(&thread, NULL, physmem_main, &hammer), 0);
    /* Long enough for both to win, on one core, too. */
    for (uint32_t step = 0; step < HAMMER_ENDS || holder.lost < 100; step++) {
        holder_step(&hammer, &holder, &random);
        if (step % 64 == 0)
            sched_yield();
    }
    hammer.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    frame_stack_offers_sweep(&holder.offers, on_lost, &holder);
    assert_int_equal(holder.lost, hammer.takings);
    free(hammer.stack);
}

static void test_hammer(void **state)
{
    (void)state;
    hammer_run(64);
    hammer_run(FRAMES);
    hammer_run(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_room),
        cmocka_unit_test(test_hostile_memory),
        cmocka_unit_test(test_hammer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
