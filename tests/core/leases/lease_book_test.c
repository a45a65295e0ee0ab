/* Where the frames are that a physmem above has granted: stories, and a random walk against a plain model
 * that knows the state of each slot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "core/leases/lease_book.h"
#include "os/heap.h"
#include "world/faults.h"

#define STOCK 77u /* number of its container */

static int owner; /* any address will do */

static struct lease_book book_of(uint32_t frames, uint32_t held)
{
    struct lease_book book;

    assert_int_equal(lease_book_init(&book, &heap_allocator, frames, STOCK, held), 0);
    return book;
}

static struct lease *lease_of(struct lease_book *book, uint32_t container, uint32_t pages)
{
    struct lease *lease = lease_book_add(book, &owner, pages);

    assert_non_null(lease);
    lease->container = container;
    return lease;
}

/* Frames go from one place to the other, and come there. */
static void move(struct lease_book *book, struct lease *from, uint32_t from_start, struct lease *to,
                 uint32_t to_start, uint32_t count)
{
    lease_book_leave(book, from, from_start, count);
    lease_book_expect(book, to, to_start, count);
    lease_book_left(book, from, from_start, count);
    lease_book_arrive(book, to, to_start, count, true);
}

static void use(struct lease *lease, uint32_t first, uint32_t count)
{
    pages_add(lease->used, first, count);
    lease_book_recount(lease);
}

/* ---- Stories ---- */

static void there_are_slots_for_frames_and_for_as_many_on_their_way(void **state)
{
    (void)state;
    assert_int_equal(lease_book_slots(10), 20 + EXTENT_PAGES);
    assert_int_equal(lease_book_slots(UINT32_MAX), CONTAINER_SLOTS_MAX);
}

static void a_frame_that_moves_is_in_neither_place(void **state)
{
    struct lease_book book = book_of(8, 3);
    struct lease *lease = lease_of(&book, 1, 4);

    (void)state;
    assert_int_equal(book.stock_count, 3);
    lease_book_leave(&book, NULL, 1, 2);
    lease_book_expect(&book, lease, 0, 2);
    assert_int_equal(book.stock_count, 1);
    assert_false(bitmap_test(&book.stock, 1) || bitmap_test(&book.holes, 1));
    assert_int_equal(pages_count(lease->held), 0);
    assert_int_equal(pages_count(lease->coming), 2);
    lease_book_left(&book, NULL, 1, 2);
    lease_book_arrive(&book, lease, 0, 2, true);
    assert_true(bitmap_test(&book.holes, 1) && bitmap_test(&book.holes, 2));
    assert_int_equal(pages_count(lease->held), 2);
    assert_int_equal(lease->spares, 2); /* none is used */
    lease_book_fini(&book);
}

static void frames_that_did_not_go_are_where_they_were(void **state)
{
    struct lease_book book = book_of(8, 3);
    struct lease *lease = lease_of(&book, 1, 4);

    (void)state;
    lease_book_leave(&book, NULL, 0, 2);
    lease_book_expect(&book, lease, 0, 2);
    lease_book_left(&book, NULL, 0, 2);
    lease_book_arrive(&book, lease, 0, 2, false);
    lease_book_stay(&book, NULL, 0, 2);
    assert_int_equal(book.stock_count, 3);
    assert_true(bitmap_test(&book.stock, 0) && !bitmap_test(&book.holes, 0));
    assert_false(pages_any(lease->held) || pages_any(lease->coming));

    move(&book, NULL, 0, lease, 0, 2);
    lease_book_leave(&book, lease, 0, 1);
    lease_book_stay(&book, lease, 0, 1);
    assert_int_equal(pages_count(lease->held), 2);
    assert_int_equal(lease->spares, 2);
    lease_book_fini(&book);
}

