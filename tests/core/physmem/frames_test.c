/* The rules of containers, allocation, soft frames, mappings and audits, one by one; and what
 * physmem itself costs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <valgrind/valgrind.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/contracts/contract.h"
#include "os/heap.h"
#include "core/physmem/state.h"
#include "world/world.h"

#define FRAMES 64u
#define SLOTS  1000u

struct stage {
    struct world world;
    struct physmem_task *task; /* with a guarantee of 32 frames */
    uint32_t container;        /* of SLOTS slots */
};

static int setup(void **state)
{
    static struct stage stage;

    *state = &stage;
    world_init(&stage.world, &heap_allocator);
    if (world_start(&stage.world, FRAMES, 0, 0) != 0)
        return -1;
    stage.task = world_task(&stage.world, "a");
    world_contract(&stage.world, stage.task, SP_GUARANTEED, 32);
    stage.container = world_container(&stage.world, stage.task, SLOTS);
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    return world_end(&stage->world) == 0 ? 0 : -1;
}

static void check_books(struct stage *stage)
{
    const char *wrong = physmem_check(stage->world.physmem);

    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static const struct physmem_effect *allocate(struct stage *stage, uint32_t start, uint32_t count,
                                             unsigned flags)
{
    return world_allocate(&stage->world, stage->task, stage->container, start, count, flags);
}

static const struct physmem_effect *range(struct stage *stage, world_range_function *function,
                                          uint32_t start, uint32_t count)
{
    return world_range(&stage->world, function, stage->task, stage->container, start, count);
}

static const struct physmem_effect *map(struct stage *stage, uint32_t start, uint32_t count)
{
    return world_map(&stage->world, stage->task, stage->container, start, count);
}

static void expect_allocated(const struct physmem_effect *reply, uint32_t count, bool zeroed)
{
    assert_non_null(reply);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_ALLOCATED);
    assert_int_equal(reply->allocated.count, count);
    assert_int_equal(reply->allocated.zeroed, zeroed);
}

static void expect_done(const struct physmem_effect *reply, uint32_t error, uint32_t count)
{
    assert_non_null(reply);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_DONE);
    assert_int_equal(reply->error, error);
    assert_int_equal(reply->count, count);
}

/* ---- Allocation ---- */

static void test_bad_requests(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t foreign = world_container(world, other, 10);
    struct physmem_request request = world_request(world, stage->task);
    struct physmem_allocation blocks = {stage->container, 0, 6, 0, 2};

    expect_done(world_allocate(world, stage->task, foreign, 0, 1, 0), ENOENT, 0);
    expect_done(world_allocate(world, stage->task, 0, 0, 1, 0), ENOENT, 0);
    expect_done(world_allocate(world, stage->task, UINT32_MAX, 0, 1, 0), ENOENT, 0);
    expect_done(allocate(stage, 0, 0, 0), EINVAL, 0);
    expect_done(allocate(stage, SLOTS, 1, 0), EINVAL, 0);
    expect_done(allocate(stage, 999, 2, 0), EINVAL, 0);
    expect_done(allocate(stage, 1, UINT32_MAX, 0), EINVAL, 0);
    expect_done(allocate(stage, 0, 1, PHYSMEM_FLAGS), EINVAL, 0);
    physmem_allocate(world->physmem, world->now, &request, &blocks); /* 6 is not a multiple of 4 */
    world_run(world);
    expect_done(world_reply(world, request.seq), EINVAL, 0);
    blocks.order = 31;
    physmem_allocate(world->physmem, world->now, &request, &blocks);
    world_run(world);
    expect_done(world_reply(world, request.seq), EINVAL, 0);
    expect_done(range(stage, physmem_frames_deallocate, 0, 0), EINVAL, 0);
    expect_done(range(stage, physmem_frames_release, SLOTS - 1, 2), EINVAL, 0);
    expect_done(range(stage, physmem_frames_recover, UINT32_MAX, 1), EINVAL, 0);
    expect_done(range(stage, physmem_unmap_own, 5, UINT32_MAX), EINVAL, 0);
    expect_done(map(stage, SLOTS, 1), EINVAL, 0);
    expect_done(map(stage, 0, 0), EINVAL, 0);
    assert_int_equal(world_container(world, stage->task, 0), 0);
    assert_int_equal(world_container(world, stage->task, CONTAINER_SLOTS_MAX + 1), 0);
    check_books(stage);
}

