/* selfpage/container.h between real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <selfpage/testing.h>

#include "fixture.h"
#include "live.h"
#include "scale.h"

#define PAGE ((size_t)SP_PAGE_SIZE)
#define MS   UINT64_C(1000000)

static sp_container create_or_exit(struct sp_task *task, uint32_t pages)
{
    struct sp_error error = {0};
    sp_container container;

    if (sp_container_create_with(task, pages, 0, &container, &error) != 0) {
        fprintf(stderr, "container: %s\n", error.text);
        exit(1);
    }
    return container;
}

static char *map_or_exit(struct sp_task *task, sp_container container, uint32_t first,
                         uint32_t count, unsigned flags)
{
    struct sp_error error = {0};
    void *address;

    if (sp_container_map(task, container, first, count, flags, &address, &error) != 0) {
        fprintf(stderr, "map: %s\n", error.text);
        exit(1);
    }
    return address;
}

/* ---- One task ---- */

static int copy_and_write(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container a = create_or_exit(task, 300), b = create_or_exit(task, 300), c;
    char *x = map_or_exit(task, a, 0, 300, SP_MAP_WRITE);
    char *y = map_or_exit(task, b, 0, 300, SP_MAP_WRITE);
    const struct sp_copy_piece pieces[] = {{0, 10, 3}, {299, 20, 1}};
    uint32_t failed = 99;

    (void)arg;
    for (size_t i = 0; i < 300; i++)
        x[i * PAGE] = (char)i;
    CHECK(sp_container_copy(task, a, 0, b, 0, 300, NULL, NULL) == 0);
    for (size_t i = 0; i < 300; i++)
        CHECK(y[i * PAGE] == (char)i && x[i * PAGE] == (char)i);
    /* The first writer gets the fresh page, through a mapping that was there before. */
    y[5 * PAGE] = 'y';
    x[6 * PAGE] = 'x';
    CHECK(x[5 * PAGE] == 5 && y[6 * PAGE] == 6 && y[5 * PAGE] == 'y' && x[6 * PAGE] == 'x');
    CHECK(sp_container_copy_pieces(task, a, b, pieces, 2, NULL, NULL) == 0);
    CHECK(y[12 * PAGE] == 2 && y[20 * PAGE] == (char)299);
    CHECK(sp_container_deallocate(task, a, 290, 1, NULL) == 1);
    CHECK(sp_container_copy(task, a, 0, b, 0, 300, &failed, NULL) == -ENOENT && failed == 290);
    CHECK(sp_container_create_from(task, a, 0, 100, &c, NULL) == 0);
    x[7 * PAGE] = 'x';
    CHECK(map_or_exit(task, c, 7, 1, 0)[0] == 7);
    CHECK(sp_container_destroy(task, a, NULL) == -EBUSY);
    CHECK(sp_container_unmap(task, x, NULL) == 0);
    CHECK(sp_container_unmap(task, x, NULL) == -EINVAL);
    CHECK(sp_container_destroy(task, a, NULL) == 0);
    CHECK(y[100 * PAGE] == 100);
    return sp_detach(&task);
}

static void test_a_copy_is_read_and_written_through_mappings(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, "copier", "guaranteed=800", copy_and_write, NULL));
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.copies, 300 + 4 + 256 + 100);
    assert_true(status.broken >= 3);
}

