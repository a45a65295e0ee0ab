/* Tasks of another user use as much as they are allowed to, in every way at the same time. Other tasks are not held up,
 * and when the attackers are gone all that they used is free again. Skipped where the test may not change its user. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <valgrind/valgrind.h>

#include <selfpage/contract.h>

#include "base/random.h"
#include "os/slice.h"
#include "foreign.h"

/* Whether the host has said something. */
static bool was_told(int end)
{
    struct word word;

    return recv(end, &word, sizeof(word), MSG_DONTWAIT) != -1;
}

/* ---- What the host notices ---- */

#define ROUNDS 200u
#define STEPS  4u

/* Nanoseconds since *sincep, which is now from here on. */
static uint64_t took(uint64_t *sincep)
{
    uint64_t before = *sincep;

    *sincep = now_ns();
    return *sincep - before;
}

/* The host copies, writes, gives back and allocates. Each takes less than 5 ms, but for one in ten at most: the
 * machine may be busy with other things. The longest is printed. That the host itself, which is no server, waits for a
 * processor is kept short. */
static void expect_no_wait(struct stage *stage)
{
    static uint64_t time[STEPS * ROUNDS];
    uint32_t own = stage->host.container;

    slice_shorten();
    for (unsigned i = 0; i < STEPS * ROUNDS; i += STEPS) {
        uint64_t since = now_ns();

        assert_int_equal(sharing_copy(&stage->host, own, 0, own, 4, 4), 0);
        time[i] = took(&since);
        put(stage, 4, 'w');
        time[i + 1] = took(&since);
        assert_int_equal(physmem_give_back(&stage->host, WIRE_DEALLOCATE, 5, 2), 2);
        time[i + 2] = took(&since);
        assert_int_equal(physmem_allocate(&stage->host, 5, 2, 0), 2);
        time[i + 3] = took(&since);
    }
    expect(stage, 0, 'h');
    expect(stage, 4, 'w');
    qsort(time, STEPS * ROUNDS, sizeof(time[0]), by_time);
    print_message("a request beside it takes %.2f ms, one in ten %.2f ms, the longest %.2f ms\n",
                  (double)time[STEPS * ROUNDS / 2] / 1e6,
                  (double)time[STEPS * ROUNDS * 9 / 10] / 1e6,
                  (double)time[STEPS * ROUNDS - 1] / 1e6);
    assert_true(RUNNING_ON_VALGRIND || time[STEPS * ROUNDS * 9 / 10] < 5 * MS);
}

/* ---- Many mappings ---- */

#define MAPPINGS 20000u

/* A client that has a page of its memory mapped thousands of times, and punches a hole there without end: each
 * time the kernel walks through all mappings, and whoever maps that memory has to wait. Copies are broken there
 * meanwhile. */
static void walk_for_ever(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer;
    int fds[SHARING_FDS] = {0}, fd;
    struct wire_map home, item;
    struct word word;
    pid_t puncher;

    (void)arg;
    MUST(open_peer(stage, &peer, "walks"));
    MUST(sharing_map(&peer, 8, WIRE_ACCESS_FORCE_BOTH, fds, &home) == 0);
    fd = fds[home.extent % SHARING_FDS];
    for (unsigned i = 0; i < (RUNNING_ON_VALGRIND ? 100 : MAPPINGS); i++) {
        char *page =
            mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)home.offset * PAGE);

        MUST(page != MAP_FAILED);
        *(volatile char *)page = 'w';
    }
    puncher = fork();
    MUST(puncher >= 0);
    if (puncher == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             (off_t)home.offset * PAGE, PAGE);
    }
    tell(end, 0, 0);
    while (!was_told(end)) {
        MUST(sharing_unmap(&peer, 8, 1) == 0);
        MUST(sharing_copy(&peer, peer.container, 0, peer.container, 8, 1) == 0);
        MUST(sharing_map(&peer, 8, WIRE_ACCESS_FORCE_BOTH, fds, &item) == 0);
        MUST(item.extent == home.extent && item.offset == home.offset);
    }
    kill(puncher, SIGKILL);
    MUST(waitpid(puncher, NULL, 0) == puncher);
    MUST(!hear(end, &word));
}