static void test_occupied_slots(void **state)
{
    struct stage *stage = *state;

    expect_allocated(allocate(stage, 10, 5, 0), 5, true);
    expect_done(allocate(stage, 10, 1, 0), EEXIST, 0);
    expect_done(allocate(stage, 8, 5, 0), EEXIST, 2);
    assert_int_equal(world_status(stage->task).held, 5); /* nothing was done */
    expect_allocated(allocate(stage, 8, 5, PHYSMEM_PARTIAL), 2, true);
    expect_done(allocate(stage, 8, 5, PHYSMEM_PARTIAL), EEXIST, 0);
    expect_allocated(allocate(stage, 6, 10, PHYSMEM_SQUASH), 10, true); /* never mapped: zeros */
    assert_int_equal(world_status(stage->task).held, 10);
    check_books(stage);
}

static void test_the_guarantee_is_the_limit(void **state)
{
    struct stage *stage = *state;

    expect_done(allocate(stage, 0, 33, 0), ENOMEM, 32);
    expect_done(allocate(stage, 0, 33, PHYSMEM_EXTRA), ENOMEM, 32); /* no extra contract */
    expect_allocated(allocate(stage, 0, 33, PHYSMEM_PARTIAL), 32, true);
    expect_done(allocate(stage, 40, 1, PHYSMEM_PARTIAL), ENOMEM, 0);
    expect_allocated(allocate(stage, 0, 32, PHYSMEM_SQUASH), 32, true); /* needs none */
    expect_allocated(allocate(stage, 16, 32, PHYSMEM_SQUASH | PHYSMEM_PARTIAL), 16, true);
    check_books(stage);
}

static void test_zeroing(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_shell_extent *extent;
    uint32_t seen;

    expect_allocated(allocate(stage, 0, 8, 0), 8, true);
    assert_int_equal(map(stage, 0, 8)->error, 0);
    extent = world_extent(world, world->items[0].extent);
    physmem_shell_touch(extent, 0, 8, 1);
    /* What was dropped without ZERO still holds the task's own data. */
    seen = world->recorded;
    expect_allocated(allocate(stage, 0, 4, PHYSMEM_SQUASH), 4, false);
    assert_null(world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL));
    expect_allocated(allocate(stage, 0, 4, PHYSMEM_SQUASH | PHYSMEM_ZERO), 4, true);
    assert_int_equal(extent->page[3], 0);
    assert_int_equal(extent->page[4], 1);
    /* Deallocated pages are cleared at once, in one piece. */
    seen = world->recorded;
    expect_done(range(stage, physmem_frames_deallocate, 2, 6), 0, 6);
    assert_int_equal(world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL)->extent.offset, 2);
    assert_int_equal(world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL)->extent.count, 6);
    assert_int_equal(extent->page[4], 0);
    expect_allocated(allocate(stage, 2, 6, 0), 6, true);
    /* A soft slot taken again keeps what it held. */
    expect_done(range(stage, physmem_frames_release, 0, 2), 0, 2);
    expect_allocated(allocate(stage, 0, 2, 0), 2, false);
    expect_done(range(stage, physmem_frames_release, 0, 2), 0, 2);
    expect_allocated(allocate(stage, 0, 2, PHYSMEM_ZERO), 2, true);
    check_books(stage);
}

static uint32_t allocate_blocks(struct stage *stage, uint32_t start, uint32_t count, unsigned order,
                                unsigned flags)
{
    const struct physmem_effect *reply = world_allocate_blocks(
        &stage->world, stage->task, stage->container, start, count, order, flags);

    return reply->kind == PHYSMEM_REPLY_ALLOCATED ? reply->allocated.count : 0;
}

