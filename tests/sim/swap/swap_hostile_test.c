/* A real swap server and clients that want more than their share. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "swap_peer.h"

#define PROGRAM    TEST_BINDIR "/selfpage-swap"
#define LONE_LOADS 10u
#define LONE_TRIES 8u

/* One client has hundreds of requests in the queue; another one's single page is next. */
static void test_clients_take_turns(void **state)
{
    enum { REQUESTS = 250, PAGES = 64 };
    static struct wire_message message;
    struct server_process *server = *state;
    struct swap_peer hog, other;
    uint32_t pages[PAGES], one = 0, slot, answered = 1;

    swap_start(server, "20000", swap_threaded());
    peer_open(&hog, server, 0, REQUESTS * PAGES, PAGES);
    peer_open(&other, server, 0, 1, 1);
    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        store_message(&message, 1, pages, PAGES);
        message.seq = 1000 + i;
        assert_int_equal(wire_client_send(&hog.wire, &message, -1), 0);
    }
    assert_int_equal(wire_client_receive(&hog.wire, &message, NULL), 0); /* they are there */
    assert_int_equal(peer_store(&other, &one, 1, &slot, NULL), 0);
    while (wire_client_poll(&hog.wire, &message, NULL) == 0)
        answered++;
    assert_in_range(answered, 1, 60);
    for (; answered < REQUESTS; answered++) {
        assert_int_equal(wire_client_receive(&hog.wire, &message, NULL), 0);
        assert_int_equal(message.type, WIRE_STORED);
    }
    peer_close(&hog);
    peer_close(&other);
    swap_stop(server);
}

/* Nanoseconds that some loads of one page take, one after the other. */
static uint64_t lone_loads_take(struct swap_peer *peer, uint32_t slot)
{
    uint64_t begun_ns = clock_now_ns();
    uint32_t page = 0;

    for (uint32_t i = 0; i < LONE_LOADS; i++)
        assert_int_equal(peer_load(peer, &slot, &page, 1, NULL), 0);
    return clock_now_ns() - begun_ns;
}

/* Each transfer takes 10 ms on average. Ten clients have two hundred stores each in their queues. Other programs of this
 * machine may keep us waiting now and then, but not each time, as queues would. */
static void a_lone_load_waits_for_no_queue(void **state)
{
    enum { HOGS = 10, REQUESTS = 200, PAGES = 4 };
    static const char *const slow[] = {"--slots", "20000", "--device", "debug:delay=20:mem:", NULL};
    static const uint32_t pages[PAGES] = {0, 1, 2, 3};
    static struct wire_message message;
    struct server_process *server = *state;
    struct swap_peer hog[HOGS], other;
    uint32_t one = 0, slot;
    uint64_t alone_ns, beside_ns = UINT64_MAX;

    assert_int_equal(server_process_start(server, PROGRAM, slow), 0);
    peer_open(&other, server, 0, 1, 1);
    assert_int_equal(peer_store(&other, &one, 1, &slot, NULL), 0);
    alone_ns = lone_loads_take(&other, slot);
    for (uint32_t i = 0; i < HOGS; i++) {
        peer_open(&hog[i], server, 0, REQUESTS * PAGES, PAGES);
        for (uint32_t n = 0; n < REQUESTS; n++) {
            store_message(&message, 1, pages, PAGES);
            message.seq = 1000 + n;
            assert_int_equal(wire_client_send(&hog[i].wire, &message, -1), 0);
        }
    }
    for (uint32_t i = 0; i < HOGS; i++) /* they are there */
        assert_int_equal(wire_client_receive(&hog[i].wire, &message, NULL), 0);
    for (uint32_t i = 0; i < LONE_TRIES && beside_ns > 2 * alone_ns; i++)
        beside_ns = lone_loads_take(&other, slot);
    assert_in_range(beside_ns, 1, 2 * alone_ns);
    assert_int_equal(swap_status(server).swap_status.lone, 0); /* the loop never waits so long */
    assert_true(swap_status(server).swap_status.stores < HOGS * REQUESTS * PAGES); /* still full */
    for (uint32_t i = 0; i < HOGS; i++)
        peer_close(&hog[i]);
    peer_close(&other);
    swap_stop(server);
}

static void test_a_user_has_a_quota(void **state)
{
    static const char *const quota[] = {"--user-quota", "30", "--buffered", NULL};
    struct server_process *server = *state;
    struct swap_peer one, other;

    swap_start(server, "100", quota);
    peer_open(&one, server, 0, 20, 1);
    peer_open(&other, server, 0, 10, 1);
    assert_int_equal(peer_reserve(&other, 1, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&one, 0, 5, NULL), 0);
    assert_int_equal(peer_reserve(&other, 5, 0, NULL), 0);
    peer_close(&one);
    while (peer_reserve(&other, 15, 0, NULL) != 0) /* once the other one is gone */
        continue;
    peer_close(&other);
    swap_stop(server);
}

/* ACCOUNT. Returns its error. */
static int account(struct swap_peer *peer, uint32_t uid)
{
    static struct wire_message message;

    message = (struct wire_message){.type = WIRE_ACCOUNT, .seq = 4242};
    message.account.uid = uid;
    assert_int_equal(wire_client_send(&peer->wire, &message, -1), 0);
    assert_int_equal(wire_client_receive(&peer->wire, &message, NULL), 0);
    assert_int_equal(message.type, WIRE_DONE);
    return (int)message.error;
}