static void test_a_task_that_maps_its_memory_thousands_of_times_holds_up_itself(void **state)
{
    struct stage *stage = *state;
    struct word word;

    SKIP_UNLESS_ROOT();
    put(stage, 0, 'h');
    attacker_start(stage, walk_for_ever, 0);
    assert_true(hear(stage->end, &word));
    expect_no_wait(stage);
    tell(stage->end, 0, 0);
    shutdown(stage->end, SHUT_WR);
    attacker_end(stage);
    expect_all_frames_back(stage);
    expect(stage, 0, 'h');
}

/* ---- As many as there may be ---- */

#define CONTAINERS 255u /* and the one that it has */
#define SHARES     16u  /* of each */

/* A client that makes all containers and shares them with whoever shows a token, adopts them as other tasks, locks all of
 * them for a minute, and dies with all of it. */
static void take_all(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer, others[3];
    static uint32_t container[CONTAINERS];
    static uint64_t token[CONTAINERS][SHARES];
    struct wire_message reply;

    (void)arg;
    MUST(open_peer(stage, &peer, "all"));
    for (unsigned i = 0; i < CONTAINERS; i++) {
        MUST(physmem_container(&peer, 65536) == 0);
        container[i] = peer.container;
        for (unsigned j = 0; j < SHARES; j++)
            MUST(share(&peer, 60000 * MS, &token[i][j]) == 0 && token[i][j] != 0);
        MUST(share(&peer, 60000 * MS, &token[i][0]) == EMFILE);
        peer.container = container[i];
    }
    MUST(physmem_container(&peer, 1) == -EMFILE);
    for (unsigned t = 0; t < 3; t++) {
        MUST(physmem_peer_open(&others[t], &stage->server, "other") == 0);
        for (unsigned i = 0; i < CONTAINERS; i++)
            MUST(sharing_adopt(&others[t], container[i], token[i][t + 1]) == 0);
        for (unsigned i = t; i < CONTAINERS; i += 3)
            MUST(sharing_lock(&others[t], container[i], UINT64_MAX, &reply) == 0);
    }
    /* A token is good once, and for no other container. */
    for (unsigned i = 0; i < CONTAINERS; i++) {
        MUST(sharing_adopt(&others[0], container[i], token[i][2]) == EALREADY);
        MUST(sharing_adopt(&others[0], container[i], token[(i + 1) % CONTAINERS][8]) == ENOENT);
    }
    tell(end, 0, 0);
    while (!was_told(end)) /* the owner wants them back, and gets none as long as they are locked */
        for (unsigned i = 0; i < CONTAINERS; i++) {
            struct wire_message message = {.type = WIRE_REVOKE_SHARE};

            message.revoke_share.container = container[i];
            MUST(sharing_call(&peer, &message, &reply) == EBUSY);
        }
}

static void test_thousands_of_tokens_and_locks_are_no_burden_and_go_with_their_tasks(void **state)
{
    struct stage *stage = *state;
    struct word word;

    SKIP_UNLESS_ROOT();
    put(stage, 0, 'h');
    attacker_start(stage, take_all, 0);
    assert_true(hear(stage->end, &word));
    expect_no_wait(stage);
    tell(stage->end, 0, 0);
    attacker_end(stage);
    expect_all_frames_back(stage);
}

/* ---- In a circle ---- */

#define GENERATIONS 10000u
#define CIRCLE      3u

static uint64_t map_and_read(struct physmem_peer *peer, int fds[SHARING_FDS], char *bytes)
{
    struct wire_map item;
    uint64_t start = now_ns();

    MUST(sharing_map(peer, 0, WIRE_ACCESS_READ, fds, &item) == 0);
    MUST(pread(fds[item.extent % SHARING_FDS], bytes, PAGE, (off_t)item.offset * PAGE) == PAGE);
    MUST(sharing_unmap(peer, 0, 1) == 0);
    return now_ns() - start;
}

/* The least of some: what it takes when nothing else happens. */
static uint64_t least_of_reads(struct physmem_peer *peer, int fds[SHARING_FDS], char *bytes)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < 200; i++) {
        uint64_t time = map_and_read(peer, fds, bytes);

        least = time < least ? time : least;
    }
    return least;
}