static void test_blocks(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    struct physmem_status status;
    uint64_t compacted;

    assert_int_equal(allocate_blocks(stage, 0, 16, 3, 0), 16);
    check_books(stage);
    assert_int_equal(range(stage, physmem_frames_deallocate, 3, 5)->count,
                     5); /* a piece of a block */
    assert_int_equal(allocate_blocks(stage, 0, 16, 4, PHYSMEM_SQUASH), 16);
    check_books(stage);
    assert_int_equal(allocate_blocks(stage, 16, 32, 3, 0), 0); /* beyond the guarantee */
    assert_int_equal(allocate_blocks(stage, 16, 32, 3, PHYSMEM_PARTIAL), 16);
    assert_int_equal(range(stage, physmem_frames_release, 0, 32)->count, 32);

    /* Another takes every frame and keeps every second: no two are adjacent. */
    world_contract(world, other, SP_GUARANTEED, 32);
    world_contract(world, other, SP_EXTRA, 32);
    assert_int_equal(world_allocate(world, other, elsewhere, 0, 62, PHYSMEM_EXTRA)->error, 0);
    check_books(stage);
    for (uint32_t i = 0; i < 62; i += 2)
        world_range(world, physmem_frames_deallocate, other, elsewhere, i, 1);
    physmem_get_status(world->physmem, &status);
    compacted = status.compacted;
    /* Half of a block therefore moves out of the way. */
    assert_int_equal(allocate_blocks(stage, 0, 16, 4, 0), 16);
    physmem_get_status(world->physmem, &status);
    assert_in_range(status.compacted, compacted + 1, compacted + 8);
    assert_int_equal(world_status(stage->task).held, 16);
    check_books(stage);
}

/* Frames below a number, of which others hold all: they move, and the request is served. */
static void test_frames_below_a_ceiling(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    const struct physmem_request request = world_request(world, stage->task);
    struct physmem_allocation low = {
        .container = stage->container, .start = 0, .count = 2, .order = 1, .ceiling = 4};
    const struct container *container;

    world_contract(world, other, SP_GUARANTEED, 32);
    expect_allocated(world_allocate(world, other, elsewhere, 0, 32, 0), 32, true);
    physmem_allocate(world->physmem, world->now, &request, &low);
    container = handles_object(&world->physmem->containers, stage->container);
    for (uint32_t slot = 0; slot < 2; slot++)
        assert_true(extent_slot(container_extent(container, slot), slot)->frame < 4);
    check_books(stage);
    /* A sixteenth of all frames, 4 of 64, may be so. All or none, unless fewer will do. */
    low = (struct physmem_allocation){
        .container = stage->container, .start = 2, .count = 3, .ceiling = 64};
    physmem_allocate(world->physmem, world->now, &request, &low);
    assert_int_equal(container->allocated, 2);
    check_books(stage);
    low.flags = PHYSMEM_PARTIAL;
    physmem_allocate(world->physmem, world->now, &request, &low);
    assert_int_equal(container->allocated, 4);
    check_books(stage);
    assert_int_equal(world_status(stage->task).held, 4);
}

static void test_waiting_requests_are_served_in_order(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    uint32_t first, second, third;

    world_contract(world, other, SP_EXTRA, 62);
    assert_int_equal(world_allocate(world, other, elsewhere, 0, 62, PHYSMEM_EXTRA)->error, 0);
    assert_null(allocate(stage, 0, 10, 0));
    first = world->seq;
    assert_null(allocate(stage, 10, 1, 0)); /* two are free, but others came before */
    second = world->seq;
    assert_null(allocate(stage, 20, 5, PHYSMEM_PARTIAL));
    third = world->seq;
    expect_done(allocate(stage, 100, 17, 0), ENOMEM, 16); /* what waits counts */
    assert_int_equal(world_status(other).owed, 14);       /* 16, less the two that are free */
    check_books(stage);
    world_range(world, physmem_frames_deallocate, other, elsewhere, 0, 8);
    expect_allocated(world_reply(world, first), 10, true);
    assert_null(world_reply(world, second));
    world_range(world, physmem_frames_deallocate, other, elsewhere, 8, 3);
    expect_allocated(world_reply(world, second), 1, true);
    expect_allocated(world_reply(world, third), 2, true); /* what there is */
    check_books(stage);
}

