/* Pages that physmem has stored for tasks: the rules one by one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "swap_model.h"

static uint64_t read_slot(struct world *world, struct physmem_task *task, uint32_t container,
                          uint32_t slot)
{
    return *swap_page(world, task, container, slot, false);
}

static void write_slot(struct world *world, struct physmem_task *task, uint32_t container,
                       uint32_t slot, uint64_t contents)
{
    *swap_page(world, task, container, slot, true) = contents;
}

static struct physmem_status status_of(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status;
}

/* Another task takes all frames but four, soft ones among them. */
static void reuse_soft(struct world *world)
{
    uint32_t container;
    struct physmem_task *hog = task_with(world, "hog", FRAMES - 4, 0, &container);

    expect_allocated(world_allocate(world, hog, container, 0, FRAMES - 4, 0), FRAMES - 4);
}

/* A task with a guarantee, and contents 100 + slot in `count` slots. */
static struct physmem_task *filled(struct world *world, const char *name, uint32_t count,
                                   uint32_t *container)
{
    struct physmem_task *task = task_with(world, name, 20, 0, container);

    expect_allocated(world_allocate(world, task, *container, 0, count, 0), count);
    for (uint32_t i = 0; i < count; i++)
        write_slot(world, task, *container, i, 100 + i);
    return task;
}

/* Drop the soft frames of slots, as physmem does when it reuses them. */
static void lose_frames(struct world *world, struct physmem_task *task, uint32_t container,
                        uint32_t count)
{
    world_range(world, physmem_frames_deallocate, task, container, 0, count);
}

/* Have the first slots stored, lose their frames, and get new ones, which are empty. */
static void send_away(struct world *world, struct physmem_task *task, uint32_t container,
                      uint32_t *numbers, uint32_t count)
{
    assert_int_equal(swap_out(world, task, container, 0, count, numbers), 0);
    lose_frames(world, task, container, count);
    expect_allocated(world_allocate(world, task, container, 0, count, 0), count);
}

/* Make slots of `to` copies of slots 0 to count - 1 of `from`, as the task `by` that has a weak reference. */
static void copy_between(struct world *world, struct physmem_task *owner, uint32_t from,
                         struct physmem_task *by, uint32_t to, uint32_t count)
{
    const struct physmem_permission permission = {.task = physmem_task_id(by), .rights = SLOT_READ};
    const struct physmem_piece piece = {0, 0, count};

    assert_int_equal(world_share(world, owner, from, &permission)->error, 0);
    assert_int_equal(world_adopt(world, by, from, 0)->error, 0);
    assert_int_equal(world_copy(world, by, from, to, &piece, 1)->error, 0);
}

static void test_a_page_goes_to_swap_and_comes_back(void **state)
{
    struct world *world = *state;
    uint32_t numbers[4], container;
    struct physmem_task *task = filled(world, "a", 4, &container);

    assert_int_equal(swap_out(world, task, container, 0, 4, numbers), 0);
    assert_int_equal(world_status(task).held, 0);
    assert_int_equal(world_status(task).soft, 4);
    assert_int_equal(model.stores, 4);
    model_check(world);
    lose_frames(world, task, container, 4);
    /* In other slots than before, and in another order. */
    expect_allocated(world_allocate(world, task, container, 10, 4, 0), 4);
    uint32_t turned[4] = {numbers[3], numbers[2], numbers[1], numbers[0]};
    assert_int_equal(swap_in(world, task, container, 10, turned, 4), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(turned[i], 0);
        assert_int_equal(read_slot(world, task, container, 10 + i), 103 - i);
        write_slot(world, task, container, 10 + i, 500 + i);
        assert_int_equal(read_slot(world, task, container, 10 + i), 500 + i);
    }
    assert_int_equal(status_of(world).swap_pages, 0);
    model_check(world);
    check_books(world);
}

static void test_what_is_inactive_is_recovered_until_it_is_reused(void **state)
{
    struct world *world = *state;
    uint32_t numbers[4], container;
    struct physmem_task *task = filled(world, "a", 4, &container);

    assert_int_equal(swap_out(world, task, container, 0, 4, numbers), 0);
    /* Two of the frames are lost; a third is released again with other contents. */
    lose_frames(world, task, container, 2);
    assert_int_equal(swap_in(world, task, container, 0, numbers, 4), ENOENT);
    assert_int_equal(status_of(world).swap_recovered, 2);
    assert_int_equal(numbers[2] | numbers[3], 0);
    assert_int_not_equal(numbers[0], 0);
    assert_int_equal(read_slot(world, task, container, 2), 102);
    expect_allocated(world_allocate(world, task, container, 0, 2, 0), 2);
    assert_int_equal(swap_in(world, task, container, 0, numbers, 4), 0);
    assert_int_equal(read_slot(world, task, container, 1), 101);
    assert_int_equal(model.loads, 2);
    check_books(world);
}

