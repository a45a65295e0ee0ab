/* Logical copies: the rules one by one, then all short histories of small containers, then long
 * random ones. After each step every page is compared with a plain model, and all books are counted
 * again. SELFPAGE_COPIES_DEPTH=4 in the environment plays all histories of that length instead of 3,
 * SELFPAGE_COPIES_STEPS=10000000 so many random steps; that takes minutes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "expect.h"
#include "scale.h"

#define CONTAINERS 4u
#define PAGES      3u
#define HOLE       UINT64_MAX

/* What the slots of a task hold: a number; 0: zeros. */
struct plain {
    struct world *world;
    struct physmem_task *task;
    uint32_t container[CONTAINERS]; /* handle; 0: destroyed */
    uint64_t page[CONTAINERS][PAGES];
    bool soft[CONTAINERS][PAGES];
    uint64_t written; /* the last number */
};

static uint8_t rights_for(bool write)
{
    return write ? SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE : SLOT_READ;
}

/* Where a slot lies, with rights to it; they are given up again. */
static uint64_t *page_of(struct world *world, struct physmem_task *task, uint32_t container,
                         uint32_t slot, bool write)
{
    const struct physmem_effect *reply =
        world_map_as(world, task, container, slot, 1, rights_for(write));
    const struct physmem_map_item *item = physmem_map_items(world->physmem, reply->mapped.first);
    struct physmem_shell_extent *extent = world_extent(world, item->extent);
    uint32_t offset = item->offset;

    assert_int_equal(reply->kind, PHYSMEM_REPLY_MAPPED);
    assert_int_equal(item->rights, write ? SLOT_READ | SLOT_WRITE : SLOT_READ);
    assert_non_null(extent);
    assert_true(offset < extent->pages);
    world_range(world, physmem_unmap_own, task, container, slot, 1);
    return &extent->page[offset];
}

static uint64_t read_slot(struct world *world, struct physmem_task *task, uint32_t container,
                          uint32_t slot)
{
    return *page_of(world, task, container, slot, false);
}

static void write_slot(struct world *world, struct physmem_task *task, uint32_t container,
                       uint32_t slot, uint64_t contents)
{
    *page_of(world, task, container, slot, true) = contents;
}

static uint32_t error_of(const struct physmem_effect *reply)
{
    assert_non_null(reply);
    return reply->error;
}

/* Copy `count` slots from slot `from` to slot `to`. Returns an errno value. */
static uint32_t copy(struct world *world, struct physmem_task *task, uint32_t source, uint32_t from,
                     uint32_t target, uint32_t to, uint32_t count)
{
    const struct physmem_piece piece = {from, to, count};

    return error_of(world_copy(world, task, source, target, &piece, 1));
}

/* Pages that memory is used for. */
static uint32_t pages_in_use(const struct world *world)
{
    uint32_t pages = 0;

    for (uint32_t i = 0; i < world->shell.extents; i++)
        for (uint32_t j = 0; world->shell.extent[i] != NULL && j < EXTENT_PAGES; j++)
            pages += world->shell.extent[i]->page[j] != 0;
    return pages;
}

static struct physmem_status status_of(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status;
}

/* ---- The rules ---- */

static void test_a_copy_reads_the_same_and_costs_no_memory(void **state)
{
    struct world *world = *state;
    uint32_t a, b;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);

    b = world_container(world, task, 1000);
    expect_allocated(world_allocate(world, task, a, 0, 4, 0), 4);
    expect_allocated(world_allocate(world, task, b, 10, 4, 0), 4);
    for (uint32_t i = 0; i < 4; i++)
        write_slot(world, task, a, i, 100 + i);
    assert_int_equal(pages_in_use(world), 4);
    assert_int_equal(copy(world, task, a, 0, b, 10, 4), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(read_slot(world, task, b, 10 + i), 100 + i);
        assert_int_equal(read_slot(world, task, a, i), 100 + i);
    }
    assert_int_equal(pages_in_use(world), 4);
    assert_int_equal(world_status(task).held, 8); /* each slot is paid for */
    assert_int_equal(status_of(world).copies, 4);
    assert_int_equal(status_of(world).moved, 4);
    assert_int_equal(status_of(world).shared, 4);
    check_books(world);
}

