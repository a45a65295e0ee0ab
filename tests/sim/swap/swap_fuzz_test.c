/* Random messages, right and wrong, whole and torn: the server lives, and its other client's pages
 * are untouched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "os/extent.h"
#include "scale.h"
#include "swap_peer.h"

#define SLOTS   128u
#define WITNESS 16u

/* A number that is often meaningful, and sometimes far from it. */
static uint32_t some_number(struct random_source *random)
{
    switch (random_below(random, 8)) {
    case 0:
        return (uint32_t)random_bits(random);
    case 1:
        return UINT32_MAX;
    case 2:
        return random_below(random, 2 * SLOTS);
    default:
        return random_below(random, 4);
    }
}

static void some_lists(struct random_source *random, struct wire_message *message)
{
    uint32_t count = random_below(random, 5) == 0 ? 64 : random_below(random, 4);
    uint32_t slots[64], pages[64], extent = 1 + random_below(random, 2);

    for (uint32_t i = 0; i < count; i++) {
        slots[i] = random_below(random, 3) == 0 ? some_number(random) : random_below(random, SLOTS);
        pages[i] = some_number(random);
    }
    switch (random_below(random, 3)) {
    case 0:
        store_message(message, extent, pages, count);
        break;
    case 1:
        load_message(message, extent, slots, pages, count);
        break;
    default:
        free_message(message, slots, count);
    }
}

/* A message of a type that swap knows, mostly. */
static void some_message(struct random_source *random, struct wire_message *message)
{
    static const uint8_t types[] = {WIRE_STATUS, WIRE_RESERVE, WIRE_GIVE_EXTENT,
                                    WIRE_FORGET_EXTENT};

    memset(message, 0, sizeof(*message));
    if (random_below(random, 4) != 0) {
        some_lists(random, message);
    } else {
        message->type = types[random_below(random, sizeof(types))];
        if (random_below(random, 40) == 0)
            message->type = random_below(random, 2) ? WIRE_HELLO : (uint8_t)random_bits(random);
    }
    message->seq = random_below(random, 300) == 0 ? 0 : 1 + random_below(random, 100);
    if (message->type == WIRE_RESERVE) {
        message->reserve.add = random_below(random, 3) == 0 ? some_number(random) : 20;
        message->reserve.subtract = random_below(random, 2) == 0 ? some_number(random) : 0;
    } else if (message->type == WIRE_GIVE_EXTENT) {
        message->give_extent.extent = 1 + random_below(random, 3);
        message->give_extent.pages = random_below(random, 4) == 0 ? some_number(random) : 4;
    } else if (message->type == WIRE_FORGET_EXTENT) {
        message->forget_extent.extent = 1 + random_below(random, 3);
    }
}

/* Send a few messages, now and then with wrong bytes, a missing end, or a stray descriptor. Returns
 * 0, a negative errno, or 1 if the server may now wait for the rest of a message. */
static int burst_send(struct random_source *random, struct wire_client *wire, int extent)
{
    static uint8_t bytes[8 * WIRE_MESSAGE_MAX];
    struct wire_message message;
    size_t used = 0;
    int fd = -1, torn = 0, error;

    for (uint32_t i = 1 + random_below(random, 6); i > 0; i--) {
        some_message(random, &message);
        used += wire_encode(&message, bytes + used, sizeof(bytes) - used);
        if (message.type == WIRE_GIVE_EXTENT && random_below(random, 40) != 0) {
            fd = extent;
            break;
        }
    }
    if (random_below(random, 40) == 0) {
        bytes[random_below(random, (uint32_t)used + 1)] = (uint8_t)random_bits(random);
        torn = 1;
    }
    if (random_below(random, 40) == 0) {
        used = random_below(random, (uint32_t)used + 1);
        torn = 1;
    }
    if (random_below(random, 100) == 0)
        fd = extent;
    if (used == 0)
        return torn;
    error = wire_client_send_bytes(wire, bytes, used, fd);
    return error < 0 ? error : torn;
}

/* Take replies as they come, not waiting for any. Returns 0 or the error that ended the connection.
 */
static int replies_drop(struct wire_client *wire)
{
    struct wire_message reply;
    int error;

    do
        error = wire_client_poll(wire, &reply, NULL);
    while (error == 0);
    return error == -EAGAIN ? 0 : error;
}

