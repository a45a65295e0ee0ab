/* Contracts for paging bandwidth, at a running server. Counted in pages, not by the clock, but for one thing that can
 * only be too slow. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "swap_peer.h"

#define PAGES 64u

static const char *const metered[] = {"--bandwidth", "4000", "--buffered", NULL};

static int contract(struct swap_peer *peer, uint32_t shares, uint32_t rate, bool extra)
{
    struct wire_message request = {.type = WIRE_BANDWIDTH};
    struct wire_message reply;

    request.bandwidth.shares = shares;
    request.bandwidth.rate = rate;
    request.bandwidth.extra = extra;
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    return (int)reply.error;
}

/* A peer that has stored as many pages as one message carries. */
static void peer_begin(struct swap_peer *peer, const struct server_process *server, uint32_t *slots)
{
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    peer_open(peer, server, 0, PAGES, PAGES);
    for (uint32_t i = 0; i < PAGES; i++)
        peer_fill(peer, i, i + 1);
    assert_int_equal(peer_store(peer, pages, PAGES, slots, NULL), 0);
}

static void ask(struct swap_peer *peer, const uint32_t *slots, uint32_t count)
{
    struct wire_message request;
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < count; i++)
        pages[i] = i;
    load_message(&request, 1, slots, pages, count);
    request.seq = 1;
    assert_int_equal(wire_client_send(&peer->wire, &request, -1), 0);
}

/* Whether an answer to a load has come. */
static bool answered(struct swap_peer *peer)
{
    struct wire_message reply;
    int fd, result = wire_client_poll(&peer->wire, &reply, &fd);

    if (result == -EAGAIN)
        return false;
    assert_int_equal(result, 0);
    assert_int_equal(reply.type, WIRE_LOADED);
    assert_int_equal(reply.error, 0);
    return true;
}

/* Take the answers that have come, and ask for as many more. Returns whether a load had been waiting at all
 * times. */
static bool go_on(struct swap_peer *peer, const uint32_t *slots, uint32_t *asked, uint32_t *done)
{
    bool waited;

    while (answered(peer))
        ++*done;
    waited = *done < *asked;
    for (; *asked < *done + 100; ++*asked)
        ask(peer, slots, PAGES);
    return waited;
}

/* While all three have loads waiting, the third has had `all` answers, and the others their share. It is counted from when all
 * have had some, since the first to ask has the device alone for a while; and anew should this process have been kept from
 * asking in time. */
static void shares_of_1_2_and_4_have_pages_of_1_2_and_4(void **state)
{
    const uint32_t all = 480;
    struct server_process *server = *state;
    struct swap_peer peer[3];
    uint32_t slots[3][PAGES], done[3] = {0}, asked[3] = {0}, begun[3] = {0};

    /* A device that is slow for what this process has to do. */
    swap_start_behind(server, "1024", "debug:delay=4:", metered);
    for (unsigned i = 0; i < 3; i++) {
        peer_begin(&peer[i], server, slots[i]);
        assert_int_equal(contract(&peer[i], 1u << i, 0, false), 0);
    }
    while (done[2] - begun[2] < all) {
        bool waited = true;

        for (unsigned i = 0; i < 3; i++)
            waited = go_on(&peer[i], slots[i], &asked[i], &done[i]) && waited;
        if (!waited || begun[2] == 0)
            memcpy(begun, done, sizeof(begun));
        sched_yield();
    }
    assert_in_range(swap_status(server).swap_status.queued, 150, 300);
    assert_in_range(done[1] - begun[1], all / 2 - all / 20, all / 2 + all / 20);
    assert_in_range(done[0] - begun[0], all / 4 - all / 40, all / 4 + all / 40);
    for (unsigned i = 0; i < 3; i++)
        peer_close(&peer[i]);
    swap_stop(server);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A client with a rate cannot be faster than its contract; nor is one that has no contract held up by it. */
static void a_rate_is_not_exceeded(void **state)
{
    struct server_process *server = *state;
    struct swap_peer limited, free;
    uint32_t slots[2][PAGES], others = 0;
    uint64_t begun;

    swap_start(server, "1024", metered);
    peer_begin(&limited, server, slots[0]);
    peer_begin(&free, server, slots[1]);
    assert_int_equal(contract(&limited, 0, 200, false), 0);
    begun = now_ns();
    ask(&free, slots[1], PAGES);
    for (unsigned i = 0; i < 100; i++) {
        ask(&limited, slots[0], 1);
        while (!answered(&limited))
            while (answered(&free)) {
                ask(&free, slots[1], PAGES);
                others++;
            }
    }
    /* 100 pages at 200 a second, less a burst of 50 ms, and the one that is due at once */
    assert_true(now_ns() - begun >= UINT64_C(440000000));
    assert_true(others * PAGES > 200);
    peer_close(&limited);
    peer_close(&free);
    swap_stop(server);
}

static void rates_beyond_the_capacity_are_refused_and_come_back(void **state)
{
    struct server_process *server = *state;
    struct swap_peer first, second;

    swap_start(server, "64", metered);
    peer_open(&first, server, 0, 0, 1);
    peer_open(&second, server, 0, 0, 1);
    assert_int_equal(contract(&first, 0, 3000, false), 0);
    assert_int_equal(contract(&second, 0, 1001, false), EDQUOT);
    assert_int_equal(contract(&first, 0, 2999, true), 0); /* in the place of the other one */
    assert_int_equal(contract(&second, 0, 1001, false), 0);
    assert_int_equal(contract(&second, 0, 0, false), EINVAL);
    assert_int_equal(contract(&second, 65, 0, false), EINVAL);
    peer_close(&first);
    while (swap_status(server).swap_status.clients > 1)
        sched_yield();
    assert_int_equal(contract(&second, 0, 4000, false), 0);
    peer_close(&second);
    swap_stop(server);
}

/* What a client reads by itself cannot be metered, and would be taken from the others. */
static void no_client_reads_by_itself_where_there_are_contracts(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer, other;

    swap_start(server, "64", metered);
    peer_open(&peer, server, 0, 0, 1);
    assert_int_equal(contract(&peer, 2, 0, false), 0);
    assert_int_equal(peer_own_file(&peer), -EOPNOTSUPP);
    peer_open(&other, server, 0, 0, 1);
    assert_int_equal(peer_own_file(&other), -EOPNOTSUPP);
    assert_int_equal(contract(&other, 2, 0, false), 0);
    peer_close(&peer);
    peer_close(&other);
    swap_stop(server);
}

static void a_server_without_a_capacity_makes_none(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer;

    swap_start(server, "64", NULL);
    peer_open(&peer, server, 0, 0, 1);
    assert_int_equal(contract(&peer, 2, 0, false), EOPNOTSUPP);
    peer_close(&peer);
    swap_stop(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, swap_setup, swap_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shares_of_1_2_and_4_have_pages_of_1_2_and_4),
        TEST(a_rate_is_not_exceeded),
        TEST(rates_beyond_the_capacity_are_refused_and_come_back),
        TEST(no_client_reads_by_itself_where_there_are_contracts),
        TEST(a_server_without_a_capacity_makes_none),
    };

    return cmocka_run_group_tests_name("swap_bandwidth", tests, NULL, NULL);
}