/* The stock first; then a lease that has some to spare, and one that asks only if no other has. */
static void spare_frames_come_from_the_stock_then_from_others(void **state)
{
    struct lease_book book = book_of(8, 5);
    struct lease *other = lease_of(&book, 2, 4), *asks = lease_of(&book, 1, 4), *from;
    uint32_t first;

    (void)state;
    move(&book, NULL, 0, asks, 0, 2);
    move(&book, NULL, 2, other, 1, 2);
    assert_int_equal(lease_book_find_spare(&book, asks, 9, &from, &first), 1);
    assert_null(from);
    assert_int_equal(first, 4);
    use(other, 1, 1);
    move(&book, NULL, 4, other, 0, 1);
    assert_int_equal(lease_book_find_spare(&book, asks, 9, &from, &first), 1); /* page 0 alone */
    assert_ptr_equal(from, other);
    assert_int_equal(first, 0);
    use(other, 0, 3);
    assert_int_equal(lease_book_find_spare(&book, asks, 1, &from, &first), 1);
    assert_ptr_equal(from, asks);
    use(asks, 0, 2);
    assert_int_equal(lease_book_find_spare(&book, asks, 9, &from, &first), 0);
    lease_book_fini(&book);
}

/* A page that has to be cleared is not spare until it is. */
static void a_dirty_page_goes_nowhere(void **state)
{
    struct lease_book book = book_of(8, 1);
    struct lease *lease = lease_of(&book, 1, 1);

    (void)state;
    move(&book, NULL, 0, lease, 0, 1);
    pages_add(lease->dirty, 0, 1);
    lease_book_recount(lease);
    assert_int_equal(book.spares, 0);
    pages_remove(lease->dirty, 0, 1);
    lease_book_recount(lease);
    assert_int_equal(book.spares, 1);
    lease_book_fini(&book);
}

static void what_is_lost_counts_once(void **state)
{
    struct lease_book book = book_of(16, 8);
    struct lease *lease = lease_of(&book, 1, 4);

    (void)state;
    move(&book, NULL, 0, lease, 0, 2);
    lease_book_leave(&book, NULL, 2, 1);
    lease_book_expect(&book, lease, 2, 1); /* on its way is lost, too */
    assert_int_equal(lease_book_lose(lease), 3);
    assert_int_equal(lease_book_lose(lease), 0);
    assert_int_equal(book.spares, 0);
    lease_book_left(&book, NULL, 2, 1);
    lease_book_arrive(&book, lease, 2, 1, true);
    assert_false(pages_any(lease->held));

    /* Of the stock, what is there; numbers may be any. */
    assert_int_equal(lease_book_take_stock(&book, 0, 5), 2);
    assert_int_equal(lease_book_take_stock(&book, 0, 5), 0);
    assert_int_equal(lease_book_take_stock(&book, UINT32_MAX, UINT32_MAX), 0);
    assert_int_equal(lease_book_take_stock(&book, 7, UINT32_MAX), 1);
    assert_int_equal(book.stock_count, 2);
    lease_book_fini(&book);
}

static void leases_want_in_turn_and_once(void **state)
{
    struct lease_book book = book_of(8, 0);
    struct lease *lease[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        lease[i] = lease_of(&book, i + 1, 1);
        lease_book_want(lease[i]);
        lease_book_want(lease[0]);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(book.wanting_first, lease[i]);
        lease_book_unwant_first(&book);
    }
    assert_null(book.wanting_first);
    assert_null(book.wanting_last);
    lease_book_want(lease[0]);
    lease_book_want(lease[1]);
    lease_book_end(
        lease[1]); /* one that has ended wants nothing; the next goes behind the one before */
    lease_book_want(lease[2]);
    assert_ptr_equal(lease[0]->next_wanting, lease[2]);
    assert_int_equal(book.leases, 2);
    lease_book_fini(&book);
}

static void a_lease_is_found_by_its_container(void **state)
{
    struct lease_book book = book_of(8, 0);
    struct lease *one = lease_of(&book, 1, 1), *two = lease_of(&book, 2, 1);

    (void)state;
    assert_ptr_equal(lease_book_find(&book, 1), one);
    assert_ptr_equal(lease_book_find(&book, 2), two);
    assert_null(lease_book_find(&book, 3));
    assert_int_equal(lease_book_container(&book, two), 2);
    assert_int_equal(lease_book_container(&book, NULL), STOCK);
    lease_book_end(one);
    lease_book_remove(one);
    assert_null(lease_book_find(&book, 1));
    lease_book_fini(&book);
}