static int allocate_and_free(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_error error;
    sp_container a;
    char *x;

    (void)arg;
    CHECK(sp_container_create(task, 0, &a, &error) == -EINVAL);
    CHECK(sp_container_create(task, 100, &a, NULL) == 0);
    CHECK(sp_container_allocate(task, a, 90, 11, 0, &error) == -EINVAL);
    CHECK(sp_container_allocate(task, a, 0, 1, 64, &error) == -EINVAL);
    CHECK(sp_container_allocate(task, a, 0, 10, 0, NULL) == 10);
    CHECK(sp_container_allocate(task, a, 5, 10, 0, &error) == -EEXIST);
    x = map_or_exit(task, a, 0, 20, SP_MAP_WRITE);
    x[0] = x[5 * PAGE] = 'x';
    CHECK(sp_container_allocate(task, a, 5, 10, SP_ALLOCATE_SQUASH | SP_ALLOCATE_ZERO, NULL) == 10);
    CHECK(x[0] == 'x' && x[5 * PAGE] == 0 && x[14 * PAGE] == 0);
    /* 15 of 20 are used: the rest is given in part only. */
    CHECK(sp_container_allocate(task, a, 20, 10, 0, &error) == -ENOMEM);
    CHECK(sp_container_allocate(task, a, 20, 10, SP_ALLOCATE_PARTIAL, NULL) == 5);
    CHECK(sp_container_allocate(task, a, 30, 10, 0, &error) == -ENOMEM);
    CHECK(sp_container_allocate(task, a, 30, 10, SP_ALLOCATE_EXTRA, NULL) == 10);
    CHECK(sp_container_release(task, a, 0, 2, NULL) == 2);
    CHECK(sp_container_recover(task, a, 0, 2, NULL) == 2);
    CHECK(x[0] == 'x');
    CHECK(sp_container_release(task, a, 39, 1, NULL) == 1);
    CHECK(sp_container_recover(task, a, 39, 2, &error) == 1); /* slot 40 has no frame */
    CHECK(sp_container_recover(task, a, 60, 2, &error) == -ENOENT);
    CHECK(sp_container_deallocate(task, a, 0, 100, NULL) == 30);
    CHECK(sp_container_allocate(task, a, 0, 20, 0, NULL) == 20);
    CHECK(sp_container_allocate(task, a + 7, 0, 20, 0, &error) == -ENOENT);
    return sp_detach(&task);
}

static void test_frames_are_allocated_as_the_flags_say(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=20;extra=10", allocate_and_free, NULL));
}

/* Slots that will hold something else leave their data to the copies. */
static int orphan_and_write(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container a = create_or_exit(task, 8), b = create_or_exit(task, 8);
    struct sp_error error;
    char *x, *y;

    (void)arg;
    x = map_or_exit(task, a, 0, 8, SP_MAP_WRITE);
    y = map_or_exit(task, b, 0, 8, 0);
    for (unsigned i = 0; i < 8; i++)
        x[i * PAGE] = (char)('a' + i);
    CHECK(sp_container_copy(task, a, 0, b, 0, 4, NULL, &error) == 0);
    CHECK(x[0] == 'a' && y[3 * PAGE] == 'd'); /* mapped: that is given up first */
    CHECK(sp_container_orphan(task, a, 0, 8, &error) == 4);
    for (unsigned i = 0; i < 4; i++)
        x[i * PAGE] = (char)('A' + i);
    for (unsigned i = 0; i < 4; i++)
        CHECK(x[i * PAGE] == (char)('A' + i) && y[i * PAGE] == (char)('a' + i));
    CHECK(x[4 * PAGE] == 'e' && x[7 * PAGE] == 'h'); /* they were no copies */
    CHECK(sp_container_orphan(task, a, 0, 8, &error) == 0);
    CHECK(sp_container_orphan(task, a, 4, 5, &error) == -EINVAL);
    CHECK(sp_container_orphan(task, a + 100, 0, 1, &error) == -ENOENT);
    CHECK(sp_container_destroy(task, a, &error) == -EBUSY);
    CHECK(sp_container_unmap(task, x, NULL) == 0 && sp_container_destroy(task, a, &error) == 0);
    CHECK(y[0] == 'a');
    return sp_detach(&task);
}

static void test_orphaned_data_costs_no_copy(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, NULL, "guaranteed=16", orphan_and_write, NULL));
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.moved, 4);
    assert_int_equal(status.broken, 0);
}

/* Frames in blocks, and below a number. */
static int allocate_blocks(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_error error;
    sp_container a;

    (void)arg;
#define BLOCKS(...)                                                                                \
    sp_container_allocate_blocks(task, a, &(struct sp_allocation){__VA_ARGS__}, &error)
    CHECK(sp_container_create(task, 64, &a, NULL) == 0);
    CHECK(BLOCKS(.count = 16, .order = 4) == 16);
    CHECK(BLOCKS(.first = 16, .count = 6, .order = 2) == -EINVAL);
    CHECK(BLOCKS(.first = 16, .count = 64, .order = 6) == -EINVAL);
    CHECK(BLOCKS(.first = 16, .count = 2, .order = 16) == -EINVAL);
    CHECK(BLOCKS(.first = 16, .count = 2, .flags = 64) == -EINVAL);
    CHECK(BLOCKS(.first = 16, .count = 4, .order = 1, .ceiling = 8) == 4);
    CHECK(BLOCKS(.first = 20, .count = 4, .order = 2, .ceiling = 3) == -ENOMEM);
    CHECK(BLOCKS(.first = 20, .count = 20, .ceiling = 1 << 30) == -ENOMEM); /* 25 frames */
    CHECK(BLOCKS(.first = 20, .count = 20, .order = 2, .flags = SP_ALLOCATE_PARTIAL) == 4);
#undef BLOCKS
    return sp_detach(&task);
}