static void test_waiting_requests_end_with_their_container(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    uint32_t first_seq;
    struct physmem_request request;

    world_contract(world, other, SP_EXTRA, 62);
    assert_int_equal(world_allocate(world, other, elsewhere, 0, 62, PHYSMEM_EXTRA)->error, 0);
    for (unsigned i = 0; i < PHYSMEM_PENDING_MAX; i++)
        assert_null(allocate(stage, i, 1, 0) != NULL && i >= 2 ? "answered" : NULL);
    first_seq = world->seq;
    assert_null(allocate(stage, 30, 1, 0));
    assert_null(allocate(stage, 31, 1, 0));
    expect_done(allocate(stage, 32, 1, 0), EBUSY, 0);
    request = world_request(world, stage->task);
    physmem_container_destroy(world->physmem, world->now, &request, stage->container);
    world_run(world);
    expect_done(world_reply(world, request.seq), 0, 2);
    expect_done(world_reply(world, first_seq), ENOENT, 0);
    check_books(stage);
}

/* ---- Soft frames ---- */

static void test_release_and_recover(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    struct physmem_status status;

    expect_allocated(allocate(stage, 0, 32, 0), 32, true);
    assert_int_equal(map(stage, 0, 32)->error, 0);
    expect_done(range(stage, physmem_frames_release, 0, 30), 0, 30);
    expect_done(range(stage, physmem_frames_release, 0, 30), 0, 0); /* soft already */
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.free + status.soft + 2, FRAMES);
    assert_int_equal(status.soft, 30);
    assert_int_equal(world_status(stage->task).soft, 30);
    expect_done(map(stage, 0, 1), ENOENT, 0);
    expect_done(range(stage, physmem_frames_recover, 0, 10), 0, 10);
    assert_int_equal(world_status(stage->task).held, 12);
    expect_done(range(stage, physmem_frames_recover, 0, 10), 0, 10); /* there already */
    expect_done(range(stage, physmem_frames_recover, 100, 1), ENOENT, 0);

    /* The oldest of those that are left, 10 and 11, go to somebody else. */
    world_contract(world, other, SP_GUARANTEED, 32);
    world_contract(world, other, SP_EXTRA, 20);
    expect_allocated(world_allocate(world, other, elsewhere, 0, 32, 0), 32, true);
    assert_int_equal(world_status(stage->task).soft, 20);
    expect_allocated(world_allocate(world, other, elsewhere, 32, 2, PHYSMEM_EXTRA), 2, true);
    assert_int_equal(world_status(stage->task).soft, 18);
    expect_done(range(stage, physmem_frames_recover, 10, 5), ENOENT, 0);
    expect_done(range(stage, physmem_frames_recover, 12, 5), 0, 5);
    expect_done(range(stage, physmem_frames_deallocate, 17, 3), 0,
                0); /* soft ones were returned before */
    assert_int_equal(world_status(stage->task).soft, 10);
    check_books(stage);

    /* A task that holds all it may cannot recover what it released before. */
    world_range(world, physmem_frames_deallocate, other, elsewhere, 0, 20);
    expect_allocated(allocate(stage, 200, 15, 0), 15, true);
    expect_done(range(stage, physmem_frames_recover, 20, 1), ENOMEM, 0);
    expect_done(range(stage, physmem_frames_deallocate, 200, 1), 0, 1);
    expect_done(range(stage, physmem_frames_recover, 20, 2), ENOMEM, 1);
    check_books(stage);
}

static void test_reused_soft_frames_are_cleared_first(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_task *other = world_task(world, "b");
    uint32_t elsewhere = world_container(world, other, 100);
    struct physmem_shell_extent *extent;
    uint32_t seen;

    expect_allocated(allocate(stage, 0, 32, 0), 32, true);
    assert_int_equal(map(stage, 0, 32)->error, 0);
    extent = world_extent(world, world->items[0].extent);
    physmem_shell_touch(extent, 0, 32, 1);
    range(stage, physmem_frames_release, 0, 32);
    world_contract(world, other, SP_GUARANTEED, 32);
    world_contract(world, other, SP_EXTRA, 32);
    seen = world->recorded;
    expect_allocated(world_allocate(world, other, elsewhere, 0, 48, PHYSMEM_EXTRA), 48, true);
    assert_int_equal(world->record[seen].kind, PHYSMEM_EXTENT_PUNCH);
    assert_int_equal(world->record[seen].extent.count, 16); /* one call for all */
    assert_int_equal(extent->page[15], 0);
    assert_int_equal(extent->page[16], 1);
    physmem_audit_round(world->physmem, 100);
    world_run(world);
    assert_false(world_status(stage->task).breached);
    check_books(stage);
}

/* ---- Mappings ---- */