/* Three tasks that copy a page from each to the next, ten thousand generations; each writes to it now and then,
 * and one of them dies and comes again. */
static void go_round(struct stage *stage, int end, unsigned arg)
{
    const unsigned generations = RUNNING_ON_VALGRIND ? 600 : GENERATIONS;
    static struct physmem_peer peer[CIRCLE];
    static int fds[CIRCLE][SHARING_FDS];
    struct random_source random = random_seeded(arg);
    uint64_t token, first = 0, last;
    char right[PAGE], bytes[PAGE];
    struct wire_map item;
    struct word word;

    for (unsigned t = 0; t < CIRCLE; t++)
        MUST(open_peer(stage, &peer[t], "circle"));
    for (unsigned t = 0; t < CIRCLE; t++) {
        MUST(share(&peer[t], 0, &token) == 0);
        MUST(sharing_adopt(&peer[(t + 1) % CIRCLE], peer[t].container, token) == 0);
    }
    memset(right, 'a', PAGE);
    MUST(sharing_map(&peer[0], 0, WIRE_ACCESS_FORCE_BOTH, fds[0], &item) == 0);
    MUST(pwrite(fds[0][item.extent % SHARING_FDS], right, PAGE, (off_t)item.offset * PAGE) == PAGE);
    MUST(sharing_unmap(&peer[0], 0, 1) == 0);
    for (unsigned g = 0; g < generations; g++) {
        unsigned t = (g + 1) % CIRCLE;
        uint32_t at = random_below(&random, PAGE);

        MUST(sharing_copy(&peer[t], peer[g % CIRCLE].container, 0, peer[t].container, 0, 1) == 0);
        if (random_below(&random, 4) == 0) {
            right[at] = (char)('a' + g % 26);
            MUST(sharing_map(&peer[t], 0, WIRE_ACCESS_FORCE_BOTH, fds[t], &item) == 0);
            MUST(pwrite(fds[t][item.extent % SHARING_FDS], right + at, 1,
                        (off_t)item.offset * PAGE + at) == 1);
            MUST(sharing_unmap(&peer[t], 0, 1) == 0);
        }
        if (g % 64 == 0) {
            map_and_read(&peer[t], fds[t], bytes);
            MUST(memcmp(bytes, right, PAGE) == 0);
        }
        if (g == 3)
            first = least_of_reads(&peer[t], fds[t], bytes);
    }
    last = least_of_reads(&peer[generations % CIRCLE], fds[generations % CIRCLE], bytes);
    MUST(memcmp(bytes, right, PAGE) == 0);
    fprintf(stderr, "a read after %u generations takes %.2f of one after four\n", generations,
            (double)last / (double)first);
    tell(end, 0, 0);
    MUST(!hear(end, &word));
}

static void test_a_circle_of_copies_costs_what_one_copy_costs(void **state)
{
    struct stage *stage = *state;
    struct wire_message status;
    struct word word;

    SKIP_UNLESS_ROOT();
    put(stage, 0, 'h');
    attacker_start(stage, go_round, 5);
    assert_true(hear(stage->end, &word));
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.free, FRAMES - SLOTS - 3 * SLOTS);
    /* At most a home for each of the four, and a page of a clean one for each of the circle: no chain. */
    assert_in_range(status.physmem_status.extents, 2, 4 + CIRCLE);
    assert_true(physmem_books_agree(&stage->observer));
    attacker_end(stage);
    expect_all_frames_back(stage);
    expect(stage, 0, 'h');
}

/* ---- Onto itself ---- */

/* What copies with these pieces come to, slot by slot in order. */
static void copy_plainly(char slots[SLOTS], const struct wire_piece *piece, unsigned pieces)
{
    for (unsigned i = 0; i < pieces; i++)
        for (unsigned j = 0; j < piece[i].count; j++)
            slots[piece[i].to + j] = slots[piece[i].from + j];
}