static void test_frames_come_in_blocks_and_below_a_ceiling(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=25", allocate_blocks, NULL));
}

/* A container is made of slots from several places. */
static int gather(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    const struct sp_slots slots[] = {{5, 3}, {0, 1}, {9, 1}, {5, 1}};
    static struct sp_slots many[200];
    struct sp_error error;
    sp_container a = create_or_exit(task, 10), b, c;
    char *x = map_or_exit(task, a, 0, 10, SP_MAP_WRITE);
    const char *y;

    (void)arg;
    for (size_t i = 0; i < 10; i++)
        x[i * PAGE] = (char)i;
    CHECK(sp_container_create_gather(task, a, slots, 4, &b, NULL) == 0);
    y = map_or_exit(task, b, 0, 6, 0);
    CHECK(y[0] == 5 && y[2 * PAGE] == 7 && y[3 * PAGE] == 0 && y[4 * PAGE] == 9 &&
          y[5 * PAGE] == 5);
    for (uint32_t i = 0; i < 200; i++)
        many[i] = (struct sp_slots){i * 7 % 10, 1};
    CHECK(sp_container_create_gather(task, a, many, 200, &c, NULL) == 0);
    y = map_or_exit(task, c, 0, 200, 0);
    for (size_t i = 0; i < 200; i++)
        CHECK(y[i * PAGE] == (char)(i * 7 % 10));
    CHECK(sp_container_create_gather(task, a, slots, 0, &b, &error) == -EINVAL);
    many[1].count = 0;
    CHECK(sp_container_create_gather(task, a, many, 200, &b, &error) == -EINVAL);
    many[1].count = SP_CONTAINER_PAGES;
    CHECK(sp_container_create_gather(task, a, many, 200, &b, &error) == -E2BIG);
    CHECK(sp_container_create_gather(task, a, (struct sp_slots[]){{10, 1}}, 1, &b, &error) ==
          -EINVAL);
    CHECK(sp_container_deallocate(task, a, 3, 1, NULL) == 1);
    CHECK(sp_container_create_gather(task, a, (struct sp_slots[]){{2, 2}}, 1, &b, &error) ==
          -ENOENT);
    return sp_detach(&task);
}

static void test_a_container_is_gathered_from_several_places(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, NULL, "guaranteed=300", gather, NULL));
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.free, status.frames);
}

/* What containers take, regions give up by eviction, and nothing is lost. */
static int share_with_regions(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    sp_container a;
    char *x;

    (void)arg;
    for (size_t i = 0; i < 100; i++)
        memory[i * PAGE] = (char)(i + 1);
    a = create_or_exit(task, 30);
    x = map_or_exit(task, a, 0, 30, SP_MAP_WRITE);
    memset(x, 'x', 30 * PAGE);
    for (size_t i = 0; i < 100; i++)
        CHECK(memory[i * PAGE] == (char)(i + 1));
    CHECK(x[29 * PAGE] == 'x');
    CHECK(sp_container_unmap(task, x, NULL) == 0 && sp_container_destroy(task, a, NULL) == 0);
    for (size_t i = 0; i < 100; i++)
        CHECK(memory[i * PAGE] == (char)(i + 1));
    return sp_detach(&task);
}

static void test_regions_make_room_for_containers(void **state)
{
    struct sp_testing_task_status status;

    expect_success(begin(*state, "both", "guaranteed=40", share_with_regions, NULL));
    assert_int_equal(sp_testing_task_status(*state, "both", &status, NULL), 0);
    assert_int_equal(status.breached, 0);
    expect_success(begin(*state, "extra", "guaranteed=30;extra=30", share_with_regions, NULL));
}

