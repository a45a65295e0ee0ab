/* Control of a running swap server by a policy server: how many slots clients may reserve, and what bandwidth they have. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "swap_peer.h"

#define PAGES   64u
#define NOTHING UINT32_MAX

static const char *const metered[] = {"--bandwidth", "4000", "--buffered", NULL};

/* A policy server. */
static int policy_open(struct wire_client *policy, const struct server_process *server)
{
    return wire_client_open(policy, server->socket, WIRE_ROLE_POLICY, 0, 0, "policyserver", NULL);
}

/* Send one that is answered by DONE. Returns its error. */
static int ask(struct wire_client *client, struct wire_message *request)
{
    struct wire_message reply;

    assert_int_equal(wire_client_call(client, request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    return (int)reply.error;
}

static int control(struct wire_client *policy)
{
    struct wire_message request = {.type = WIRE_GET_CONTROL};

    return ask(policy, &request);
}

static int bandwidth(struct swap_peer *peer, uint32_t shares, uint32_t rate)
{
    struct wire_message request = {.type = WIRE_BANDWIDTH};

    request.bandwidth.shares = shares;
    request.bandwidth.rate = rate;
    return ask(&peer->wire, &request);
}

/* One limit: for clients of this name, for this user, or with NULL and NOTHING for all. */
struct said {
    const char *name;
    uint32_t uid, slots, shares, rate;
};

static int say(struct wire_client *policy, const struct said *said, uint32_t count)
{
    struct wire_message message;

    for (uint32_t i = 0; i < count; i++) {
        message = (struct wire_message){.type = WIRE_SWAP_LIMIT};
        message.swap_limit.whom = (uint8_t)((said[i].name != NULL ? WIRE_WHOM_NAME : 0) |
                                            (said[i].uid != NOTHING ? WIRE_WHOM_USER : 0));
        message.swap_limit.uid = said[i].uid != NOTHING ? said[i].uid : 0;
        message.swap_limit.slots = said[i].slots;
        message.swap_limit.shares = said[i].shares;
        message.swap_limit.rate = said[i].rate;
        if (said[i].name != NULL)
            strncpy(message.swap_limit.name, said[i].name, sizeof(message.swap_limit.name) - 1);
        assert_int_equal(wire_client_send(policy, &message, -1), 0);
    }
    message = (struct wire_message){.type = WIRE_LIMITS};
    message.limits.count = count;
    return ask(policy, &message);
}

static void named_open(struct swap_peer *peer, const struct server_process *server,
                       const char *name)
{
    peer_open_as(peer, server, 0, name, 0, PAGES);
}

/* ---- Slots ---- */

static void a_client_reserves_what_the_policy_server_lets_it(void **state)
{
    static const char *const quota[] = {"--quota", "20", "--buffered", NULL};
    static const struct said few[] = {{NULL, NOTHING, 10, 0, 0}, {"rich", NOTHING, 30, 0, 0}};
    struct server_process *server = *state;
    struct swap_peer poor, rich, late;
    struct wire_client policy;

    swap_start(server, "64", quota);
    named_open(&poor, server, "poor");
    named_open(&rich, server, "rich");
    assert_int_equal(peer_reserve(&poor, 15, 0, NULL), 0);
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, few, 2), 0);
    /* What is reserved stays; and 30 stands in the place of the server's own 20. */
    assert_int_equal(peer_reserve(&poor, 1, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&poor, 0, 6, NULL), 0);
    assert_int_equal(peer_reserve(&poor, 2, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&rich, 30, 0, NULL), 0);
    assert_int_equal(peer_reserve(&rich, 1, 0, NULL), EDQUOT);
    /* For who comes later, too, and when the policy server has died. */
    wire_client_close(&policy);
    named_open(&late, server, "late");
    assert_int_equal(peer_reserve(&late, 11, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&late, 10, 0, NULL), 0);
    /* Until another one says something else. */
    assert_int_equal(policy_open(&policy, server), 0);
    while (control(&policy) != 0)
        sched_yield(); /* the first is not gone yet */
    assert_int_equal(say(&policy, NULL, 0), 0);
    assert_int_equal(peer_reserve(&late, 10, 0, NULL), 0);
    assert_int_equal(peer_reserve(&late, 1, 0, NULL), EDQUOT);
    wire_client_close(&policy);
    peer_close(&poor);
    peer_close(&rich);
    peer_close(&late);
    swap_stop(server);
}

static void the_tasks_of_a_user_have_so_many_together(void **state)
{
    static const char *const quota[] = {"--user-quota", "10", "--buffered", NULL};
    const struct said both[] = {{NULL, (uint32_t)geteuid(), 30, 0, 0}};
    struct server_process *server = *state;
    struct wire_client policy;
    struct swap_peer one, two;

    swap_start(server, "64", quota);
    peer_open(&one, server, 0, 0, 1);
    peer_open(&two, server, 0, 0, 1);
    assert_int_equal(peer_reserve(&one, 11, 0, NULL), EDQUOT);
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, both, 1), 0);
    assert_int_equal(peer_reserve(&one, 20, 0, NULL), 0);
    assert_int_equal(peer_reserve(&two, 11, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&two, 10, 0, NULL), 0);
    wire_client_close(&policy);
    peer_close(&one);
    peer_close(&two);
    swap_stop(server);
}