static void test_the_first_writer_gets_the_fresh_page(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);

    world_allocate(world, task, a, 0, 3, 0);
    write_slot(world, task, a, 0, 7);
    assert_int_equal(copy(world, task, a, 0, a, 1, 1), 0);
    assert_int_equal(copy(world, task, a, 1, a, 2, 1), 0);
    write_slot(world, task, a, 1, 8);
    assert_int_equal(read_slot(world, task, a, 0), 7);
    assert_int_equal(read_slot(world, task, a, 1), 8);
    assert_int_equal(read_slot(world, task, a, 2), 7);
    assert_int_equal(status_of(world).broken, 1);
    assert_int_equal(status_of(world).moved, 2); /* to be copied, to be written */
    check_books(world);
}

static void test_the_last_that_names_a_page_moves_when_it_is_written(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);

    world_allocate(world, task, a, 0, 2, 0);
    write_slot(world, task, a, 0, 7);
    assert_int_equal(copy(world, task, a, 0, a, 1, 1), 0);
    write_slot(world, task, a, 1, 8);
    assert_int_equal(status_of(world).shared, 0);
    assert_int_equal(status_of(world).moved, 2); /* to be copied, to be written */
    write_slot(world, task, a, 0, 9);
    assert_int_equal(status_of(world).moved, 3);
    assert_int_equal(status_of(world).broken, 2);
    assert_int_equal(read_slot(world, task, a, 0), 9);
    assert_int_equal(status_of(world).extents, 1); /* nobody names the clean one */
    check_books(world);
}

static void test_a_copy_is_read_only_until_force_write(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);
    const struct physmem_effect *reply;
    const struct physmem_map_item *item;

    world_allocate(world, task, a, 0, 6, 0);
    write_slot(world, task, a, 0, 7);
    assert_int_equal(copy(world, task, a, 0, a, 2, 1), 0);
    reply = world_map(world, task, a, 0, 6);
    item = physmem_map_items(world->physmem, reply->mapped.first);
    assert_int_equal(reply->mapped.count, 4); /* 0, 1, 2, and 3 to 5 */
    assert_int_equal(item[0].rights, SLOT_READ);
    assert_int_equal(item[1].rights, SLOT_READ | SLOT_WRITE);
    assert_int_equal(item[2].rights, SLOT_READ);
    assert_int_equal(item[2].extent, item[0].extent);
    assert_int_equal(item[3].count, 3);
    assert_int_equal(item[3].extent, item[1].extent);
    expect_error(world_map_as(world, task, a, 0, 1, PHYSMEM_FORCE_WRITE | SLOT_READ), EINVAL);
    check_books(world);
}

static void test_a_failing_slot_is_named_and_nothing_is_copied(void **state)
{
    struct world *world = *state;
    uint32_t a, foreign;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);
    const struct physmem_piece pieces[] = {{0, 10, 2}, {4, 20, 3}};
    const struct physmem_piece empty = {0, 10, 0}, beyond = {999, 10, 2}, many = {0, 300, 257};
    const struct physmem_piece into_beyond = {0, 999, 2};
    const struct physmem_effect *reply;

    task_with(world, "b", 10, 0, &foreign);
    world_allocate(world, task, a, 0, 2, 0);
    world_allocate(world, task, a, 4, 3, 0);
    world_allocate(world, task, a, 10, 2, 0);
    world_allocate(world, task, a, 20, 2, 0);
    reply = world_copy(world, task, a, a, pieces, 2);
    expect_error(reply, ENOMEM); /* slot 22 has no frame */
    assert_int_equal(reply->count, 4);
    world_range(world, physmem_frames_deallocate, task, a, 5, 1);
    reply = world_copy(world, task, a, a, pieces, 2);
    expect_error(reply, ENOENT);
    assert_int_equal(reply->count, 3);
    world_map(world, task, a, 1, 1);
    reply = world_copy(world, task, a, a, pieces, 2);
    expect_error(reply, EBUSY); /* it would lose what it writes to slot 1 */
    assert_int_equal(reply->count, 1);
    expect_error(world_copy(world, task, a, a, &empty, 1), EINVAL);
    expect_error(world_copy(world, task, a, a, &beyond, 1), EINVAL);
    expect_error(world_copy(world, task, a, a, &into_beyond, 1), EINVAL);
    expect_error(world_copy(world, task, a, a, &many, 1), E2BIG);
    expect_error(world_copy(world, task, a, a, pieces, 0), EINVAL);
    expect_error(world_copy(world, task, a, foreign, pieces, 1), ENOENT);
    expect_error(world_copy(world, task, foreign, a, pieces, 1), ENOENT);
    assert_int_equal(status_of(world).copies, 0);
    check_books(world);
}

