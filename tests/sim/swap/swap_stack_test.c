/* Two swap servers, one in front of the other: pages come back through both, and the upper one may die. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "scale.h"
#include "swap_peer.h"

#define PAGES 16u
#define SLOTS "64"

struct stack {
    struct server_process upper;
    struct server_process lower;
};

static int setup(void **state)
{
    static struct stack stack;

    *state = &stack;
    return server_process_init(&stack.upper) == 0 && server_process_init(&stack.lower) == 0 ? 0
                                                                                            : -1;
}

static int teardown(void **state)
{
    struct stack *stack = *state;

    server_process_fini(&stack->lower);
    server_process_fini(&stack->upper);
    return 0;
}

static const char *const kept[] = {"--keep", "--buffered", NULL};

/* Start the lower server; `front` stands before "unix:", `options` behind it. */
static void lower_start(struct stack *stack, const char *front, const char *options)
{
    char device[SERVER_PATH + 64];
    const char *const args[] = {"--slots", SLOTS, "--device", device, NULL};

    snprintf(device, sizeof(device), "%sunix:%s%s", front, options, stack->upper.socket);
    assert_int_equal(server_process_start(&stack->lower, TEST_BINDIR "/selfpage-swap", args), 0);
}

static void pages_store(struct swap_peer *peer, uint64_t tag, uint32_t slots[PAGES],
                        uint32_t errors[PAGES])
{
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = i;
        peer_fill(peer, i, tag + i);
    }
    assert_int_equal(peer_store(peer, pages, PAGES, slots, errors), 0);
}

/* Load one page. Returns its error; without one it must be what was stored. */
static uint32_t page_load(struct swap_peer *peer, uint32_t slot, uint64_t tag)
{
    uint32_t page = 0, error;

    peer_fill(peer, 0, 1);
    assert_int_equal(peer_load(peer, &slot, &page, 1, &error), 0);
    if (error == 0)
        assert_true(peer_tag(peer, 0) == tag);
    return error;
}

static void pages_come_back_through_two_servers(void **state)
{
    static const char *const fronts[] = {"", "zstd:", "debug:delay=2:"};
    struct stack *stack = *state;

    for (size_t front = 0; front < sizeof(fronts) / sizeof(fronts[0]); front++) {
        uint32_t slots[PAGES];
        struct swap_peer peer;

        swap_start(&stack->upper, SLOTS, NULL);
        lower_start(stack, fronts[front], "");
        assert_int_equal(swap_status(&stack->upper).swap_status.reserved, 64);
        peer_open(&peer, &stack->lower, 0, PAGES, PAGES);
        for (uint32_t round = 1; round <= 20; round++) {
            pages_store(&peer, 100 * round, slots, NULL);
            for (uint32_t i = 0; i < PAGES; i++)
                assert_int_equal(page_load(&peer, slots[i], 100 * round + i), 0);
            if (round < 20)
                assert_int_equal(peer_free(&peer, slots, PAGES), 0);
        }
        if (fronts[front][0] != 'z') /* what was freed is freed there, too, with the next store */
            assert_int_equal(swap_status(&stack->upper).swap_status.used, PAGES);
        else
            assert_in_range(swap_status(&stack->upper).swap_status.used, 1, PAGES);
        peer_close(&peer);
        swap_stop(&stack->lower);
        while (swap_status(&stack->upper).swap_status.clients > 0)
            continue;
        swap_stop(&stack->upper);
    }
}

