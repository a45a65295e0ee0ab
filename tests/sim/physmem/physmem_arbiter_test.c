/* The choice of the arbiter matters to live tasks: one holds all extra frames, another comes late.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "physmem_peer.h"

static int setup(void **state)
{
    static struct server_process server;

    *state = &server;
    return server_process_init(&server);
}

static int teardown(void **state)
{
    server_process_fini(*state);
    return 0;
}

static void open_task(struct physmem_peer *peer, const struct server_process *server,
                      const char *name)
{
    assert_int_equal(physmem_peer_open(peer, server, name), 0);
    assert_int_equal(physmem_propose(peer, SP_EXTRA, 320, 0), 0);
    assert_int_equal(physmem_container(peer, 320), 0);
}

/* The latecomer has `gets` frames in the end, of 310 that are given out as extra. */
static void late_and_hoarder(struct server_process *server, const char *arbiter, uint32_t gets)
{
    const char *const args[] = {"--arbiter", arbiter, NULL};
    const unsigned flags = WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL;
    struct physmem_peer hoarder, late;

    assert_int_equal(physmem_start(server, "320", args), 0);
    open_task(&hoarder, server, "hoarder");
    open_task(&late, server, "late");
    assert_int_equal(physmem_allocate(&hoarder, 0, 320, flags), 310);
    assert_int_equal(physmem_allocate(&late, 0, 200, flags), -ENOMEM);
    if (gets > 0)
        assert_int_equal(physmem_give_back(&hoarder, WIRE_DEALLOCATE, 0, gets), gets);
    assert_int_equal(physmem_allocate(&late, 0, 200, flags), gets > 0 ? (int64_t)gets : -ENOMEM);
    physmem_peer_close(&late);
    physmem_peer_close(&hoarder);
    assert_int_equal(server_process_stop(server), 0);
}

static void test_fcfs_refuses_the_latecomer(void **state)
{
    late_and_hoarder(*state, "fcfs", 0);
}

static void test_maxmin_recalls_for_the_latecomer(void **state)
{
    late_and_hoarder(*state, "maxmin", 155);
}

static void test_the_example_of_the_header(void **state)
{
    late_and_hoarder(*state, TEST_EQUAL_ARBITER, 155);
}

static void propose_with(struct physmem_peer *peer, uint32_t weight, uint64_t bid)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;

    message.propose.kind = SP_EXTRA;
    message.propose.min = message.propose.frames = 10;
    message.propose.term_ns = SP_FOREVER;
    message.propose.weight = weight;
    message.propose.bid = bid;
    assert_int_equal(wire_client_call(&peer->request, &message, -1, &reply), 0);
    assert_int_equal(reply.offer.answer, SP_ACCEPTED);
}

/* What physmem says of a contract with a weight of 4 and a bid of 7, under an arbiter. */
static void expect_said(struct server_process *server, const char *arbiter, bool weight, bool bid)
{
    const char *const args[] = {"--arbiter", arbiter, NULL};
    struct physmem_peer peer;
    char *log;

    assert_int_equal(physmem_start(server, "320", args), 0);
    open_task(&peer, server, "rich");
    propose_with(&peer, 1, 0);
    propose_with(&peer, 4, 7);
    physmem_peer_close(&peer);
    assert_int_equal(server_process_stop(server), 0);
    log = server_process_log(server);
    assert_non_null(log);
    assert_int_equal(strstr(log, "task rich: weight=4 has no effect") != NULL, weight);
    assert_int_equal(strstr(log, "task rich: bid=7 has no effect") != NULL, bid);
    free(log);
}

static void test_a_weight_without_effect_is_said(void **state)
{
    expect_said(*state, "maxmin", false, true);
}

static void test_a_bid_without_effect_is_said(void **state)
{
    expect_said(*state, "auction", true, false);
}

static void test_karma_looks_at_neither(void **state)
{
    expect_said(*state, "karma", true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fcfs_refuses_the_latecomer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maxmin_recalls_for_the_latecomer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_example_of_the_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_weight_without_effect_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_bid_without_effect_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_karma_looks_at_neither, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