/* Neighbours whose pages are neighbours in the same order are one piece of a mapping, and others are not. */
static void test_a_mapping_has_as_few_pieces_as_pages_lie_together(void **state)
{
    static const struct physmem_piece straight = {0, 10, 3};
    static const struct physmem_piece turned[] = {{2, 20, 1}, {1, 21, 1}, {0, 22, 1}};
    struct world *world = *state;
    uint32_t container;
    struct physmem_task *task = task_with(world, "a", 40, 0, &container);
    const struct physmem_effect *reply;

    world_allocate(world, task, container, 0, 3, 0);
    world_allocate(world, task, container, 10, 3, 0);
    world_allocate(world, task, container, 20, 3, 0);
    for (uint32_t slot = 0; slot < 3; slot++)
        write_slot(world, task, container, slot, slot + 1);
    assert_int_equal(error_of(world_copy(world, task, container, container, &straight, 1)), 0);
    assert_int_equal(error_of(world_copy(world, task, container, container, turned, 3)), 0);
    reply = world_map_as(world, task, container, 10, 3, SLOT_READ);
    assert_int_equal(reply->mapped.count, 1);
    assert_int_equal(physmem_map_items(world->physmem, reply->mapped.first)->count, 3);
    reply = world_map_as(world, task, container, 20, 3, SLOT_READ);
    assert_int_equal(reply->mapped.count, 3);
    world_range(world, physmem_unmap_own, task, container, 10, 3);
    world_range(world, physmem_unmap_own, task, container, 20, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(read_slot(world, task, container, 10 + i), i + 1);
        assert_int_equal(read_slot(world, task, container, 20 + i), 3 - i);
    }
    check_books(world);
}

static void test_scatter_and_gather_read_each_slot_as_the_pieces_before_left_it(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);
    const struct physmem_piece pieces[] = {{0, 5, 1}, {5, 6, 1}, {1, 0, 1}, {0, 7, 1}};

    world_allocate(world, task, a, 0, 8, 0);
    write_slot(world, task, a, 0, 1);
    write_slot(world, task, a, 1, 2);
    write_slot(world, task, a, 5, 3);
    assert_int_equal(error_of(world_copy(world, task, a, a, pieces, 4)), 0);
    assert_int_equal(read_slot(world, task, a, 5), 1);
    assert_int_equal(read_slot(world, task, a, 6), 1);
    assert_int_equal(read_slot(world, task, a, 0), 2);
    assert_int_equal(read_slot(world, task, a, 7), 2);
    assert_int_equal(pages_in_use(world), 2); /* what slot 5 held is gone */
    check_books(world);
}