/* ---- Bandwidth ---- */

static void a_contract_asks_for_no_more_than_is_allowed(void **state)
{
    static const struct said narrow[] = {{"peer", NOTHING, NOTHING, 4, 0},
                                         {"slow", NOTHING, NOTHING, 0, 500}};
    static const struct said wide[] = {{"slow", NOTHING, NOTHING, 0, 4000}};
    struct server_process *server = *state;
    struct swap_peer peer, slow, other;
    struct wire_client policy;

    swap_start(server, "64", metered);
    peer_open(&peer, server, 0, 0, 1);
    named_open(&slow, server, "slow");
    named_open(&other, server, "other");
    assert_int_equal(bandwidth(&slow, 0, 3000), 0);
    assert_int_equal(bandwidth(&other, 0, 1001), EDQUOT);
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, narrow, 2), 0);
    assert_int_equal(bandwidth(&peer, 5, 0), EPERM);
    assert_int_equal(bandwidth(&peer, 4, 0), 0);
    assert_int_equal(bandwidth(&slow, 0, 501), EPERM);
    /* The contract of 3000 was cut down to 500, and stays so when more is allowed again. */
    assert_int_equal(bandwidth(&other, 0, 3500), 0);
    assert_int_equal(say(&policy, wide, 1), 0);
    assert_int_equal(bandwidth(&peer, 0, 1), EDQUOT);
    peer_close(&slow);
    while (swap_status(server).swap_status.clients > 2)
        sched_yield();
    assert_int_equal(bandwidth(&peer, 0, 500), 0);
    wire_client_close(&policy);
    peer_close(&peer);
    peer_close(&other);
    swap_stop(server);
}

/* What rates are allowed in all is more than there is: each has as much as is left, and more once others are gone. */
static void of_a_rate_a_client_has_what_is_left(void **state)
{
    static const struct said said[] = {{"fast", NOTHING, NOTHING, 0, 3000}};
    struct server_process *server = *state;
    struct swap_peer one, two, judge;
    struct wire_client policy;

    swap_start(server, "64", metered);
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, said, 1), 0);
    named_open(&one, server, "fast");
    named_open(&two, server, "fast");
    named_open(&judge, server, "judge");
    assert_int_equal(bandwidth(&judge, 0, 1), EDQUOT); /* 3000 and 1000 are promised */
    peer_close(&one);
    while (swap_status(server).swap_status.clients > 2)
        sched_yield();
    assert_int_equal(bandwidth(&judge, 0, 1001), EDQUOT);
    assert_int_equal(bandwidth(&judge, 0, 1000), 0);
    peer_close(&two);
    peer_close(&judge);
    wire_client_close(&policy);
    swap_stop(server);
}

static void ask_to_load(struct swap_peer *peer, const uint32_t *slots)
{
    struct wire_message request;
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    load_message(&request, 1, slots, pages, PAGES);
    request.seq = 1;
    assert_int_equal(wire_client_send(&peer->wire, &request, -1), 0);
}

/* How many answers have come. */
static uint32_t answers(struct swap_peer *peer)
{
    struct wire_message reply;
    uint32_t count = 0;
    int fd;

    while (wire_client_poll(&peer->wire, &reply, &fd) == 0) {
        assert_int_equal(reply.type, WIRE_LOADED);
        count++;
    }
    return count;
}

/* Two clients that have asked for nothing of the kind: while both have loads waiting, one has four times as many pages. It is
 * counted from when both have had some: the first to ask has the device alone for a while. */
static void clients_have_the_shares_that_the_policy_server_gives(void **state)
{
    static const struct said said[] = {{"four", NOTHING, NOTHING, 4, 0}};
    static const char *const names[] = {"one", "four"};
    struct server_process *server = *state;
    uint32_t slots[2][PAGES], pages[PAGES], done[2] = {0}, asked[2] = {0}, begun[2] = {0};
    struct swap_peer peer[2];
    struct wire_client policy;

    swap_start_behind(server, "1024", "debug:delay=4:", metered);
    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    for (unsigned i = 0; i < 2; i++) {
        named_open(&peer[i], server, names[i]);
        assert_int_equal(peer_reserve(&peer[i], PAGES, 0, NULL), 0);
        assert_int_equal(peer_store(&peer[i], pages, PAGES, slots[i], NULL), 0);
    }
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, said, 1), 0);
    while (done[1] - begun[1] < 240) {
        bool waited = true;

        for (unsigned i = 0; i < 2; i++) {
            done[i] += answers(&peer[i]);
            waited = done[i] < asked[i] && waited;
            for (; asked[i] < done[i] + 100; asked[i]++)
                ask_to_load(&peer[i], slots[i]);
        }
        if (!waited || begun[1] == 0)
            memcpy(begun, done, sizeof(begun));
        sched_yield();
    }
    assert_in_range(done[0] - begun[0], 60 - 8, 60 + 8);
    wire_client_close(&policy);
    for (unsigned i = 0; i < 2; i++)
        peer_close(&peer[i]);
    swap_stop(server);
}