static void test_map(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    const struct physmem_effect *reply;
    uint32_t extent, seen;

    expect_done(map(stage, 0, 1), ENOENT, 0);
    expect_allocated(allocate(stage, 250, 20, 0), 20, true);
    expect_done(map(stage, 249, 5), ENOENT, 0);
    expect_done(map(stage, 248, 5), ENOENT, 0);
    reply = map(stage, 252, 100); /* over the edge of an extent, up to the hole */
    assert_int_equal(reply->kind, PHYSMEM_REPLY_MAPPED);
    assert_int_equal(reply->mapped.count, 2);
    assert_int_equal(physmem_map_items(world->physmem, reply->mapped.first)->rights,
                     SLOT_READ | SLOT_WRITE);
    assert_int_equal(world->items[0].slot, 252);
    assert_int_equal(world->items[0].count, 4);
    assert_int_equal(world->items[0].offset, 252);
    assert_int_equal(world->items[1].slot, 256);
    assert_int_equal(world->items[1].count, 14);
    assert_int_equal(world->items[1].offset, 0);
    extent = world->items[1].extent;
    assert_int_not_equal(world->items[0].extent, extent);

    /* The descriptor comes once, before the reply. */
    seen = world->recorded;
    map(stage, 260, 1);
    assert_int_equal(world->items[0].extent, extent);
    assert_int_equal(world->items[0].offset, 4);
    assert_int_equal(world->recorded - seen, 1);

    /* The last extent is as long as the container. */
    expect_allocated(allocate(stage, 999, 1, 0), 1, true);
    seen = world->recorded;
    map(stage, 999, 1);
    assert_int_equal(world->record[seen].kind, PHYSMEM_EXTENT_CREATE);
    assert_int_equal(world->record[seen].extent.count, SLOTS - 3 * EXTENT_PAGES);
    assert_int_equal(world->record[seen + 1].kind, PHYSMEM_EXTENT_SEND);
    assert_int_equal(world->record[seen + 2].kind, PHYSMEM_REPLY_MAPPED);
    check_books(stage);
}

static void test_extent_that_cannot_be_made(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    const struct physmem_effect *reply;

    expect_allocated(allocate(stage, 250, 12, 0), 12, true);
    world->shell.create_error = EMFILE;
    expect_done(map(stage, 250, 12), EMFILE, 0);
    check_books(stage);
    world->shell.create_error = 0;
    assert_int_equal(map(stage, 250, 2)->error, 0);
    world->shell.create_error = ENOMEM;
    reply = map(stage, 250, 12); /* what lies in the first extent can be had */
    assert_int_equal(reply->kind, PHYSMEM_REPLY_MAPPED);
    assert_int_equal(reply->mapped.count, 1);
    assert_int_equal(world->items[0].count, 6);
    check_books(stage);
}

static void test_extents_are_limited(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    uint32_t wide = world_container(world, stage->task, 32 * EXTENT_PAGES);
    unsigned made = 0;

    for (unsigned i = 0; i < 32; i++) {
        const struct physmem_effect *reply;

        reply = world_allocate(world, stage->task, wide, i * EXTENT_PAGES, 1, 0);
        expect_allocated(reply, 1, true);
        reply = world_map(world, stage->task, wide, i * EXTENT_PAGES, 1);
        made += reply->kind == PHYSMEM_REPLY_MAPPED;
        if (reply->kind == PHYSMEM_REPLY_DONE)
            expect_done(reply, EMFILE, 0);
    }
    assert_int_equal(made, 17); /* 16, and one for 32 frames */
    check_books(stage);
}

static void test_task_ends_before_its_extent_is_made(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_request request = world_request(world, stage->task);
    struct physmem_effect effect;

    expect_allocated(allocate(stage, 0, 1, 0), 1, true);
    physmem_map(world->physmem, world->now, &request, stage->container, 0, 1, SLOT_READ);
    assert_true(physmem_next_effect(world->physmem, &effect));
    assert_int_equal(effect.kind, PHYSMEM_EXTENT_CREATE);
    physmem_map(world->physmem, world->now, &request, stage->container, 0, 1, SLOT_READ);
    assert_true(physmem_next_effect(world->physmem, &effect));
    expect_done(&effect, EBUSY, 0);
    physmem_task_gone(world->physmem, world->now, stage->task);
    assert_false(physmem_next_effect(world->physmem, &effect));
    physmem_extent_ready(world->physmem, world->now, 1, 77, 0);
    assert_true(physmem_next_effect(world->physmem, &effect));
    assert_int_equal(effect.kind, PHYSMEM_EXTENT_DESTROY);
    assert_int_equal(effect.extent.descriptor, 77);
    check_books(stage);
}