static void test_who_pays_is_who_owns_the_slot_also_after_the_original_has_gone(void **state)
{
    struct world *world = *state;
    uint32_t a, b;
    struct physmem_task *task = task_with(world, "a", 2, 0, &a);

    b = world_container(world, task, 10);
    world_allocate(world, task, a, 0, 1, 0);
    world_allocate(world, task, b, 0, 1, 0);
    write_slot(world, task, a, 0, 7);
    assert_int_equal(copy(world, task, a, 0, b, 0, 1), 0);
    expect_allocated(world_allocate(world, task, a, 0, 1, PHYSMEM_SQUASH), 1);
    assert_int_equal(world_status(task).held, 2);
    assert_int_equal(status_of(world).shared, 0);
    world_range(world, physmem_frames_deallocate, task, a, 0, 1);
    assert_int_equal(world_status(task).held, 1);
    assert_int_equal(status_of(world).free, FRAMES - 1);
    assert_int_equal(read_slot(world, task, b, 0), 7);
    write_slot(world, task, b, 0, 8); /* the frame for it was b's all the time */
    assert_int_equal(world_status(task).held, 1);
    assert_int_equal(pages_in_use(world), 1);
    check_books(world);
}

/* Nobody waits until the pages that copied slots leave behind are cleared; a slot that was emptied has its own
 * in use again. */
static void test_pages_left_behind_are_cleared_later_unless_they_are_in_use_again(void **state)
{
    const struct physmem_effect *effect;
    struct world *world = *state;
    uint32_t a, seen;
    struct physmem_task *task = task_with(world, "a", 8, 0, &a);

    world_allocate(world, task, a, 0, 4, 0);
    write_slot(world, task, a, 0, 7);
    seen = world->recorded;
    assert_int_equal(copy(world, task, a, 0, a, 2, 2), 0);
    effect = world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL);
    assert_non_null(effect);
    assert_true(effect->extent.later);
    seen = world->recorded;
    expect_allocated(world_allocate(world, task, a, 1, 2, PHYSMEM_SQUASH), 2);
    effect = world_find(world, seen, PHYSMEM_EXTENT_KEEP, NULL);
    assert_non_null(effect);
    assert_int_equal(effect->extent.offset, 1);
    assert_int_equal(effect->extent.count, 2);
    /* What must hold zeros, and what is given back, is cleared before the answer. */
    seen = world->recorded;
    expect_allocated(world_allocate(world, task, a, 0, 1, PHYSMEM_SQUASH | PHYSMEM_ZERO), 1);
    assert_null(world_find(world, seen, PHYSMEM_EXTENT_KEEP, NULL));
    assert_false(world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL)->extent.later);
    seen = world->recorded;
    world_range(world, physmem_frames_deallocate, task, a, 3, 1);
    assert_false(world_find(world, seen, PHYSMEM_EXTENT_PUNCH, NULL)->extent.later);
    check_books(world);
}

static void test_orphaned_data_stays_with_its_copies_and_the_next_write_moves_nothing(void **state)
{
    struct world *world = *state;
    uint64_t moved;
    uint32_t a, b, frames;
    struct physmem_task *task = task_with(world, "a", 8, 0, &a);

    b = world_container(world, task, 10);
    world_allocate(world, task, a, 0, 3, 0);
    world_allocate(world, task, b, 0, 2, 0);
    write_slot(world, task, a, 0, 7);
    write_slot(world, task, a, 2, 9);
    assert_int_equal(copy(world, task, a, 0, b, 0, 2), 0);
    moved = status_of(world).moved;
    frames = status_of(world).free;
    /* A slot that is no copy, and holes, stay as they are. */
    assert_int_equal(world_range(world, physmem_orphan, task, a, 0, 10)->count, 2);
    assert_int_equal(read_slot(world, task, a, 2), 9);
    assert_int_equal(read_slot(world, task, b, 0), 7);
    assert_int_equal(status_of(world).free, frames);
    assert_int_equal(status_of(world).shared, 0);
    write_slot(world, task, a, 0, 8);
    assert_int_equal(status_of(world).moved, moved);
    assert_int_equal(read_slot(world, task, b, 0), 7);
    /* The last that names a page, too: the page goes. */
    assert_int_equal(world_range(world, physmem_orphan, task, b, 0, 2)->count, 2);
    assert_int_equal(status_of(world).extents, 1); /* of a: b never had pages of its own */
    assert_int_equal(world_range(world, physmem_orphan, task, b, 0, 2)->count, 0);
    check_books(world);
}