/* Mappings are a cache: physmem takes them away at random. */
static int keep_contents(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container a = create_or_exit(task, 64), b = create_or_exit(task, 64);
    char *x = map_or_exit(task, a, 0, 64, SP_MAP_WRITE);
    const char *y = map_or_exit(task, b, 0, 64, 0);
    unsigned rounds = scale_is_slow() ? 4 : 50;

    (void)arg;
    for (unsigned round = 1; round <= rounds; round++) {
        for (size_t i = 0; i < 64; i++)
            x[i * PAGE] = (char)(round + i);
        CHECK(sp_container_copy(task, a, 0, b, 0, 64, NULL, NULL) == 0);
        for (size_t i = 0; i < 64; i++)
            CHECK(y[i * PAGE] == (char)(round + i) && x[i * PAGE] == (char)(round + i));
    }
    return sp_detach(&task);
}

static void test_contents_outlive_their_mappings(void **state)
{
    struct sp_testing_options options = {.chaos_unmap = 20000};
    struct sp_testing *fixture;
    struct sp_testing_physmem status;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    expect_success(begin(fixture, NULL, "guaranteed=128", keep_contents, NULL));
    assert_int_equal(sp_testing_physmem_status(fixture, &status, NULL), 0);
    assert_true(status.unmaps > 0 || scale_is_slow());
    assert_int_equal(status.breaches, 0);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

static int write_where_it_may_only_read(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    volatile char *x = map_or_exit(task, create_or_exit(task, 1), 0, 1, 0);

    (void)arg;
    x[0] = 'x';
    return 0;
}

static void test_a_write_to_a_mapping_for_reading_ends_the_program(void **state)
{
    struct sp_testing_task *task =
        begin(*state, NULL, "guaranteed=8", write_where_it_may_only_read, NULL);
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    assert_int_equal(result.signal, SIGSEGV);
}

/* ---- Two tasks ---- */

/* What a client asks: to fill its container; the server says how that went. */
struct order {
    struct sp_share share;
    uint32_t first; /* page of the server's */
    uint32_t count;
    int32_t result;
};

static int ends[2]; /* of the client, of the server */

static bool receive(int end, struct order *order)
{
    return recv(end, order, sizeof(*order), MSG_WAITALL) == (ssize_t)sizeof(*order);
}

static void say(int end, const struct order *order)
{
    CHECK(send(end, order, sizeof(*order), MSG_NOSIGNAL) == (ssize_t)sizeof(*order));
}

/* The steps of a file server: lock, copy, compare the version, unlock. */
static int serve_one(struct sp_task *task, sp_container cache, const struct order *order)
{
    struct sp_container_state before, after;
    struct sp_weak weak;
    int result = sp_container_adopt(task, order->share.container, order->share.token, &weak, NULL);

    if (result != 0)
        return result;
    result = sp_container_lock(task, weak.container, 1000 * MS, 1, &before, NULL);
    if (result == 0)
        result = sp_container_copy(task, cache, order->first, weak.container, 0, order->count, NULL,
                                   NULL);
    if (result == 0)
        result = sp_container_unlock(task, weak.container, &after, NULL);
    if (result == 0 && after.version != before.version + 2)
        result = -ESTALE;
    (void)sp_container_drop(task, weak.container, NULL);
    return result;
}

#define CACHED 256u

static int server(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container cache = create_or_exit(task, CACHED);
    char *page = map_or_exit(task, cache, 0, CACHED, SP_MAP_WRITE);
    struct order order;

    (void)arg;
    close(ends[0]);
    for (uint32_t i = 0; i < CACHED; i++)
        memset(page + i * PAGE, 'a' + (int)i % 26, PAGE);
    while (receive(ends[1], &order)) {
        order.result = serve_one(task, cache, &order);
        say(ends[1], &order);
    }
    return sp_detach(&task);
}

static int client(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    const struct sp_share_options options = {.rights = SP_SHARE_READ | SP_SHARE_WRITE,
                                             .lock_ns = 1000 * MS};
    sp_container buffer = create_or_exit(task, 16);
    char *memory = map_or_exit(task, buffer, 0, 16, SP_MAP_WRITE);

    (void)arg;
    close(ends[1]);
    for (uint32_t round = 0; round < 3 * CACHED / 16; round++) {
        struct order order = {.first = round * 16 % CACHED, .count = 16};

        memory[3 * PAGE] = 'z'; /* mapped, and written, when the server locks it */
        CHECK(sp_container_share(task, buffer, &options, &order.share, NULL) == 0);
        say(ends[0], &order);
        CHECK(receive(ends[0], &order) && order.result == 0);
        for (uint32_t i = 0; i < 16; i++)
            CHECK(memory[i * PAGE] == (char)('a' + (order.first + i) % 26) &&
                  memory[i * PAGE + PAGE - 1] == memory[i * PAGE]);
    }
    close(ends[0]);
    return sp_detach(&task);
}

static void test_a_server_fills_memory_that_its_client_pays_for(void **state)
{
    struct sp_testing_task *first, *second;
    struct sp_testing_physmem status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    first = begin(*state, "server", "guaranteed=256", server, NULL);
    second = begin(*state, "client", "guaranteed=16", client, NULL);
    close(ends[0]);
    close(ends[1]);
    expect_success(second);
    expect_success(first);
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.locks, 3 * CACHED / 16);
    assert_int_equal(status.locks_expired, 0);
    assert_int_equal(status.copies, 3 * CACHED);
    assert_int_equal(status.breaches, 0);
    assert_int_equal(status.free, status.frames);
    /* Each cached page moved once, when it was read first; each round broke one copy. */
    assert_true(status.moved <= CACHED + 3 * CACHED / 16);
}