static void test_unmap(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct random_source random = random_seeded(1);
    const struct physmem_effect *unmap;
    uint32_t first;

    assert_int_equal(physmem_unmap_random(world->physmem, world->now, &random), 0);
    expect_allocated(allocate(stage, 0, 8, 0), 8, true);
    assert_int_equal(physmem_unmap_random(world->physmem, world->now, &random), 0);
    map(stage, 0, 8);
    first = physmem_unmap_random(world->physmem, world->now, &random);
    world_run(world);
    assert_in_range(first, 1, 8);
    unmap = world_find(world, 0, PHYSMEM_SEND_UNMAP, stage->task);
    assert_int_equal(unmap->unmap.range.start, 0);
    assert_int_equal(unmap->unmap.range.count, first);
    assert_int_equal(unmap->unmap.container, stage->container);
    while (physmem_unmap_random(world->physmem, world->now, &random) > 0)
        world_run(world); /* until all are asked for: none is asked for twice */
    assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage->task, 99), -ENOENT);
    map(stage, 0, 1); /* the answer comes after this: slot 0 is mapped again */
    for (uint64_t id = 1; id <= world_status(stage->task).unmaps; id++)
        assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage->task, id), 0);
    assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage->task, 1), -ENOENT);
    expect_done(range(stage, physmem_unmap_own, 0, 8), 0, 1); /* only slot 0 had rights */
    world_pass(world, 2 * PHYSMEM_UNMAP_GRACE_NS);
    assert_false(world_status(stage->task).breached);
    check_books(stage);
}

/* Slots are mapped again before the answer comes, and some of them are asked for again: the answer to the first question says
 * nothing of these. */
static void test_an_answer_is_to_its_own_question(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct random_source random = random_seeded(1);
    uint32_t again = 0;

    expect_allocated(allocate(stage, 0, 8, 0), 8, true);
    map(stage, 0, 8);
    while (physmem_unmap_random(world->physmem, world->now, &random) > 0)
        world_run(world); /* until all are asked for */
    map(stage, 2, 4);
    for (uint32_t slots; (slots = physmem_unmap_random(world->physmem, world->now, &random)) > 0;
         again += slots)
        world_run(world);
    assert_int_equal(again, 4);
    for (uint64_t id = 1; physmem_map_rights(world->physmem, stage->container, 0) != 0 ||
                          physmem_map_rights(world->physmem, stage->container, 7) != 0;
         id++)
        assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage->task, id), 0);
    for (uint32_t slot = 0; slot < 8; slot++)
        assert_int_equal(physmem_map_rights(world->physmem, stage->container, slot),
                         slot >= 2 && slot < 6 ? SLOT_READ | SLOT_WRITE : 0);
    for (uint64_t id = 1; id <= world_status(stage->task).unmaps; id++)
        (void)physmem_unmap_answered(world->physmem, world->now, stage->task, id);
    for (uint32_t slot = 0; slot < 8; slot++)
        assert_int_equal(physmem_map_rights(world->physmem, stage->container, slot), 0);
    assert_int_equal(physmem_map_rights(world->physmem, stage->container, UINT32_MAX), 0);
    assert_int_equal(physmem_map_rights(world->physmem, 0, 0), 0);
    check_books(stage);
}

static void test_unmap_not_answered(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct random_source random = random_seeded(1);
    unsigned asked = 0;

    expect_allocated(allocate(stage, 0, 32, 0), 32, true);
    for (unsigned i = 0; i < 100; i++) {
        map(stage, 0, 32);
        asked += physmem_unmap_random(world->physmem, world->now, &random) > 0;
        world_run(world);
    }
    assert_int_equal(asked, PHYSMEM_UNMAPS_MAX); /* no more for a silent task */
    assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage->task, 2), 0);
    world_pass(world, PHYSMEM_UNMAP_GRACE_NS - 1);
    assert_false(world_status(stage->task).breached);
    world_pass(world, 1);
    assert_true(world_status(stage->task).breached);
    assert_int_equal(world_status(stage->task).reason, SP_REASON_UNMAP_MISSED);
    check_books(stage);
}