static void test_a_soft_slot_with_other_contents_is_not_taken_for_the_page(void **state)
{
    struct world *world = *state;
    uint32_t first, second, container;
    struct physmem_task *task = filled(world, "a", 1, &container);

    assert_int_equal(swap_out(world, task, container, 0, 1, &first), 0);
    world_range(world, physmem_frames_recover, task, container, 0, 1);
    write_slot(world, task, container, 0, 900);
    world_range(world, physmem_frames_release, task, container, 0, 1);
    assert_int_equal(swap_in(world, task, container, 0, &first, 1), ENOENT);
    world_range(world, physmem_frames_recover, task, container, 0, 1);
    assert_int_equal(swap_out(world, task, container, 0, 1, &second), 0);
    assert_int_equal(swap_in(world, task, container, 0, &first, 1), ENOENT);
    assert_int_equal(swap_in(world, task, container, 0, &second, 1), 0);
    assert_int_equal(read_slot(world, task, container, 0), 900);
    expect_allocated(world_allocate(world, task, container, 1, 1, 0), 1);
    assert_int_equal(swap_in(world, task, container, 1, &first, 1), 0);
    assert_int_equal(read_slot(world, task, container, 1), 100);
    check_books(world);
}

static void test_a_frame_that_three_tasks_show_is_written_once_and_comes_back_shared(void **state)
{
    struct world *world = *state;
    uint32_t container[3], numbers[3][4];
    struct physmem_task *task[3] = {filled(world, "a", 4, &container[0])};

    for (unsigned t = 1; t < 3; t++) {
        task[t] = task_with(world, t == 1 ? "b" : "c", 20, 0, &container[t]);
        expect_allocated(world_allocate(world, task[t], container[t], 0, 4, 0), 4);
        copy_between(world, task[0], container[0], task[t], container[t], 4);
    }
    assert_int_equal(status_of(world).shared, 4);
    for (unsigned t = 0; t < 3; t++)
        assert_int_equal(swap_out(world, task[t], container[t], 0, 4, numbers[t]), 0);
    assert_int_equal(model.stores, 4);
    assert_int_equal(status_of(world).swap_pages, 4);
    assert_int_equal(status_of(world).swap_shared, 8);
    model_check(world);
    for (unsigned t = 0; t < 3; t++)
        lose_frames(world, task[t], container[t], 4);
    assert_int_equal(status_of(world).shared, 0);
    for (unsigned t = 0; t < 3; t++) {
        expect_allocated(world_allocate(world, task[t], container[t], 0, 4, 0), 4);
        assert_int_equal(swap_in(world, task[t], container[t], 0, numbers[t], 4), 0);
    }
    assert_int_equal(model.loads, 4);
    assert_int_equal(status_of(world).swap_shown, 8);
    assert_int_equal(status_of(world).shared, 4);
    assert_int_equal(status_of(world).swap_pages, 0);
    write_slot(world, task[1], container[1], 0, 7);
    assert_int_equal(read_slot(world, task[0], container[0], 0), 100);
    assert_int_equal(read_slot(world, task[1], container[1], 0), 7);
    model_check(world);
    check_books(world);
}