static void without_memory_there_is_no_book_and_no_lease(void **state)
{
    struct faults_memory memory;
    struct lease_book book;

    (void)state;
    faults_memory_init(&memory, &heap_allocator);
    memory.fail_after = 0;
    assert_int_equal(lease_book_init(&book, &memory.allocator, 8, STOCK, 0), -ENOMEM);
    memory.fail_after = 1;
    assert_int_equal(lease_book_init(&book, &memory.allocator, 8, STOCK, 0), 0);
    assert_null(lease_book_add(&book, &owner, 1));
    assert_int_equal(book.leases, 0);
    memory.fail_after = UINT64_MAX;
    assert_non_null(lease_book_add(&book, &owner, 1));
    lease_book_fini(&book);
    assert_int_equal(memory.bytes, 0);
}

/* ---- Whatever happens ---- */

enum { LEASES = 5, PAGES = 20, FRAMES = 60, MOVES = 6 };

/* A move that is under way. */
struct moving {
    struct lease *from, *to;
    uint32_t from_start, to_start, count;
};

struct walk {
    struct random_source random;
    struct lease_book book;
    struct lease *lease[LEASES];
    struct moving moving[MOVES];
    unsigned moves;
    uint32_t lost; /* frames */
};

static uint32_t in_stock(const struct lease_book *book)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < book->stock.bits; slot++) {
        assert_false(bitmap_test(&book->stock, slot) && bitmap_test(&book->holes, slot));
        count += bitmap_test(&book->stock, slot);
    }
    return count;
}

/* No frame is lost, and none is in two places. */
static void check_all(const struct walk *walk)
{
    uint32_t spares = 0, held = in_stock(&walk->book), on_the_way = 0, coming = 0;

    assert_int_equal(walk->book.stock_count, held);
    for (unsigned i = 0; i < LEASES; i++) {
        const struct lease *lease = walk->lease[i];
        uint32_t spare = 0;

        for (uint32_t page = 0; page < PAGES; page++) {
            bool has = pages_has(lease->held, page);

            assert_false(has && pages_has(lease->coming, page));
            spare += has && !pages_has(lease->used, page) && !pages_has(lease->dirty, page);
        }
        assert_int_equal(lease->spares, spare);
        spares += spare;
        held += pages_count(lease->held);
        coming += pages_count(lease->coming);
    }
    for (unsigned i = 0; i < walk->moves; i++) {
        bool lost = walk->moving[i].to != NULL && walk->moving[i].to->lost;

        on_the_way += lost ? 0 : walk->moving[i].count;
    }
    assert_int_equal(walk->book.spares, spares);
    assert_int_equal(held + on_the_way + walk->lost, FRAMES);
    assert_true(coming <= FRAMES);
}

/* Where frames can go in a lease: a run of pages that it has not, and that are neither coming nor leaving. */
static uint32_t room_in(const struct walk *walk, const struct lease *lease, uint32_t most,
                        uint32_t *firstp)
{
    uint64_t words[PAGES_WORDS] = {0};

    pages_add(words, 0, PAGES);
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] &= ~lease->held[i] & ~lease->coming[i];
    for (unsigned i = 0; i < walk->moves; i++)
        if (walk->moving[i].from == lease)
            pages_remove(words, walk->moving[i].from_start, walk->moving[i].count);
    return pages_run(words, PAGES, most, firstp);
}