/* A peer that is the server's own user acts for others: its client then counts for them. */
static void test_a_client_counts_for_another_user_before_it_reserves(void **state)
{
    static const char *const quota[] = {"--user-quota", "30", "--buffered", NULL};
    struct server_process *server = *state;
    struct swap_peer mine, theirs, also;

    swap_start(server, "100", quota);
    peer_open(&mine, server, 0, 30, 1);
    peer_open(&theirs, server, 0, 0, 1);
    peer_open(&also, server, 0, 0, 1);
    assert_int_equal(peer_reserve(&theirs, 1, 0, NULL), EDQUOT);
    if (getenv("SELFPAGE_TEST_OWN") != NULL) { /* one with a file of its own loads by itself */
        assert_int_equal(account(&theirs, 4711), EBUSY);
    } else {
        assert_int_equal(account(&theirs, 4711), 0);
        assert_int_equal(peer_reserve(&theirs, 20, 0, NULL), 0);
        assert_int_equal(account(&theirs, 4712), EBUSY);
        assert_int_equal(account(&also, 4711), 0);
        assert_int_equal(peer_reserve(&also, 11, 0, NULL), EDQUOT);
        assert_int_equal(peer_reserve(&also, 10, 0, NULL), 0);
    }
    peer_close(&also);
    peer_close(&theirs);
    peer_close(&mine);
    swap_stop(server);
}

/* A device that is kept remembers clients that never come back: they can be dropped. */
static void test_dead_clients_can_be_listed_and_dropped(void **state)
{
    static const char *const keep[] = {"--keep", "--buffered", NULL};
    struct server_process *server = *state;
    uint32_t pages[2] = {0, 1}, slots[2];
    struct swap_peer dead, alive;
    uint32_t dead_id;
    uint64_t key;
    char id[16], device[SWAP_DEVICE];

    swap_device(server, device);
    swap_start(server, "100", keep);
    peer_open(&dead, server, 0, 10, 2);
    peer_open(&alive, server, 0, 10, 2);
    peer_fill(&alive, 0, 5);
    peer_fill(&alive, 1, 6);
    assert_int_equal(peer_store(&dead, pages, 2, slots, NULL), 0);
    assert_int_equal(peer_store(&alive, pages, 2, slots, NULL), 0);
    dead_id = dead.wire.id;
    key = alive.wire.key;
    peer_close(&dead);
    peer_close(&alive);
    swap_stop(server);

    snprintf(id, sizeof(id), "%u", dead_id);
    assert_int_equal(
        server_process_spawn(server, PROGRAM,
                             (const char *[]){"--slots", "100", "--device", device, "--drop-client",
                                              id, "--sync", "--list-clients", NULL}),
        0);
    assert_int_equal(server_process_wait(server), 0);
    assert_int_equal(server_process_spawn(server, PROGRAM,
                                          (const char *[]){"--slots", "100", "--device", device,
                                                           "--drop-client", id, NULL}),
                     0);
    assert_int_equal(server_process_wait(server), 2);
    swap_expect_log(server, "there is no client", true);

    swap_start(server, "100", keep);
    assert_int_equal(swap_status(server).swap_status.clients, 1);
    assert_int_equal(swap_status(server).swap_status.used, 2);
    peer_open(&alive, server, key, 0, 2);
    assert_int_equal(peer_load(&alive, slots, pages, 2, NULL), 0);
    assert_int_equal(peer_tag(&alive, 0), 5);
    assert_int_equal(peer_tag(&alive, 1), 6);
    peer_close(&alive);
    swap_stop(server);
}

/* One that acts for somebody never comes back: a device that is kept does not keep its pages. */
static void test_a_client_that_acts_for_another_is_not_kept(void **state)
{
    static const char *const keep[] = {"--keep", "--buffered", NULL};
    struct server_process *server = *state;
    uint32_t pages[2] = {0, 1}, slots[2];
    struct swap_peer peer;

    swap_start(server, "100", keep);
    peer_open(&peer, server, 0, 0, 2);
    assert_int_equal(account(&peer, geteuid()), 0);
    assert_int_equal(peer_reserve(&peer, 10, 0, NULL), 0);
    assert_int_equal(peer_store(&peer, pages, 2, slots, NULL), 0);
    assert_int_equal(swap_status(server).swap_status.used, 2);
    peer_close(&peer);
    while (swap_status(server).swap_status.clients > 0)
        continue;
    assert_int_equal(swap_status(server).swap_status.used, 0);
    assert_int_equal(swap_status(server).swap_status.reserved, 0);
    /* Nor when the server is killed. */
    peer_open(&peer, server, 0, 0, 2);
    assert_int_equal(account(&peer, geteuid() + 1), 0);
    assert_int_equal(peer_reserve(&peer, 10, 0, NULL), 0);
    assert_int_equal(peer_store(&peer, pages, 2, slots, NULL), 0);
    server_process_kill(server);
    peer_close(&peer);
    swap_start(server, "100", keep);
    assert_int_equal(swap_status(server).swap_status.clients, 0);
    assert_int_equal(swap_status(server).swap_status.used, 0);
    swap_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_client_that_acts_for_another_is_not_kept, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(test_clients_take_turns, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(a_lone_load_waits_for_no_queue, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_a_user_has_a_quota, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_a_client_counts_for_another_user_before_it_reserves,
                                        swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_dead_clients_can_be_listed_and_dropped, swap_setup,
                                        swap_teardown),
    };

    return cmocka_run_group_tests_name("sim/swap/swap_hostile", tests, NULL, NULL);
}