/* ---- Audit ---- */

static void test_overdraft(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_shell_extent *extent;
    struct physmem_status status;

    expect_allocated(allocate(stage, 0, 4, 0), 4, true);
    map(stage, 0, 4);
    extent = world_extent(world, world->items[0].extent);
    physmem_shell_touch(extent, 0, 4, 1);
    physmem_audit_round(world->physmem, 10);
    world_run(world);
    assert_false(world_status(stage->task).breached);
    expect_done(range(stage, physmem_frames_deallocate, 0, 1), 0, 1);
    extent->page[0] = 1; /* a punched page is touched again */
    physmem_audit_round(world->physmem, 10);
    world_run(world);
    assert_true(world_status(stage->task).breached);
    assert_int_equal(world_status(stage->task).reason, SP_REASON_OVERDRAFT);
    physmem_get_status(world->physmem, &status);
    assert_int_equal(status.audits, 3);
    assert_int_equal(status.free, FRAMES);
    check_books(stage);
}

/* Where nothing can be gained by touching more than one may, is looked at last: extents whose
 * every slot has a frame. Memory past the end of one (a huge page that the kernel made of it) is found
 * all the same. */
static void test_audits_are_made_where_they_pay(void **state)
{
    static struct world wide;
    struct world *world = &wide;
    struct physmem_task *full, *sparse;
    const uint32_t pages = EXTENT_PAGES;
    struct physmem_status status;
    uint32_t in_full, in_sparse, audits = 0;
    const struct physmem_effect *audit = NULL;

    (void)state;
    world_init(world, &heap_allocator);
    assert_int_equal(world_start(world, 8 * pages, 0, 0), 0);
    full = world_task(world, "full");
    sparse = world_task(world, "sparse");
    world_contract(world, full, SP_EXTRA, 4 * pages);
    world_contract(world, sparse, SP_EXTRA, 4 * pages);
    in_full = world_container(world, full, 4 * pages);
    in_sparse = world_container(world, sparse, 4 * pages);
    expect_allocated(world_allocate(world, full, in_full, 0, pages, PHYSMEM_EXTRA), pages, true);
    world_map(world, full, in_full, 0, pages);
    for (uint32_t i = 0; i < 4; i++) {
        world_allocate(world, sparse, in_sparse, i * pages, 1, PHYSMEM_EXTRA);
        world_map(world, sparse, in_sparse, i * pages, 1);
    }
    for (unsigned round = 0; round < 16; round++) {
        uint32_t since = world->recorded;

        physmem_audit_round(world->physmem, 4);
        world_run(world);
        for (uint32_t i = since; i < world->recorded; i++) {
            const struct physmem_effect *effect = &world->record[i % WORLD_RECORD];

            if (effect->kind == PHYSMEM_EXTENT_AUDIT && effect->extent.count == pages) {
                audits++;
                audit = effect;
            }
        }
    }
    assert_true(audits >= 1 && audits <= 3); /* of 64, in which each sparse one had 15 or more */
    assert_non_null(audit);
    physmem_audit_done(world->physmem, world->now, audit->extent.extent, audit->extent.count,
                       2 * pages);
    world_run(world);
    assert_true(world_status(full).breached);
    assert_int_equal(world_status(full).reason, SP_REASON_OVERDRAFT);
    physmem_get_status(world->physmem, &status);
    assert_true(status.audits > 60);
    assert_int_equal(world_end(world), 0);
}

static void test_frames_that_come_back_are_audited(void **state)
{
    struct stage *stage = *state;
    struct world *world = &stage->world;
    struct physmem_shell_extent *extent;

    expect_allocated(allocate(stage, 0, 4, 0), 4, true);
    map(stage, 0, 4);
    extent = world_extent(world, world->items[0].extent);
    physmem_shell_touch(extent, 0, 10, 1); /* slots it never had */
    range(stage, physmem_frames_deallocate, 0, 1);
    assert_true(world_status(stage->task).breached);
    check_books(stage);
}

/* ---- Memory ---- */