/* What is refused changes nothing. */
static void test_slots_that_are_mapped_are_not_orphaned(void **state)
{
    const struct physmem_effect *reply;
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 8, 0, &a);

    world_allocate(world, task, a, 0, 4, 0);
    write_slot(world, task, a, 0, 7);
    assert_int_equal(copy(world, task, a, 0, a, 2, 2), 0);
    world_map_as(world, task, a, 1, 1, SLOT_READ);
    reply = world_range(world, physmem_orphan, task, a, 0, 2);
    assert_int_equal(reply->error, EBUSY);
    assert_int_equal(reply->count, 0);
    assert_int_equal(read_slot(world, task, a, 0), 7);
    assert_int_equal(world_range(world, physmem_orphan, task, a, UINT32_MAX, 1)->error, EINVAL);
    assert_int_equal(world_range(world, physmem_orphan, task, a + 100, 0, 1)->error, ENOENT);
    world_range(world, physmem_unmap_own, task, a, 1, 1);
    assert_int_equal(world_range(world, physmem_orphan, task, a, 0, 2)->count, 2);
    check_books(world);
}

static void test_generations_cost_nothing(void **state)
{
    struct world *world = *state;
    size_t bytes = 0;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);

    world_allocate(world, task, a, 0, 2, 0);
    write_slot(world, task, a, 0, 7);
    for (uint32_t i = 0; i < (RUNNING_ON_VALGRIND ? 500 : 10000); i++) {
        assert_int_equal(copy(world, task, a, i % 2, a, 1 - i % 2, 1), 0);
        if (i == 0)
            bytes = world->memory.bytes;
    }
    /* No memory for any of them, and a slot leads to its page in one step. */
    assert_int_equal(world->memory.bytes, bytes);
    assert_int_equal(read_slot(world, task, a, 1), 7);
    assert_int_equal(status_of(world).moved, 1);
    assert_int_equal(pages_in_use(world), 1);
    assert_int_equal(status_of(world).extents, 2); /* the home, and one clean one */
    check_books(world);
}

/* A page goes through many tasks, each of which copies it from the one before, which then dies. What the
 * last one has costs what the first one's copy did. */
static void test_generations_of_tasks_leave_nothing_behind(void **state)
{
    struct world *world = *state;
    size_t bytes = 0;
    uint32_t from, to;
    struct physmem_task *last = task_with(world, "0", 2, 0, &from), *next;

    world_allocate(world, last, from, 0, 1, 0);
    write_slot(world, last, from, 0, 7);
    for (uint32_t i = 1; i < (RUNNING_ON_VALGRIND ? 2u * PHYSMEM_DEAD_MAX + 200 : 10000u); i++) {
        const struct physmem_permission permission = {.token = i, .rights = SLOT_READ};
        const struct physmem_piece piece = {0, 0, 1};

        next = task_with(world, "next", 2, 0, &to);
        world_allocate(world, next, to, 0, 1, 0);
        world_share(world, last, from, &permission);
        assert_int_equal(world_adopt(world, next, from, i)->error, 0);
        assert_int_equal(world_copy(world, next, from, to, &piece, 1)->error, 0);
        physmem_task_gone(world->physmem, world->now, last);
        world_run(world);
        world_pass(world, 1000000000);
        last = next;
        from = to;
        if (i == 2 * PHYSMEM_DEAD_MAX) /* so many are listed */
            bytes = world->memory.bytes;
    }
    assert_int_equal(read_slot(world, last, from, 0), 7);
    assert_true(world->memory.bytes <= bytes);
    assert_int_equal(pages_in_use(world), 1);
    assert_int_equal(status_of(world).moved, 1);
    assert_int_equal(world_status(last).held, 1);
    assert_int_equal(status_of(world).free, FRAMES - 1);
    check_books(world);
}