static void begin_move(struct walk *walk)
{
    struct moving move = {.to = NULL};
    uint32_t most = 1 + random_below(&walk->random, 8);

    if (walk->moves == MOVES)
        return;
    if (random_below(&walk->random, 3) > 0)
        move.to = walk->lease[random_below(&walk->random, LEASES)];
    move.count = lease_book_find_spare(&walk->book, move.to, most, &move.from, &move.from_start);
    if (move.count == 0 || (move.from == NULL && move.to == NULL) ||
        (move.to != NULL && move.to->lost))
        return;
    move.count = move.to == NULL ? lease_book_run(&walk->book.holes, move.count, &move.to_start)
                                 : room_in(walk, move.to, move.count, &move.to_start);
    if (move.count == 0)
        return;
    lease_book_leave(&walk->book, move.from, move.from_start, move.count);
    lease_book_expect(&walk->book, move.to, move.to_start, move.count);
    walk->moving[walk->moves++] = move;
}

static void end_move(struct walk *walk)
{
    struct moving move;
    unsigned which;
    bool came = random_below(&walk->random, 4) > 0;

    if (walk->moves == 0)
        return;
    which = random_below(&walk->random, walk->moves);
    move = walk->moving[which];
    walk->moving[which] = walk->moving[--walk->moves];
    came = came || (move.to != NULL && move.to->lost); /* those were counted then */
    came = came || (move.from != NULL && move.from->lost);
    lease_book_left(&walk->book, move.from, move.from_start, move.count);
    lease_book_arrive(&walk->book, move.to, move.to_start, move.count, came);
    if (!came)
        lease_book_stay(&walk->book, move.from, move.from_start, move.count);
}

static void change_use(struct walk *walk)
{
    struct lease *lease = walk->lease[random_below(&walk->random, LEASES)];
    uint32_t first = random_below(&walk->random, PAGES);
    uint32_t count = 1 + random_below(&walk->random, PAGES - first);

    switch (random_below(&walk->random, 4)) {
    case 0:
        pages_add(lease->used, first, count);
        break;
    case 1:
        pages_remove(lease->used, first, count);
        pages_add(lease->dirty, first, count);
        break;
    default:
        pages_remove(lease->used, 0, PAGES);
        pages_remove(lease->dirty, first, count);
        break;
    }
    lease_book_recount(lease);
}

static void lose(struct walk *walk)
{
    struct lease **lease = &walk->lease[random_below(&walk->random, LEASES)];
    uint32_t first;

    if (random_below(&walk->random, 2) == 0) {
        first = random_below(&walk->random, walk->book.stock.bits);
        walk->lost += lease_book_take_stock(&walk->book, first, 1);
    } else {
        walk->lost += lease_book_lose(*lease);
    }
}

static void no_frame_is_lost_on_its_way(void **state)
{
    unsigned steps = RUNNING_ON_VALGRIND ? 1000 : 20000;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct walk walk = {.random = random_seeded(seed)};

        walk.book = book_of(FRAMES, FRAMES);
        for (unsigned i = 0; i < LEASES; i++)
            walk.lease[i] = lease_of(&walk.book, i + 1, PAGES);
        for (unsigned step = 0; step < steps / 20; step++) {
            uint32_t what = random_below(&walk.random, 100);

            if (what < 40)
                begin_move(&walk);
            else if (what < 75)
                end_move(&walk);
            else if (what < 99 || random_below(&walk.random, 10) > 0)
                change_use(&walk);
            else
                lose(&walk);
            check_all(&walk);
        }
        lease_book_fini(&walk.book);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_slots_for_frames_and_for_as_many_on_their_way),
        cmocka_unit_test(a_frame_that_moves_is_in_neither_place),
        cmocka_unit_test(frames_that_did_not_go_are_where_they_were),
        cmocka_unit_test(spare_frames_come_from_the_stock_then_from_others),
        cmocka_unit_test(a_dirty_page_goes_nowhere),
        cmocka_unit_test(what_is_lost_counts_once),
        cmocka_unit_test(leases_want_in_turn_and_once),
        cmocka_unit_test(a_lease_is_found_by_its_container),
        cmocka_unit_test(without_memory_there_is_no_book_and_no_lease),
        cmocka_unit_test(no_frame_is_lost_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