static void test_memory_per_frame_and_task(void **state)
{
    enum { TASKS = 500, COUNT = 1 << 17 };
    struct world world;
    struct physmem_task *task;
    uint32_t container;
    size_t before;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(world_start(&world, COUNT, 0, 0), 0);
    task = world_task(&world, "a");
    world_contract(&world, task, SP_GUARANTEED, COUNT);
    container = world_container(&world, task, COUNT);
    for (uint32_t i = 0; i < COUNT; i += 32768)
        assert_int_equal(world_allocate(&world, task, container, i, 32768, 0)->error, 0);
    for (uint32_t i = 0; i < COUNT; i += 64 * EXTENT_PAGES)
        assert_int_equal(world_map(&world, task, container, i, 64 * EXTENT_PAGES)->error, 0);
    print_message("bytes a frame: %.1f\n", (double)world.memory.bytes / COUNT);
    assert_true(world.memory.bytes / COUNT < 32);
    physmem_task_gone(world.physmem, world.now, task);
    world_run(&world);

    before = world.memory.bytes;
    for (unsigned i = 0; i < TASKS; i++) {
        task = world_task(&world, "a");
        world_contract(&world, task, SP_GUARANTEED, 1);
        world_container(&world, task, 1 << 20);
    }
    print_message("bytes a task at rest: %zu\n", (world.memory.bytes - before) / TASKS);
    assert_true((world.memory.bytes - before) / TASKS < 1300); /* 2 KiB less two connections */
    assert_int_equal(world_end(&world), 0);
}

/* Without memory requests are refused, and the books stay right. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned failing = 0; failing < 60; failing++) {
        struct physmem_identity identity = {.name = "a"};
        struct physmem_task *task = NULL;
        struct sp_terms terms = world_terms(SP_GUARANTEED, 32);
        struct world world;
        struct physmem_request request;
        struct physmem_allocation allocation = {1, 0, 20, 0, 0};
        struct physmem_range soft = {0, 10};
        const char *wrong;

        world_init(&world, &heap_allocator);
        assert_int_equal(world_start(&world, FRAMES, 0, 0), 0);
        /* Effects themselves need memory, once: without it physmem gives up. */
        world.memory.fail_after = failing;
        if (physmem_task_add(world.physmem, 0, &identity, &task) == 0) {
            physmem_task_connected(world.physmem, task);
            request = world_request(&world, task);
            physmem_contract_propose(world.physmem, 0, &request, &terms);
            world_run(&world);
            request = world_request(&world, task);
            physmem_container_create(world.physmem, 0, &request, 300);
            world_run(&world);
            request = world_request(&world, task);
            physmem_allocate(world.physmem, 0, &request, &allocation);
            world_run(&world);
            request = world_request(&world, task);
            physmem_map(world.physmem, 0, &request, 1, 0, 10, SLOT_READ);
            world_run(&world);
            request = world_request(&world, task);
            physmem_frames_release(world.physmem, 0, &request, 1, &soft, 1);
            world_run(&world);
            /* Every request was answered, if there was memory for the answers. */
            if (!physmem_has_failed(world.physmem))
                assert_non_null(world_reply(&world, world.seq));
        }
        wrong = physmem_check(world.physmem);
        if (wrong != NULL)
            fail_msg("call %u of the allocator: %s", failing, wrong);
        assert_int_equal(world_end(&world), 0);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bad_requests),
        TEST(test_occupied_slots),
        TEST(test_the_guarantee_is_the_limit),
        TEST(test_zeroing),
        TEST(test_blocks),
        TEST(test_frames_below_a_ceiling),
        TEST(test_waiting_requests_are_served_in_order),
        TEST(test_waiting_requests_end_with_their_container),
        TEST(test_release_and_recover),
        TEST(test_reused_soft_frames_are_cleared_first),
        TEST(test_map),
        TEST(test_extent_that_cannot_be_made),
        TEST(test_extents_are_limited),
        TEST(test_task_ends_before_its_extent_is_made),
        TEST(test_unmap),
        TEST(test_an_answer_is_to_its_own_question),
        TEST(test_unmap_not_answered),
        TEST(test_overdraft),
        TEST(test_frames_that_come_back_are_audited),
        TEST(test_audits_are_made_where_they_pay),
        cmocka_unit_test(test_memory_per_frame_and_task),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