static void test_a_copy_that_gets_no_extent_changes_nothing(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);

    world_allocate(world, task, a, 0, 2, 0);
    write_slot(world, task, a, 0, 7);
    world->shell.create_error = EMFILE;
    assert_int_equal(copy(world, task, a, 0, a, 1, 1), EMFILE);
    world->shell.create_error = 0;
    assert_int_equal(read_slot(world, task, a, 0), 7);
    assert_int_equal(status_of(world).copies, 0);
    assert_int_equal(copy(world, task, a, 0, a, 1, 1), 0);
    physmem_task_gone(world->physmem, world->now, task);
    world_run(world);
    world_pass(world, 1000000000);
    assert_int_equal(status_of(world).extents, 0);
    assert_int_equal(pages_in_use(world), 0);
    check_books(world);
}

static void test_a_page_that_a_reader_conjures_up_is_cleared_again(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 40, 0, &a);
    uint64_t *page;

    world_allocate(world, task, a, 0, 4, 0);
    write_slot(world, task, a, 0, 7);
    write_slot(world, task, a, 1, 8);
    assert_int_equal(copy(world, task, a, 0, a, 2, 2), 0);
    page = page_of(world, task, a, 0, false);
    world_range(world, physmem_frames_deallocate, task, a, 0, 1);
    world_range(world, physmem_frames_deallocate, task, a, 2, 1);
    assert_int_equal(*page, 0);
    *page = 9; /* a mere read does that, and the audit finds it */
    for (unsigned i = 0; i < 20; i++) {
        physmem_audit_round(world->physmem, 8);
        world_run(world);
    }
    assert_int_equal(*page, 0);
    assert_false(world_status(task).breached);
    assert_int_equal(read_slot(world, task, a, 1), 8);
    check_books(world);
}

/* ---- Against a plain model ---- */

static void plain_begin(struct plain *plain, struct world *world, struct physmem_task *task)
{
    *plain = (struct plain){.world = world, .task = task};
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        plain->container[i] = world_container(world, task, PAGES);
        expect_allocated(world_allocate(world, task, plain->container[i], 0, PAGES, 0), PAGES);
    }
}

static void plain_end(struct plain *plain)
{
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        const struct physmem_request request = world_request(plain->world, plain->task);

        if (plain->container[i] != 0)
            physmem_container_destroy(plain->world->physmem, plain->world->now, &request,
                                      plain->container[i]);
    }
    world_run(plain->world);
    world_pass(plain->world, 1000000000);
}

/* Distinct contents, other than zeros, that some slot shows. */
static uint32_t plain_distinct(const struct plain *plain)
{
    uint64_t seen[CONTAINERS * PAGES];
    uint32_t count = 0;

    for (uint32_t i = 0; i < CONTAINERS * PAGES; i++) {
        uint64_t page = plain->page[i / PAGES][i % PAGES];
        uint32_t j = 0;

        if (plain->container[i / PAGES] == 0 || page == HOLE || page == 0)
            continue;
        while (j < count && seen[j] != page)
            j++;
        if (j == count)
            seen[count++] = page;
    }
    return count;
}

static void plain_compare(const struct plain *plain)
{
    uint32_t held = 0;

    check_books(plain->world);
    for (uint32_t i = 0; i < CONTAINERS; i++)
        for (uint32_t j = 0; plain->container[i] != 0 && j < PAGES; j++) {
            uint64_t page = plain->page[i][j];

            if (page == HOLE || plain->soft[i][j]) {
                expect_error(
                    world_map_as(plain->world, plain->task, plain->container[i], j, 1, SLOT_READ),
                    ENOENT);
                continue;
            }
            held++;
            assert_int_equal(read_slot(plain->world, plain->task, plain->container[i], j), page);
        }
    assert_int_equal(world_status(plain->task).held, held);
    assert_int_equal(pages_in_use(plain->world), plain_distinct(plain));
}