/* The upper server is killed again and again while pages are stored and loaded; it is kept. */
static void a_kept_upper_server_may_die_and_come_back(void **state)
{
    unsigned kills = scale_is_slow() ? 2 : 10;
    struct stack *stack = *state;
    uint32_t slots[PAGES], again[PAGES], errors[PAGES];
    struct swap_peer peer;

    swap_start(&stack->upper, SLOTS, kept);
    lower_start(stack, "", "patience=60:");
    peer_open(&peer, &stack->lower, 0, 2 * PAGES, PAGES);
    pages_store(&peer, 1000, slots, NULL);
    for (unsigned kill_count = 0; kill_count < kills; kill_count++) {
        uint32_t pages[PAGES];
        struct wire_message message, reply;

        for (uint32_t i = 0; i < PAGES; i++) {
            pages[i] = i;
            peer_fill(&peer, i, 2000 + 100 * kill_count + i);
        }
        store_message(&message, 1, pages, PAGES);
        message.seq = 77;
        assert_int_equal(wire_client_send(&peer.wire, &message, -1), 0); /* it is under way */
        server_process_kill(&stack->upper);
        swap_start(&stack->upper, SLOTS, kept);
        assert_int_equal(wire_client_receive(&peer.wire, &reply, NULL), 0);
        assert_int_equal(reply.type, WIRE_STORED);
        for (uint32_t i = 0; i < PAGES; i++) {
            assert_int_equal(reply.stored.slots[i].error, 0);
            again[i] = reply.stored.slots[i].slot;
        }
        for (uint32_t i = 0; i < PAGES; i++) {
            assert_int_equal(page_load(&peer, slots[i], 1000 + i), 0);
            assert_int_equal(page_load(&peer, again[i], 2000 + 100 * kill_count + i), 0);
        }
        assert_int_equal(peer_free(&peer, again, PAGES), 0);
    }
    /* Nothing has leaked: what the upper server gave without an answer was freed. */
    pages_store(&peer, 5000, again, errors);
    assert_int_equal(swap_status(&stack->upper).swap_status.used, 2 * PAGES);
    assert_in_range(swap_status(&stack->lower).swap_status.reconnects, 1, kills);
    peer_close(&peer);
    swap_stop(&stack->lower);
    server_process_kill(&stack->upper);
}

/* An upper server that keeps nothing takes what it had with it: these pages fail, alone, and others do not. */
static void an_upper_server_that_is_not_kept_takes_its_pages_with_it(void **state)
{
    struct stack *stack = *state;
    uint32_t slots[PAGES], fresh[PAGES], errors[PAGES];
    struct swap_peer peer;

    swap_start(&stack->upper, SLOTS, NULL);
    lower_start(stack, "", "patience=60:");
    peer_open(&peer, &stack->lower, 0, 2 * PAGES, PAGES);
    pages_store(&peer, 1000, slots, NULL);
    server_process_kill(&stack->upper);
    swap_start(&stack->upper, SLOTS, NULL);
    pages_store(&peer, 2000, fresh, NULL);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(page_load(&peer, slots[i], 0), EIO);
        assert_int_equal(page_load(&peer, fresh[i], 2000 + i), 0);
    }
    swap_expect_log(&stack->lower, "Input/output error", true);
    assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    /* Nobody is there at all: requests fail in the end, and the server lives. */
    peer_close(&peer);
    swap_stop(&stack->lower);
    lower_start(stack, "", "patience=0.2:");
    peer_open(&peer, &stack->lower, 0, 2 * PAGES, PAGES);
    pages_store(&peer, 1000, slots, NULL);
    server_process_kill(&stack->upper);
    pages_store(&peer, 3000, fresh, errors);
    for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal(errors[i], EIO);
    assert_int_equal(page_load(&peer, slots[0], 0), EIO);
    peer_close(&peer);
    swap_stop(&stack->lower);
}

static void a_server_that_cannot_be_the_upper_one_is_refused(void **state)
{
    struct stack *stack = *state;
    char device[SERVER_PATH + 16];
    const char *const args[] = {"--slots",           "65", "--device", device, "--socket",
                                stack->lower.socket, NULL};

    snprintf(device, sizeof(device), "unix:%s", stack->upper.socket);
    assert_int_equal(server_process_spawn(&stack->lower, TEST_BINDIR "/selfpage-swap", args), 0);
    assert_int_equal(server_process_wait(&stack->lower), 2);
    swap_start(&stack->upper, SLOTS, NULL);
    assert_int_equal(server_process_spawn(&stack->lower, TEST_BINDIR "/selfpage-swap", args), 0);
    assert_int_equal(server_process_wait(&stack->lower), 2);
    swap_expect_log(&stack->lower, "cannot reserve 65 slots", true);
    swap_stop(&stack->upper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_come_back_through_two_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kept_upper_server_may_die_and_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(an_upper_server_that_is_not_kept_takes_its_pages_with_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_cannot_be_the_upper_one_is_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