static void test_copies_in_one_request_are_one_page(void **state)
{
    struct world *world = *state;
    uint32_t numbers[5], container;
    struct physmem_task *task = filled(world, "a", 5, &container);
    const struct physmem_piece pieces[] = {{0, 1, 1}, {0, 2, 1}, {0, 3, 1}};

    assert_int_equal(world_copy(world, task, container, container, pieces, 3)->error, 0);
    assert_int_equal(swap_out(world, task, container, 0, 5, numbers), 0);
    assert_int_equal(model.stores, 2);
    lose_frames(world, task, container, 5);
    expect_allocated(world_allocate(world, task, container, 0, 5, 0), 5);
    assert_int_equal(swap_in(world, task, container, 0, numbers, 5), 0);
    assert_int_equal(model.loads, 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(read_slot(world, task, container, i), 100);
    assert_int_equal(read_slot(world, task, container, 4), 104);
    assert_int_equal(status_of(world).shared, 1);
    check_books(world);
}

static void test_what_memory_still_shows_is_not_loaded(void **state)
{
    struct world *world = *state;
    uint32_t a, b, numbers[2];
    struct physmem_task *owner = filled(world, "a", 2, &a);
    struct physmem_task *other = task_with(world, "b", 20, 0, &b);

    expect_allocated(world_allocate(world, other, b, 0, 2, 0), 2);
    copy_between(world, owner, a, other, b, 2);
    assert_int_equal(swap_out(world, owner, a, 0, 2, numbers), 0);
    lose_frames(world, owner, a, 2);
    expect_allocated(world_allocate(world, owner, a, 0, 2, 0), 2);
    assert_int_equal(swap_in(world, owner, a, 0, numbers, 2), 0);
    assert_int_equal(model.loads, 0);
    assert_int_equal(read_slot(world, owner, a, 1), 101);
    assert_int_equal(status_of(world).shared, 2);
    check_books(world);
}

static void test_requests_that_are_refused_change_nothing(void **state)
{
    struct world *world = *state;
    uint32_t a, b, seq, numbers[2], none[2] = {77, 78};
    struct physmem_task *task = filled(world, "a", 3, &a);
    struct physmem_task *other = filled(world, "b", 2, &b);

    assert_int_equal(swap_out(world, task, a, 2, 2, numbers), ENOENT);
    assert_int_equal(world_reply(world, world->seq)->count, 1);
    assert_int_equal(swap_out(world, task, a, 990, 11, numbers), EINVAL);
    assert_int_equal(swap_out(world, task, a, 0, 65, numbers), EINVAL);
    assert_int_equal(swap_out(world, task, b, 0, 1, numbers), ENOENT);
    world_map(world, task, a, 0, 1);
    assert_int_equal(swap_out(world, task, a, 0, 2, numbers), EBUSY);
    world_range(world, physmem_unmap_own, task, a, 0, 1);
    assert_int_equal(swap_in(world, task, a, 0, none, 2), ENOENT);
    assert_int_equal(swap_drop(world, task, none, 1), ENOENT);
    assert_int_equal(model.waits, 0);
    assert_int_equal(swap_out(world, task, a, 0, 2, numbers), 0);
    assert_int_equal(swap_in(world, other, b, 0, numbers, 2), ENOENT); /* they are another task's */
    assert_int_equal(swap_drop(world, other, numbers, 2), ENOENT);
    none[0] = none[1] = numbers[0];
    assert_int_equal(swap_in(world, task, a, 0, none, 2), EINVAL);
    assert_int_equal(swap_drop(world, task, none, 2), EINVAL);
    assert_null(swap_out_begin(world, task, a, 2, 1, &seq));
    assert_int_equal(swap_out(world, task, a, 2, 1, numbers), EBUSY); /* another one waits */
    model_run(world);
    assert_int_equal(world_reply(world, seq)->error, 0);
    model_check(world);
    check_books(world);
}

static void test_without_a_swap_server_nothing_is_stored(void **state)
{
    struct world world;
    uint32_t container, numbers[1];
    struct physmem_task *task;

    (void)state;
    world_init(&world, &heap_allocator);
    assert_int_equal(world_start(&world, FRAMES, 4, 0), 0);
    task = task_with(&world, "a", 20, 0, &container);
    world_allocate(&world, task, container, 0, 1, 0);
    assert_int_equal(swap_out(&world, task, container, 0, 1, numbers), EOPNOTSUPP);
    assert_int_equal(world_end(&world), 0);
}

static void test_a_task_whose_quota_is_spent_keeps_its_memory(void **state)
{
    struct world *world = *state;
    uint32_t numbers[4], container;
    struct physmem_task *task = filled(world, "a", 4, &container);

    model.quota = 3;
    assert_int_equal(swap_out(world, task, container, 0, 4, numbers), EDQUOT);
    assert_int_equal(world_status(task).held, 4);
    assert_int_equal(status_of(world).swap_pages, 0);
    assert_int_equal(read_slot(world, task, container, 3), 103);
    assert_int_equal(swap_out(world, task, container, 0, 3, numbers), 0);
    assert_int_equal(swap_out(world, task, container, 3, 1, numbers + 3), EDQUOT);
    assert_int_equal(swap_drop(world, task, numbers, 1), 0);
    assert_int_equal(swap_out(world, task, container, 3, 1, numbers + 3), 0);
    model_check(world);
    check_books(world);
}

/* One that has spent its quota asks to store pages that a task waits for. The task stores them itself. */
static void test_a_quota_that_is_spent_is_that_of_its_task_alone(void **state)
{
    struct world *world = *state;
    uint32_t a, b, ours, theirs, numbers[4];
    struct physmem_task *spender = filled(world, "a", 4, &a);
    struct physmem_task *other = task_with(world, "b", 20, 0, &b);

    expect_allocated(world_allocate(world, other, b, 0, 3, 0), 3);
    copy_between(world, spender, a, other, b, 2);
    write_slot(world, other, b, 2, 7);
    model.quota = 3;
    assert_int_equal(swap_out(world, spender, a, 2, 2, numbers), 0);
    assert_null(swap_out_begin(world, spender, a, 0, 2, &theirs));
    assert_null(swap_out_begin(world, other, b, 0, 3, &ours));
    model_run(world);
    assert_int_equal(swap_out_end(world, theirs, numbers), EDQUOT);
    assert_int_equal(swap_out_end(world, ours, numbers), 0);
    assert_int_equal(status_of(world).swap_pages, 5);
    lose_frames(world, other, b, 3);
    expect_allocated(world_allocate(world, other, b, 0, 3, 0), 3);
    assert_int_equal(swap_in(world, other, b, 0, numbers, 3), 0);
    assert_int_equal(read_slot(world, other, b, 1), 101);
    assert_int_equal(read_slot(world, other, b, 2), 7);
    model_check(world);
    check_books(world);
}

/* Of all pages in swap a user has so many at most that another one can have some. */
static void test_a_user_leaves_room_in_swap_for_others(void **state)
{
    struct world *world = *state;
    uint32_t a, b, c, numbers[20];
    struct physmem_task *first = filled(world, "a", 18, &a);
    struct physmem_task *second = filled(world, "b", 4, &b);
    struct physmem_task *stranger = filled(world, "c", 2, &c);

    stranger->identity.uid++;
    world->physmem->stored.most = 18; /* of which one user gets 16 */
    assert_int_equal(swap_out(world, first, a, 0, 17, numbers), EMFILE);
    assert_int_equal(swap_out(world, first, a, 0, 14, numbers), 0);
    assert_int_equal(swap_out(world, second, b, 0, 3, numbers + 14), EMFILE);
    assert_int_equal(swap_out(world, second, b, 0, 2, numbers + 14), 0);
    assert_int_equal(swap_out(world, first, a, 14, 1, numbers + 16), EMFILE);
    assert_int_equal(swap_out(world, stranger, c, 0, 2, numbers + 16), 0);
    /* What a task that ends had is room again. */
    physmem_task_gone(world->physmem, world->now, second);
    world_run(world);
    model_run(world);
    assert_int_equal(swap_drop(world, stranger, numbers + 16, 2), 0);
    assert_int_equal(swap_out(world, first, a, 14, 2, numbers + 14), 0);
    model_check(world);
    check_books(world);
}

static void test_a_page_that_is_used_while_it_is_stored_stays(void **state)
{
    struct world *world = *state;
    uint32_t container, seq;
    struct physmem_task *task = filled(world, "a", 2, &container);

    assert_null(swap_out_begin(world, task, container, 0, 2, &seq));
    write_slot(world, task, container, 1, 200);
    model_run(world);
    assert_int_equal(world_reply(world, seq)->error, EBUSY);
    assert_int_equal(world_status(task).held, 2);
    assert_int_equal(read_slot(world, task, container, 1), 200);
    assert_int_equal(status_of(world).swap_pages, 0);
    model_check(world);
    check_books(world);
}

static void test_a_task_that_ends_while_its_pages_are_stored_leaves_nothing(void **state)
{
    struct world *world = *state;
    uint32_t container, seq;
    struct physmem_task *task = filled(world, "a", 3, &container);

    assert_null(swap_out_begin(world, task, container, 0, 3, &seq));
    physmem_task_gone(world->physmem, world->now, task);
    world_run(world);
    check_books(world);
    model_run(world);
    assert_int_equal(model.ended, 1);
    assert_int_equal(status_of(world).swap_pages, 0);
    assert_null(world->physmem->stored.first);
    check_books(world);
}

static void test_a_task_that_ends_while_its_pages_are_loaded_leaves_nothing(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[3];
    struct physmem_task *task = filled(world, "a", 3, &container);
    struct physmem_request request;

    send_away(world, task, container, numbers, 3);
    request = world_request(world, task);
    physmem_swap_in(world->physmem, world->now, &request, container, 0, numbers, 3);
    world_run(world);
    assert_int_equal(model.waits, 1);
    physmem_task_gone(world->physmem, world->now, task);
    world_run(world);
    check_books(world);
    model_run(world);
    assert_int_equal(model.ended, 1);
    check_books(world);
}

/* No slot names them yet, and an audit does not take them for pages that somebody has no frames for. */
static void test_pages_that_are_being_loaded_are_not_cleared(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[3], since;
    struct physmem_task *task = filled(world, "a", 3, &container);
    struct physmem_shell_extent *extent;
    struct physmem_request request;
    uint32_t handle;

    send_away(world, task, container, numbers, 3);
    request = world_request(world, task);
    physmem_swap_in(world->physmem, world->now, &request, container, 0, numbers, 3);
    world_run(world);
    assert_int_equal(model.waits, 1);
    handle = model.waiting[0].effect.load.extent;
    extent = physmem_shell_extent(&world->shell, handle);
    assert_non_null(extent);
    extent->page[0] = 100; /* the swap server has begun */
    since = world->recorded;
    for (unsigned round = 0; round < 10; round++)
        physmem_audit_round(world->physmem, 100);
    world_run(world);
    for (uint32_t i = since; i < world->recorded; i++)
        if (world->record[i % WORLD_RECORD].kind == PHYSMEM_EXTENT_AUDIT)
            assert_int_not_equal(world->record[i % WORLD_RECORD].extent.extent, handle);
    physmem_audit_done(world->physmem, world->now, handle, 0, 1); /* of one that began before */
    world_run(world);
    assert_int_equal(extent->page[0], 100);
    model_run(world);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(read_slot(world, task, container, i), 100 + i);
    check_books(world);
}

static void test_a_page_that_others_have_outlives_the_task_that_had_it_stored(void **state)
{
    struct world *world = *state;
    uint32_t a, b, mine[2], yours[2];
    struct physmem_task *owner = filled(world, "a", 2, &a);
    struct physmem_task *other = task_with(world, "b", 20, 0, &b);

    expect_allocated(world_allocate(world, other, b, 0, 2, 0), 2);
    copy_between(world, owner, a, other, b, 2);
    assert_int_equal(swap_out(world, owner, a, 0, 2, mine), 0);
    assert_int_equal(swap_out(world, other, b, 0, 2, yours), 0);
    assert_int_equal(model.stores, 2);
    physmem_task_gone(world->physmem, world->now, owner);
    world_run(world);
    model_run(world);
    lose_frames(world, other, b, 2);
    assert_int_equal(model.ended, 0); /* its account has what another task needs */
    assert_int_equal(status_of(world).swap_pages, 2);
    model_check(world);
    expect_allocated(world_allocate(world, other, b, 0, 2, 0), 2);
    assert_int_equal(swap_in(world, other, b, 0, yours, 2), 0);
    assert_int_equal(read_slot(world, other, b, 1), 101);
    assert_int_equal(model.ended, 1);
    model_check(world);
    check_books(world);
}

static void test_what_the_swap_server_takes_with_it_is_lost_and_nothing_else(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[3];
    struct physmem_task *task = filled(world, "a", 3, &container);

    assert_int_equal(swap_out(world, task, container, 0, 3, numbers), 0);
    lose_frames(world, task, container, 1);
    expect_allocated(world_allocate(world, task, container, 0, 1, 0), 1);
    model_die(world);
    assert_int_equal(status_of(world).swap_lost, 3);
    assert_int_equal(swap_in(world, task, container, 0, numbers, 3), EIO);
    assert_int_not_equal(numbers[0], 0);
    assert_int_equal(numbers[1] | numbers[2], 0);
    assert_int_equal(read_slot(world, task, container, 2), 102);
    assert_int_equal(swap_out(world, task, container, 1, 2, numbers + 1), EPIPE);
    model.dead = false;
    assert_int_equal(swap_out(world, task, container, 1, 2, numbers + 1), 0);
    check_books(world);
}

static void test_a_page_that_cannot_be_read_fails_alone(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[3];
    struct physmem_task *task = filled(world, "a", 3, &container);

    send_away(world, task, container, numbers, 3);
    model.broken = 101;
    assert_int_equal(swap_in(world, task, container, 0, numbers, 3), EIO);
    assert_int_equal(numbers[0] | numbers[2], 0);
    assert_int_equal(read_slot(world, task, container, 0), 100);
    assert_int_equal(read_slot(world, task, container, 2), 102);
    model.broken = 0;
    assert_int_equal(swap_in(world, task, container, 0, numbers, 3), 0);
    assert_int_equal(read_slot(world, task, container, 1), 101);
    model_check(world);
    check_books(world);
}

static void test_a_task_that_has_a_page_stored_pays_a_recall(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[10];
    struct physmem_task *task = task_with(world, "a", 0, 40, &container);

    expect_allocated(world_allocate(world, task, container, 0, 10, PHYSMEM_EXTRA), 10);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "a", 10), 10);
    world_run(world);
    assert_int_equal(world_status(task).owed, 10);
    assert_int_equal(swap_out(world, task, container, 0, 10, numbers), 0);
    assert_int_equal(world_status(task).owed, 0);
    reuse_soft(world);
    assert_int_equal(world_status(task).soft, 4);
    assert_int_equal(swap_in(world, task, container, 0, numbers, 10),
                     ENOMEM); /* nor may it have them now */
    check_books(world);
}