static void plain_copy(struct plain *plain, uint32_t from, uint32_t to, uint32_t first,
                       uint32_t shift, uint32_t count)
{
    const struct physmem_piece piece = {first, first + shift, count};
    uint64_t *source = plain->page[from], *target = plain->page[to];
    uint32_t expected = 0;

    for (uint32_t i = 0; i < count && expected == 0; i++) {
        if (source[first + i] == HOLE || plain->soft[from][first + i])
            expected = ENOENT;
        else if (target[first + shift + i] == HOLE || plain->soft[to][first + shift + i])
            expected = ENOMEM;
    }
    if (plain->container[from] == 0 || plain->container[to] == 0)
        expected = ENOENT;
    assert_int_equal(error_of(world_copy(plain->world, plain->task, plain->container[from],
                                         plain->container[to], &piece, 1)),
                     expected);
    for (uint32_t i = 0; i < count && expected == 0; i++)
        target[first + shift + i] = source[first + i];
}

/* A write of a part of a page: what is not written stays, unless nobody knows what it is. */
static void plain_write(struct plain *plain, uint32_t container, uint32_t slot, bool known)
{
    uint64_t *bytes;

    if (plain->container[container] == 0 || plain->page[container][slot] == HOLE ||
        plain->soft[container][slot])
        return;
    bytes = page_of(plain->world, plain->task, plain->container[container], slot, true);
    if (known)
        assert_int_equal(*bytes, plain->page[container][slot]);
    *bytes = plain->page[container][slot] = ++plain->written;
}

static void plain_free(struct plain *plain, uint32_t container, uint32_t slot)
{
    world_range(plain->world, physmem_frames_deallocate, plain->task, plain->container[container],
                slot, 1);
    plain->page[container][slot] = HOLE;
    plain->soft[container][slot] = false;
}

static void plain_release(struct plain *plain, uint32_t container, uint32_t slot)
{
    world_range(plain->world, physmem_frames_release, plain->task, plain->container[container],
                slot, 1);
    plain->soft[container][slot] = plain->page[container][slot] != HOLE;
}

static void plain_recover(struct plain *plain, uint32_t container, uint32_t slot)
{
    world_range(plain->world, physmem_frames_recover, plain->task, plain->container[container],
                slot, 1);
    plain->soft[container][slot] = false;
}

static void plain_allocate(struct plain *plain, uint32_t container, uint32_t slot)
{
    world_allocate(plain->world, plain->task, plain->container[container], slot, 1,
                   PHYSMEM_SQUASH | PHYSMEM_ZERO);
    plain->page[container][slot] = 0;
    plain->soft[container][slot] = false;
}

/* What a slot holds after that is undefined, until it is written; no byte moves for it. */
static void plain_orphan(struct plain *plain, uint32_t container, uint32_t slot)
{
    uint64_t moved = status_of(plain->world).moved;

    world_range(plain->world, physmem_orphan, plain->task, plain->container[container], slot, 1);
    plain_write(plain, container, slot, false);
    assert_int_equal(status_of(plain->world).moved, moved);
}

static void plain_destroy(struct plain *plain, uint32_t container)
{
    const struct physmem_request request = world_request(plain->world, plain->task);

    physmem_container_destroy(plain->world->physmem, plain->world->now, &request,
                              plain->container[container]);
    world_run(plain->world);
    plain->container[container] = 0;
}

/* Copies between any two, one write, release and destruction of each. */
#define PAIRS (CONTAINERS * (CONTAINERS - 1))
#define STEPS (PAIRS + 3 * CONTAINERS)

static void plain_step(struct plain *plain, uint32_t step)
{
    uint32_t which = (step - PAIRS) % CONTAINERS;

    if (step < PAIRS) {
        uint32_t from = step / (CONTAINERS - 1), to = step % (CONTAINERS - 1);

        plain_copy(plain, from, to + (to >= from), 0, 0, PAGES);
    } else if (step < PAIRS + CONTAINERS) {
        plain_write(plain, which, which % PAGES, true);
    } else if (step < PAIRS + 2 * CONTAINERS) {
        if (plain->container[which] != 0)
            plain_release(plain, which, (which + 1) % PAGES);
    } else if (plain->container[which] != 0) {
        plain_destroy(plain, which);
    }
}