/* Random lists of pieces that overlap, within one container, each compared with copies of bytes. */
static void test_a_container_copied_onto_itself_is_as_if_bytes_were_moved(void **state)
{
    struct stage *stage = *state;
    struct random_source random = random_seeded(3);
    char slots[SLOTS];

    SKIP_UNLESS_ROOT();
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        put(stage, slot, slots[slot] = (char)('a' + slot));
    for (unsigned round = 0; round < (RUNNING_ON_VALGRIND ? 20 : 300); round++) {
        struct wire_message message = {.type = WIRE_COPY}, reply;
        struct wire_piece *piece = message.copy.pieces;
        unsigned pieces = 1 + random_below(&random, 8);
        uint32_t written = random_below(&random, SLOTS);

        message.copy.from = message.copy.to = stage->host.container;
        message.copy.pieces_count = (uint16_t)pieces;
        for (unsigned i = 0; i < pieces; i++) {
            uint32_t count = 1 + random_below(&random, SLOTS);

            piece[i] = (struct wire_piece){random_below(&random, SLOTS - count + 1),
                                           random_below(&random, SLOTS - count + 1), count};
        }
        assert_int_equal(sharing_call(&stage->host, &message, &reply), 0);
        copy_plainly(slots, piece, pieces);
        put(stage, written, slots[written] = (char)('a' + round % 26));
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            expect(stage, slot, slots[slot]);
    }
    assert_true(physmem_books_agree(&stage->observer));
}

/* ---- At every moment ---- */

/* A task that sends requests of all kinds at random, with true and with wrong numbers, without waiting for
 * answers to many of them, maps and unmaps while it moves, and disappears in the middle of one. */
static void send_everything(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer;
    struct random_source random = random_seeded(arg);
    struct wire_message message, reply;
    struct word word;

    MUST(hear(end, &word));
    MUST(open_peer(stage, &peer, "everything"));
    (void)sharing_adopt(&peer, word.container, word.token);
    for (unsigned i = 0; i < 400; i++) {
        const uint32_t container[] = {peer.container, word.container, 0,
                                      random_below(&random, UINT32_MAX)};
        const struct wire_range range = {random_below(&random, 40), 1 + random_below(&random, 40)};

        memset(&message, 0, sizeof(message));
        message.seq = 1 + i;
        switch (random_below(&random, 9)) {
        case 0:
        case 1:
        case 2:
            message.type = WIRE_COPY;
            message.copy.from = container[random_below(&random, 4)];
            message.copy.to = container[random_below(&random, 4)];
            message.copy.pieces_count = (uint16_t)(1 + random_below(&random, 3));
            for (unsigned j = 0; j < message.copy.pieces_count; j++)
                message.copy.pieces[j] =
                    (struct wire_piece){random_below(&random, SLOTS), random_below(&random, SLOTS),
                                        1 + random_below(&random, 6)};
            break;
        case 3:
        case 4:
            message.type = WIRE_MAP;
            message.map.container = container[random_below(&random, 4)];
            message.map.start = range.start;
            message.map.count = range.count;
            message.map.rights = (uint8_t)(1 + random_below(&random, 7));
            break;
        case 5:
            message.type = WIRE_UNMAP_OWN;
            message.unmap_own.container = container[random_below(&random, 4)];
            message.unmap_own.ranges_count = 1;
            message.unmap_own.ranges[0] = range;
            break;
        case 6:
            message.type = random_below(&random, 2) == 0 ? WIRE_LOCK : WIRE_UNLOCK;
            if (message.type == WIRE_LOCK) {
                message.lock.container = container[random_below(&random, 4)];
                message.lock.lock_ns = 1 + random_below(&random, 2000000);
                message.lock.unmap = (uint8_t)random_below(&random, 2);
            } else {
                message.unlock.container = container[random_below(&random, 4)];
            }
            break;
        case 7:
            message.type = random_below(&random, 2) == 0 ? WIRE_RELEASE : WIRE_DEALLOCATE;
            message.deallocate.container = container[random_below(&random, 4)];
            message.deallocate.ranges_count = 1;
            message.deallocate.ranges[0] = range;
            break;
        default:
            message.type = WIRE_ALLOCATE;
            message.allocate.container = container[random_below(&random, 2) * 3];
            message.allocate.start = range.start;
            message.allocate.count = range.count;
            message.allocate.flags = (uint8_t)random_below(&random, 16);
        }
        if (wire_client_send(&peer.request, &message, -1) != 0)
            _exit(0); /* physmem has had enough of it */
        while (random_below(&random, 3) > 0 && wire_client_poll(&peer.request, &reply, NULL) == 0)
            continue;
    }
}