/* A server that hangs with the lock: long enough for the client to unmap on a slow machine. */
#define LOCK_NS (1500 * MS)

static int hang(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct order order;
    struct sp_weak weak;

    (void)arg;
    close(ends[0]);
    CHECK(receive(ends[1], &order));
    CHECK(sp_container_adopt(task, order.share.container, order.share.token, &weak, NULL) == 0);
    CHECK(sp_container_lock(task, weak.container, UINT64_MAX, 1, NULL, NULL) == 0);
    say(ends[1], &order);
    CHECK(receive(ends[1], &order));
    CHECK(sp_container_unlock(task, weak.container, NULL, NULL) == -ETIME);
    say(ends[1], &order);
    return sp_detach(&task);
}

static int outlive(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    const struct sp_share_options options = {.rights = SP_SHARE_READ, .lock_ns = LOCK_NS};
    sp_container buffer = create_or_exit(task, 4);
    char *memory = map_or_exit(task, buffer, 0, 4, SP_MAP_WRITE);
    struct sp_container_state now;
    struct order order = {.count = 4};
    struct sp_error error;

    (void)arg;
    close(ends[1]);
    memory[0] = 'x';
    CHECK(sp_container_share(task, buffer, &options, &order.share, NULL) == 0);
    say(ends[0], &order);
    CHECK(receive(ends[0], &order));
    if (sp_container_state(task, buffer, &now, NULL) == 0 && now.lock_ns > 0)
        CHECK(sp_container_deallocate(task, buffer, 3, 1, &error) == -EBUSY ||
              now.lock_ns < 20 * MS);
    CHECK(memory[0] == 'x'); /* waits until the lock is over */
    memory[0] = 'y';
    CHECK(sp_container_state(task, buffer, &now, NULL) == 0 && now.lock_ns == 0);
    say(ends[0], &order);
    CHECK(receive(ends[0], &order));
    CHECK(sp_container_revoke(task, buffer, 0, NULL) == 0);
    close(ends[0]);
    return sp_detach(&task);
}

static void test_a_server_that_hangs_loses_the_lock(void **state)
{
    struct sp_testing_task *first, *second;
    struct sp_testing_physmem status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    first = begin(*state, "server", "guaranteed=4", hang, NULL);
    second = begin(*state, "client", "guaranteed=4", outlive, NULL);
    close(ends[0]);
    close(ends[1]);
    expect_success(second);
    expect_success(first);
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.locks_expired, 1);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, sp_testing_setup, sp_testing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_copy_is_read_and_written_through_mappings),
        TEST(test_frames_are_allocated_as_the_flags_say),
        TEST(test_orphaned_data_costs_no_copy),
        TEST(test_frames_come_in_blocks_and_below_a_ceiling),
        TEST(test_a_container_is_gathered_from_several_places),
        TEST(test_regions_make_room_for_containers),
        cmocka_unit_test(test_contents_outlive_their_mappings),
        TEST(test_a_write_to_a_mapping_for_reading_ends_the_program),
        TEST(test_a_server_fills_memory_that_its_client_pays_for),
        TEST(test_a_server_that_hangs_loses_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