static void test_all_short_histories_of_four_containers(void **state)
{
    struct world *world = *state;
    const char *deep = getenv("SELFPAGE_COPIES_DEPTH");
    uint32_t depth = deep != NULL ? (uint32_t)atoi(deep) : RUNNING_ON_VALGRIND ? 2 : 3;
    uint32_t histories = 1, a;
    struct physmem_task *task = task_with(world, "a", 2 * CONTAINERS * PAGES, 0, &a);

    for (uint32_t i = 0; i < depth; i++)
        histories *= STEPS;
    for (uint32_t history = 0; history < histories; history++) {
        struct plain plain;
        uint32_t rest = history;

        plain_begin(&plain, world, task);
        for (uint32_t i = 0; i < CONTAINERS; i++)
            plain_write(&plain, i, 0, true);
        for (uint32_t i = 0; i < depth; i++, rest /= STEPS) {
            plain_step(&plain, rest % STEPS);
            plain_compare(&plain);
        }
        plain_end(&plain);
        assert_int_equal(pages_in_use(world), 0);
    }
}

static void random_step(struct plain *plain, struct random_source *random)
{
    uint32_t container = random_below(random, CONTAINERS), other = random_below(random, CONTAINERS);
    uint32_t slot = random_below(random, PAGES), to = random_below(random, PAGES);
    uint32_t most = PAGES - (slot > to ? slot : to);

    switch (random_below(random, 13)) {
    case 0:
        plain_free(plain, container, slot);
        break;
    case 1:
        plain_release(plain, container, slot);
        break;
    case 2:
    case 3:
        plain_recover(plain, container, slot);
        break;
    case 4:
    case 5:
        plain_allocate(plain, container, slot);
        break;
    case 6:
    case 7:
        plain_write(plain, container, slot, true);
        break;
    case 8:
        plain_orphan(plain, container, slot);
        break;
    default:
        if (container != other)
            plain_copy(plain, container, other, slot, to - slot, 1 + random_below(random, most));
    }
}

static void test_long_random_histories(void **state)
{
    struct world *world = *state;
    uint32_t a;
    struct physmem_task *task = task_with(world, "a", 2 * CONTAINERS * PAGES, 0, &a);
    struct random_source random = random_seeded(scale_seed(9));
    const char *wanted = getenv("SELFPAGE_COPIES_STEPS");
    unsigned long steps = wanted != NULL ? strtoul(wanted, NULL, 10) : 0;
    struct plain plain;

    if (steps == 0)
        steps = RUNNING_ON_VALGRIND ? 3000 : 100000;
    plain_begin(&plain, world, task);
    for (unsigned long step = 0; step < steps; step++) {
        random_step(&plain, &random);
        plain_compare(&plain);
    }
    assert_true(status_of(world).broken > 1000 || RUNNING_ON_VALGRIND);
    plain_end(&plain);
    assert_int_equal(pages_in_use(world), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_copy_reads_the_same_and_costs_no_memory),
        TEST(test_the_first_writer_gets_the_fresh_page),
        TEST(test_the_last_that_names_a_page_moves_when_it_is_written),
        TEST(test_a_copy_is_read_only_until_force_write),
        TEST(test_a_failing_slot_is_named_and_nothing_is_copied),
        TEST(test_a_mapping_has_as_few_pieces_as_pages_lie_together),
        TEST(test_scatter_and_gather_read_each_slot_as_the_pieces_before_left_it),
        TEST(test_who_pays_is_who_owns_the_slot_also_after_the_original_has_gone),
        TEST(test_pages_left_behind_are_cleared_later_unless_they_are_in_use_again),
        TEST(test_orphaned_data_stays_with_its_copies_and_the_next_write_moves_nothing),
        TEST(test_slots_that_are_mapped_are_not_orphaned),
        TEST(test_generations_cost_nothing),
        TEST(test_generations_of_tasks_leave_nothing_behind),
        TEST(test_a_copy_that_gets_no_extent_changes_nothing),
        TEST(test_a_page_that_a_reader_conjures_up_is_cleared_again),
        TEST(test_all_short_histories_of_four_containers),
        TEST(test_long_random_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