/* Each allocation fails once, wherever it is: the request is refused, and all books agree. */
static void test_without_memory_requests_are_refused(void **state)
{
    struct world *world = *state;
    uint32_t container, numbers[4];
    struct physmem_task *task = filled(world, "a", 4, &container);

    for (uint32_t fails = 0; fails < 12; fails++) {
        uint32_t error;

        world->memory.fail_after = fails;
        error = swap_out(world, task, container, 0, 4, numbers);
        world->memory.fail_after = UINT64_MAX;
        check_books(world);
        if (error == 0)
            break;
        assert_int_equal(error, ENOMEM);
        assert_int_equal(status_of(world).swap_pages, 0);
        assert_int_equal(world_status(task).held, 4);
    }
    assert_int_equal(status_of(world).swap_pages, 4);
}

/* A slot that takes nothing, since its task has mapped it meanwhile: its page does not stay where others could read it. */
static void test_what_was_loaded_for_nothing_is_cleared(void **state)
{
    struct world *world = *state;
    uint32_t a, b, mine[2], yours[2], extent;
    struct physmem_task *owner = filled(world, "a", 2, &a);
    struct physmem_task *other = task_with(world, "b", 20, 0, &b);
    struct physmem_request request;

    expect_allocated(world_allocate(world, other, b, 0, 2, 0), 2);
    copy_between(world, owner, a, other, b, 2);
    assert_int_equal(swap_out(world, owner, a, 0, 2, mine), 0);
    assert_int_equal(swap_out(world, other, b, 0, 2, yours), 0);
    lose_frames(world, owner, a, 2);
    lose_frames(world, other, b, 2);
    expect_allocated(world_allocate(world, owner, a, 0, 2, 0), 2);
    expect_allocated(world_allocate(world, other, b, 0, 2, 0), 2);
    request = world_request(world, owner);
    physmem_swap_in(world->physmem, world->now, &request, a, 0, mine, 2);
    world_run(world);
    assert_int_equal(model.waits, 1);
    extent = model.waiting[0].effect.load.extent;
    world_map_as(world, owner, a, 1, 1, SLOT_READ);
    model_answer(world, 0);
    assert_int_equal(world_reply(world, request.seq)->error, EBUSY);
    assert_int_equal(physmem_shell_extent(&world->shell, extent)->page[0], 100);
    assert_int_equal(physmem_shell_extent(&world->shell, extent)->page[1], 0);
    /* Nor has another task its descriptor before it is clear. */
    assert_int_equal(swap_in(world, other, b, 0, yours, 1), 0);
    assert_int_equal(status_of(world).swap_shown, 0);
    assert_int_equal(read_slot(world, other, b, 0), 100);
    check_books(world);
}