static void a_server_without_bandwidth_says_so(void **state)
{
    static const struct said shares[] = {{NULL, NOTHING, NOTHING, 2, 0}};
    static const struct said many[] = {{NULL, NOTHING, NOTHING, 65, 0}};
    struct server_process *server = *state;
    struct wire_client policy;

    swap_start(server, "64", NULL);
    assert_int_equal(policy_open(&policy, server), 0);
    assert_int_equal(control(&policy), 0);
    assert_int_equal(say(&policy, shares, 1), EOPNOTSUPP);
    assert_int_equal(say(&policy, many, 1), EINVAL);
    assert_int_equal(say(&policy, NULL, 0), 0);
    wire_client_close(&policy);
    swap_stop(server);
}

/* ---- Control ---- */

static void control_has_one_holder_and_is_handed_over(void **state)
{
    static const struct said said[] = {{NULL, NOTHING, 5, 0, 0}};
    struct wire_message request = {.type = WIRE_HAND_OVER}, reply;
    struct wire_message wait = {.type = WIRE_GET_CONTROL, .seq = 9};
    struct server_process *server = *state;
    struct wire_client first, second;

    swap_start(server, "64", NULL);
    assert_int_equal(policy_open(&first, server), 0);
    assert_int_equal(policy_open(&second, server), 0);
    assert_int_equal(control(&first), 0);
    assert_int_equal(control(&second), EBUSY);
    assert_int_equal(say(&second, said, 1), EPERM);
    assert_int_equal(ask(&first, &request), ENOENT);
    wait.get_control.wait = true;
    assert_int_equal(wire_client_send(&second, &wait, -1), 0);
    assert_int_equal(wire_client_receive(&first, &reply, NULL), 0);
    assert_int_equal(reply.type, WIRE_SUCCESSOR);
    assert_int_equal(reply.successor.pid, getpid());
    assert_int_equal(ask(&first, &request), 0);
    assert_int_equal(wire_client_receive(&second, &reply, NULL), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    assert_int_equal(reply.seq, 9);
    assert_int_equal(reply.error, 0);
    assert_int_equal(say(&first, said, 1), EPERM);
    assert_int_equal(say(&second, said, 1), 0);
    /* One that waits has it, too, when the holder dies. */
    assert_int_equal(wire_client_send(&first, &wait, -1), 0);
    while (wire_client_receive(&second, &reply, NULL) == 0 && reply.type != WIRE_SUCCESSOR)
        continue;
    wire_client_close(&second);
    assert_int_equal(wire_client_receive(&first, &reply, NULL), 0);
    assert_int_equal(reply.seq, 9);
    assert_int_equal(reply.error, 0);
    wire_client_close(&first);
    swap_stop(server);
}

static void a_successor_that_is_gone_gets_nothing(void **state)
{
    struct wire_message request = {.type = WIRE_HAND_OVER}, reply;
    struct wire_message wait = {.type = WIRE_GET_CONTROL, .seq = 9};
    struct server_process *server = *state;
    struct wire_client first, second;

    swap_start(server, "64", NULL);
    assert_int_equal(policy_open(&first, server), 0);
    assert_int_equal(policy_open(&second, server), 0);
    assert_int_equal(control(&first), 0);
    wait.get_control.wait = true;
    assert_int_equal(wire_client_send(&second, &wait, -1), 0);
    assert_int_equal(wire_client_receive(&first, &reply, NULL), 0);
    assert_int_equal(reply.type, WIRE_SUCCESSOR);
    wire_client_close(&second);
    for (unsigned i = 0; i < 10; i++) /* by then the server has looked at every connection */
        assert_int_equal(say(&first, NULL, 0), 0);
    assert_int_equal(ask(&first, &request), ENOENT);
    assert_int_equal(control(&first), EALREADY);
    wire_client_close(&first);
    swap_stop(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, swap_setup, swap_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_reserves_what_the_policy_server_lets_it),
        TEST(the_tasks_of_a_user_have_so_many_together),
        TEST(a_contract_asks_for_no_more_than_is_allowed),
        TEST(of_a_rate_a_client_has_what_is_left),
        TEST(clients_have_the_shares_that_the_policy_server_gives),
        TEST(a_server_without_bandwidth_says_so),
        TEST(control_has_one_holder_and_is_handed_over),
        TEST(a_successor_that_is_gone_gets_nothing),
    };

    return cmocka_run_group_tests_name("swap_control", tests, NULL, NULL);
}