/* Wait until all requests so far have begun. Returns 0 or the error that ended the connection. */
static int requests_settle(struct wire_client *wire)
{
    struct wire_message message = {.type = WIRE_RESERVE, .seq = UINT32_MAX}, reply;
    int error = wire_client_send(wire, &message, -1);

    do
        if (error == 0)
            error = wire_client_receive(wire, &reply, NULL);
    while (error == 0 && reply.seq != message.seq);
    return error;
}

/* What a well-behaved client starts with. */
static void start_send(struct wire_client *wire, int extent)
{
    struct wire_message message = {.type = WIRE_GIVE_EXTENT, .seq = 1};

    message.give_extent.extent = 1;
    message.give_extent.pages = 4;
    assert_int_equal(wire_client_send(wire, &message, extent), 0);
    message = (struct wire_message){.type = WIRE_RESERVE, .seq = 2};
    message.reserve.add = 80;
    assert_int_equal(wire_client_send(wire, &message, -1), 0);
}

static void fuzz_run(struct server_process *server, const char *const mode[], uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    unsigned connections = scale_is_slow() ? 40 : 400;
    uint32_t pages[WITNESS], slots[WITNESS];
    struct wire_message status;
    struct swap_peer witness;
    int extent = extent_create("fuzz", 4, NULL);

    assert_true(extent >= 0);
    print_message("seed %d\n", (int)seed);
    swap_start(server, "128", mode);
    peer_open(&witness, server, 0, WITNESS, WITNESS);
    for (uint32_t i = 0; i < WITNESS; i++) {
        pages[i] = i;
        peer_fill(&witness, i, seed * 1000 + i);
    }
    /* Pages of zeros take no slot: one of four is. */
    for (off_t page = 0; page < 3; page++)
        assert_int_equal(pwrite(extent, "data", 4, page * PEER_PAGE), 4);
    assert_int_equal(peer_store(&witness, pages, WITNESS, slots, NULL), 0);
    for (unsigned i = 0; i < connections; i++) {
        bool greeted = random_below(&random, 8) != 0;
        struct wire_client wire;
        int error = 0;

        if (greeted)
            assert_int_equal(
                wire_client_open(&wire, server->socket, WIRE_ROLE_TASK, 0, 0, "fuzz", NULL), 0);
        else
            assert_int_equal(wire_client_connect(&wire, server->socket), 0);
        if (greeted && random_below(&random, 2) == 0)
            start_send(&wire, extent);
        for (uint32_t k = 0; k < 25 && error == 0; k++) {
            error = burst_send(&random, &wire, extent);
            if (error == 0 && k % 4 == 0)
                error = requests_settle(&wire);
            else if (error == 0)
                error = replies_drop(&wire);
        }
        wire_client_close(&wire);
        if (i % 50 != 0)
            continue;
        for (uint32_t k = 0; k < WITNESS; k++)
            peer_fill(&witness, k, 0);
        assert_int_equal(peer_load(&witness, slots, pages, WITNESS, NULL), 0);
        for (uint32_t k = 0; k < WITNESS; k++)
            assert_int_equal(peer_tag(&witness, k), seed * 1000 + k);
    }
    while (swap_status(server).swap_status.clients > 1)
        continue;
    status = swap_status(server);
    assert_int_equal(status.swap_status.used, WITNESS);
    assert_int_equal(status.swap_status.reserved, WITNESS);
    print_message("%d stores, %d loads, %d frees, %d violations in %u connections\n",
                  (int)status.swap_status.stores, (int)status.swap_status.loads,
                  (int)status.swap_status.frees, (int)status.swap_status.violations, connections);
    /* Or else this would be a test of refusals only. */
    assert_true(status.swap_status.stores > WITNESS + connections / 4);
    assert_true(status.swap_status.loads > connections / 10 && status.swap_status.frees > 0);
    assert_true(status.swap_status.violations > connections / 10);
    peer_close(&witness);
    close(extent);
    swap_stop(server);
}

static void test_fuzz_buffered(void **state)
{
    const char *const mode[] = {"--buffered", NULL};

    fuzz_run(*state, mode, 21);
}

static void test_fuzz_automatic(void **state)
{
    const char *const mode[] = {NULL};

    fuzz_run(*state, mode, 22);
}

static void test_fuzz_flaky(void **state)
{
    const char *const mode[] = {"--fail-writes", "0.1", "--fail-reads", "0", NULL};
    struct server_process *server = *state;

    /* One page in a hundred fails at both attempts; the server's own seed spares the witness's. */
    fuzz_run(server, mode, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fuzz_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_fuzz_automatic, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_fuzz_flaky, swap_setup, swap_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
