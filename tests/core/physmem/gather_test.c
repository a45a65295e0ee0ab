/* Copies of many pieces that overlap, within a container and between containers of three tasks, against copies of
 * plain numbers, slot by slot: what a piece leaves is what the next one reads. Pages that come and go within one
 * request are part of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "expect.h"
#include "scale.h"

#define TASKS  3u
#define SLOTS  6u
#define PIECES 5u

struct plain {
    struct world *world;
    struct random_source random;
    struct physmem_task *task[TASKS];
    uint32_t container[TASKS];
    uint64_t contents[TASKS][SLOTS];
    uint64_t written;
};

static uint32_t below(struct plain *plain, uint32_t bound)
{
    return random_below(&plain->random, bound);
}

/* Every task has a container, which the others may copy from and to. */
static void plain_begin(struct plain *plain, struct world *world, uint64_t seed)
{
    struct physmem_permission permission = {.rights = SLOT_READ | SLOT_WRITE};

    *plain = (struct plain){.world = world, .random = random_seeded(seed)};
    for (uint32_t i = 0; i < TASKS; i++) {
        plain->task[i] = world_task(world, "task");
        world_contract(world, plain->task[i], SP_GUARANTEED, SLOTS);
        plain->container[i] = world_container(world, plain->task[i], SLOTS);
        expect_allocated(
            world_allocate(world, plain->task[i], plain->container[i], 0, SLOTS, PHYSMEM_ZERO),
            SLOTS);
    }
    for (uint32_t i = 0; i < TASKS; i++)
        for (uint32_t j = 0; j < TASKS; j++) {
            if (j == i)
                continue;
            permission.token++;
            assert_int_equal(
                world_share(world, plain->task[i], plain->container[i], &permission)->error, 0);
            assert_int_equal(
                world_adopt(world, plain->task[j], plain->container[i], permission.token)->error,
                0);
        }
}

static uint64_t *page_at(struct plain *plain, uint32_t i, uint32_t slot, uint8_t rights)
{
    const struct physmem_effect *reply =
        world_map_as(plain->world, plain->task[i], plain->container[i], slot, 1, rights);
    const struct physmem_map_item *item;

    assert_int_equal(reply->error, 0);
    item = physmem_map_items(plain->world->physmem, reply->mapped.first);
    return &world_extent(plain->world, item->extent)->page[item->offset];
}

static void plain_write(struct plain *plain)
{
    uint32_t i = below(plain, TASKS), slot = below(plain, SLOTS);

    plain->contents[i][slot] = ++plain->written;
    *page_at(plain, i, slot, SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE) = plain->written;
    world_range(plain->world, physmem_unmap_own, plain->task[i], plain->container[i], slot, 1);
}

static void plain_copy(struct plain *plain)
{
    uint32_t from = below(plain, TASKS), to = below(plain, TASKS);
    uint32_t count = 1 + below(plain, PIECES), actor = below(plain, TASKS);
    struct physmem_piece piece[PIECES];

    for (uint32_t i = 0; i < count; i++) {
        piece[i].count = 1 + below(plain, below(plain, 2) == 0 ? 1 : SLOTS);
        piece[i].from = below(plain, SLOTS - piece[i].count + 1);
        piece[i].to = below(plain, SLOTS - piece[i].count + 1);
    }
    assert_int_equal(world_copy(plain->world, plain->task[actor], plain->container[from],
                                plain->container[to], piece, count)
                         ->error,
                     0);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < piece[i].count; j++)
            plain->contents[to][piece[i].to + j] = plain->contents[from][piece[i].from + j];
}

static void plain_compare(struct plain *plain)
{
    check_books(plain->world);
    for (uint32_t i = 0; i < TASKS; i++) {
        assert_int_equal(world_status(plain->task[i]).held, SLOTS);
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            assert_int_equal(*page_at(plain, i, slot, SLOT_READ), plain->contents[i][slot]);
        world_range(plain->world, physmem_unmap_own, plain->task[i], plain->container[i], 0, SLOTS);
    }
}

static void test_random_pieces_copy_what_the_pieces_before_left(void **state)
{
    static struct plain plain;
    const char *wanted = getenv("SELFPAGE_GATHER_STEPS");
    unsigned long steps = wanted != NULL        ? strtoul(wanted, NULL, 10)
                          : RUNNING_ON_VALGRIND ? 300
                                                : 20000;

    plain_begin(&plain, *state, scale_seed(21));
    for (unsigned long step = 0; step < steps; step++) {
        if (below(&plain, 3) == 0)
            plain_write(&plain);
        else
            plain_copy(&plain);
        plain_compare(&plain);
    }
}

/* The only page of the request's own extent has no user any more before the request is over, and then another
 * page comes. */
static void test_an_extent_that_comes_and_goes_within_a_request_stays_until_its_end(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "task");
    const struct physmem_piece first = {0, 1, 1};
    const struct physmem_piece pieces[] = {{2, 3, 1}, {0, 2, 1}, {0, 3, 1}};
    uint32_t container;

    world_contract(world, task, SP_GUARANTEED, 8);
    container = world_container(world, task, 8);
    expect_allocated(world_allocate(world, task, container, 0, 4, PHYSMEM_ZERO), 4);
    assert_int_equal(world_copy(world, task, container, container, &first, 1)->error, 0);
    assert_int_equal(world_copy(world, task, container, container, pieces, 3)->error, 0);
    check_books(world);
    world_range(world, physmem_frames_deallocate, task, container, 0, 4);
    world_pass(world, 1000000000);
    check_books(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_pieces_copy_what_the_pieces_before_left, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_an_extent_that_comes_and_goes_within_a_request_stays_until_its_end, setup,
            teardown),
    };

    return cmocka_run_group_tests_name("core/physmem/gather", tests, NULL, NULL);
}