static void test_random_requests_and_deaths_harm_no_bystander(void **state)
{
    struct stage *stage = *state;

    SKIP_UNLESS_ROOT();
    for (unsigned seed = 0; seed < (RUNNING_ON_VALGRIND ? 4 : 60); seed++) {
        struct wire_message message = {.type = WIRE_REVOKE_SHARE}, reply;
        uint64_t token;
        uint32_t error;

        for (uint32_t slot = 0; slot < SLOTS; slot++)
            put(stage, slot, (char)('a' + slot));
        /* What is shared for reading only does not change; the lock makes the host wait. */
        assert_int_equal(sharing_share(&stage->host, WIRE_RIGHT_READ, MS, &reply), 0);
        token = reply.shared.token;
        attacker_start(stage, send_everything, seed);
        tell(stage->end, stage->host.container, token);
        attacker_end(stage);
        assert_int_equal(physmem_await_tasks(&stage->observer, 1), 0);
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            expect(stage, slot, (char)('a' + slot));
        expect_all_frames_back(stage);
        message.revoke_share.container = stage->host.container;
        do
            error = sharing_call(&stage->host, &message, &reply);
        while (error == EBUSY);
        assert_int_equal(error, 0);
    }
}

/* ---- Many tasks ---- */

#define HORDE       20u
#define USER_EXTRA  60u
#define USER_EXTRAS "60"

static int setup_with_quota(void **state)
{
    static const char *const more[] = {"--user-extra", USER_EXTRAS, NULL};

    return setup_with(state, more);
}

/* Tasks that each want all extra frames, and take what they get. */
static void take_all_extra(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer[HORDE];
    struct word word;
    int64_t taken = 0;

    (void)arg;
    for (unsigned i = 0; i < HORDE; i++) {
        MUST(physmem_peer_open(&peer[i], &stage->server, "horde") == 0);
        MUST(physmem_container(&peer[i], FRAMES) == 0);
        if (physmem_propose(&peer[i], SP_EXTRA, FRAMES, 0) != 0)
            (void)physmem_propose(&peer[i], SP_EXTRA, 4, 0);
    }
    for (unsigned i = 0; i < HORDE; i++) {
        int64_t got =
            physmem_allocate(&peer[i], 0, FRAMES, WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL);

        taken += got > 0 ? got : 0;
    }
    MUST(taken == USER_EXTRA);
    tell(end, 0, 0);
    MUST(!hear(end, &word));
}

static void test_a_user_with_many_tasks_leaves_extra_frames_to_others(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer late;
    struct word word;

    SKIP_UNLESS_ROOT();
    attacker_start(stage, take_all_extra, 0);
    assert_true(hear(stage->end, &word));
    assert_int_equal(physmem_peer_open(&late, &stage->server, "late"), 0);
    assert_int_equal(physmem_container(&late, FRAMES), 0);
    assert_int_equal(physmem_propose(&late, SP_EXTRA, USER_EXTRA, 0), 0);
    assert_int_equal(
        physmem_allocate(&late, 0, FRAMES, WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL),
        USER_EXTRA);
    physmem_peer_close(&late);
    attacker_end(stage);
    expect_all_frames_back(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_task_that_maps_its_memory_thousands_of_times_holds_up_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_thousands_of_tokens_and_locks_are_no_burden_and_go_with_their_tasks, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_a_circle_of_copies_costs_what_one_copy_costs, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_container_copied_onto_itself_is_as_if_bytes_were_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_requests_and_deaths_harm_no_bystander, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_user_with_many_tasks_leaves_extra_frames_to_others,
                                        setup_with_quota, teardown),
    };

    return cmocka_run_group_tests_name("physmem/attacks", tests, NULL, NULL);
}