/* Memory that is given back has other contents at once. */
static void *forgetful(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size == 0 && block != NULL)
        memset(block, 0xa5, old_size);
    return heap_allocator.resize(heap_allocator.context, block, old_size, new_size);
}

/* A task whose request is answered and that is revoked in the same tick: the reply says what it is to. */
static void test_a_reply_outlives_what_its_task_had(void **state)
{
    static const struct allocator allocator = {.resize = forgetful};
    struct world world;
    struct sp_terms terms = world_terms(SP_EXTRA, 10);
    uint32_t a, b, mine, yours;
    struct physmem_task *owner, *other;
    struct physmem_request first, second;

    (void)state;
    memset(&model, 0, sizeof(model));
    model.quota = UINT32_MAX / 2;
    world_init(&world, &allocator);
    world.swap = true;
    world.watch = model_watch;
    assert_int_equal(world_start(&world, FRAMES, 4, 0), 0);
    owner = filled(&world, "a", 1, &a);
    other = task_with(&world, "b", 1, 0, &b);
    terms.on_breach = SP_BREACH_REVOKE;
    assert_int_equal(world_propose(&world, other, &terms)->offer.offer.answer, SP_ACCEPTED);
    expect_allocated(world_allocate(&world, other, b, 0, 1, 0), 1);
    copy_between(&world, owner, a, other, b, 1);
    assert_int_equal(swap_out(&world, owner, a, 0, 1, &mine), 0);
    assert_int_equal(swap_out(&world, other, b, 0, 1, &yours), 0);
    lose_frames(&world, owner, a, 1);
    lose_frames(&world, other, b, 1);
    expect_allocated(world_allocate(&world, owner, a, 0, 1, 0), 1);
    expect_allocated(world_allocate(&world, other, b, 0, 1, 0), 1);
    expect_allocated(world_allocate(&world, other, b, 10, 5, PHYSMEM_EXTRA), 5);
    first = world_request(&world, owner);
    physmem_swap_in(world.physmem, world.now, &first, a, 0, &mine, 1);
    second = world_request(&world, other);
    physmem_swap_in(world.physmem, world.now, &second, b, 0, &yours, 1);
    assert_int_equal(physmem_recall_from(world.physmem, world.now, "b", 5), 5);
    world_run(&world);
    assert_null(world_reply(&world, second.seq));
    model_answer(&world, 0);
    assert_null(world_reply(&world, second.seq));
    world.now += UINT64_C(3600000000000);
    physmem_tick(world.physmem, world.now);
    world_run(&world);
    assert_int_equal(other->state, STANDING_REVOKED);
    assert_int_equal(world_reply(&world, second.seq)->error, 0);
    assert_int_equal(world_reply(&world, second.seq)->swapped.count, 1);
    assert_int_equal(world_reply(&world, second.seq)->swapped.numbers[0], 0);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

/* A task asks to have pages back, and waits. Returns the number of its request. */
static uint32_t load_begin(struct world *world, struct physmem_task *task, uint32_t container,
                           uint32_t start, uint32_t *numbers, uint32_t count)
{
    const struct physmem_request request = world_request(world, task);

    physmem_swap_in(world->physmem, world->now, &request, container, start, numbers, count);
    world_run(world);
    assert_null(world_reply(world, request.seq));
    return request.seq;
}

/* A task that asks again and again for a page, and sees to it that it never takes it, keeps no other task from it. */
static void test_a_task_that_asks_again_comes_after_those_that_wait(void **state)
{
    struct world *world = *state;
    uint32_t a, b, mine, yours, first, second;
    struct physmem_task *greedy = filled(world, "a", 1, &a);
    struct physmem_task *other = task_with(world, "b", 20, 0, &b);

    expect_allocated(world_allocate(world, other, b, 0, 1, 0), 1);
    copy_between(world, greedy, a, other, b, 1);
    assert_int_equal(swap_out(world, greedy, a, 0, 1, &mine), 0);
    assert_int_equal(swap_out(world, other, b, 0, 1, &yours), 0);
    lose_frames(world, greedy, a, 1);
    lose_frames(world, other, b, 1);
    expect_allocated(world_allocate(world, greedy, a, 0, 1, 0), 1);
    expect_allocated(world_allocate(world, other, b, 0, 1, 0), 1);
    first = load_begin(world, greedy, a, 0, &mine, 1);
    second = load_begin(world, other, b, 0, &yours, 1);
    expect_allocated(world_allocate(world, greedy, a, 1, 1, 0), 1);
    model_answer(world, 0);
    assert_int_equal(world_reply(world, first)->error, EBUSY);
    first = load_begin(world, greedy, a, 0, &mine, 1);
    assert_int_equal(model.waits, 0);
    world_pass(world, 1000000);
    assert_int_equal(model.waits, 1);
    model_answer(world, 0);
    assert_int_equal(world_reply(world, second)->error, 0);
    assert_null(world_reply(world, first));
    model_run(world);
    assert_int_equal(world_reply(world, first)->error, 0);
    assert_int_equal(read_slot(world, greedy, a, 0), 100);
    check_books(world);
}

/* Pages that many tasks have, all of one account: the swap server would end an account that asks for too much. */
static void test_loads_of_an_account_for_others_have_a_bound(void **state)
{
    static const uint32_t count[] = {64, 64, 2};
    struct world world;
    struct physmem_task *owner, *other[3];
    uint32_t a, b[3], mine[130], yours[3][64], seq[4];

    (void)state;
    memset(&model, 0, sizeof(model));
    model.quota = UINT32_MAX / 2;
    world_init(&world, &heap_allocator);
    world.swap = true;
    world.watch = model_watch;
    assert_int_equal(world_start(&world, 600, 4, 0), 0);
    owner = task_with(&world, "a", 130, 0, &a);
    expect_allocated(world_allocate(&world, owner, a, 0, 130, 0), 130);
    for (uint32_t i = 0; i < 130; i++)
        write_slot(&world, owner, a, i, 100 + i);
    for (uint32_t t = 0; t < 3; t++) {
        struct physmem_permission permission = {.rights = SLOT_READ};
        const struct physmem_piece piece = {64 * t, 0, count[t]};

        other[t] = task_with(&world, "b", count[t], 0, &b[t]);
        permission.task = physmem_task_id(other[t]);
        expect_allocated(world_allocate(&world, other[t], b[t], 0, count[t], 0), count[t]);
        assert_int_equal(world_share(&world, owner, a, &permission)->error, 0);
        assert_int_equal(world_adopt(&world, other[t], a, 0)->error, 0);
        assert_int_equal(world_copy(&world, other[t], a, b[t], &piece, 1)->error, 0);
    }
    for (uint32_t t = 0; t < 3; t++)
        assert_int_equal(swap_out(&world, owner, a, 64 * t, count[t], mine + 64 * t), 0);
    lose_frames(&world, owner, a, 130);
    for (uint32_t t = 0; t < 3; t++) {
        assert_int_equal(swap_out(&world, other[t], b[t], 0, count[t], yours[t]), 0);
        lose_frames(&world, other[t], b[t], count[t]);
        expect_allocated(world_allocate(&world, other[t], b[t], 0, count[t], 0), count[t]);
    }
    expect_allocated(world_allocate(&world, owner, a, 129, 1, 0), 1);
    for (uint32_t t = 0; t < 3; t++)
        seq[t] = load_begin(&world, other[t], b[t], 0, yours[t], count[t]);
    assert_int_equal(model.waits, 2);
    check_books(&world);
    /* The task whose account it is waits for nobody. */
    seq[3] = load_begin(&world, owner, a, 129, mine + 129, 1);
    assert_int_equal(model.waits, 3);
    model_run(&world);
    for (uint32_t t = 0; t < 4; t++)
        assert_int_equal(world_reply(&world, seq[t])->error, 0);
    assert_int_equal(read_slot(&world, other[2], b[2], 1), 229);
    model_check(&world);
    check_books(&world);
    assert_int_equal(world_end(&world), 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, swap_setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(test_a_page_goes_to_swap_and_comes_back),
        STORY(test_what_is_inactive_is_recovered_until_it_is_reused),
        STORY(test_a_soft_slot_with_other_contents_is_not_taken_for_the_page),
        STORY(test_a_frame_that_three_tasks_show_is_written_once_and_comes_back_shared),
        STORY(test_copies_in_one_request_are_one_page),
        STORY(test_what_memory_still_shows_is_not_loaded),
        STORY(test_requests_that_are_refused_change_nothing),
        cmocka_unit_test(test_without_a_swap_server_nothing_is_stored),
        STORY(test_a_task_whose_quota_is_spent_keeps_its_memory),
        STORY(test_a_quota_that_is_spent_is_that_of_its_task_alone),
        STORY(test_a_user_leaves_room_in_swap_for_others),
        STORY(test_a_page_that_is_used_while_it_is_stored_stays),
        STORY(test_a_task_that_ends_while_its_pages_are_stored_leaves_nothing),
        STORY(test_a_task_that_ends_while_its_pages_are_loaded_leaves_nothing),
        STORY(test_pages_that_are_being_loaded_are_not_cleared),
        STORY(test_a_page_that_others_have_outlives_the_task_that_had_it_stored),
        STORY(test_what_the_swap_server_takes_with_it_is_lost_and_nothing_else),
        STORY(test_a_page_that_cannot_be_read_fails_alone),
        STORY(test_a_task_that_has_a_page_stored_pays_a_recall),
        STORY(test_without_memory_requests_are_refused),
        STORY(test_what_was_loaded_for_nothing_is_cleared),
        STORY(test_a_task_that_asks_again_comes_after_those_that_wait),
        cmocka_unit_test(test_a_reply_outlives_what_its_task_had),
        cmocka_unit_test(test_loads_of_an_account_for_others_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
