/* Hundreds of peers that send mutated messages in random pieces, with and without descriptors, and
 * leave when they like; among them one that behaves, and is served throughout. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "base/random.h"
#include "peer.h"
#include "scale.h"

#define PEERS 30
#define SEED  20261122

/* A legal message, or nearly. */
static size_t random_bytes(struct random_source *random, uint8_t *bytes, bool *with_fd)
{
    static const uint8_t types[] = {WIRE_DONE, WIRE_MAP, WIRE_GIVE_EXTENT, WIRE_HELLO};
    struct wire_message message = {.type = types[random_below(random, 4)]};
    size_t size;

    message.seq = random_below(random, 3);
    size = wire_encode(&message, bytes, WIRE_MESSAGE_MAX);
    *with_fd = (message.type == WIRE_GIVE_EXTENT) != (random_below(random, 40) == 0);
    if (random_below(random, 20) == 0)
        bytes[random_below(random, (uint32_t)size)] = (uint8_t)random_bits(random);
    if (random_below(random, 20) == 0)
        size = 1 + random_below(random, (uint32_t)size);
    return size;
}

/* Send it in one or two pieces. Returns false if the server has closed. */
static bool send_some(struct random_source *random, int peer, int fd)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    bool with_fd;
    size_t size = random_bytes(random, bytes, &with_fd);
    size_t cut = random_below(random, 2) ? size : 1 + random_below(random, (uint32_t)size);

    return sock_send(peer, bytes, cut, with_fd ? fd : -1) != -EPIPE &&
           (cut == size || sock_send(peer, bytes + cut, size - cut, -1) != -EPIPE);
}

static void drain(int peer)
{
    uint8_t bytes[4096];
    int fd;

    while (sock_receive(peer, bytes, sizeof(bytes), &fd) > 0)
        assert_int_equal(fd, -1);
}

static void check_served(struct fixture *fixture, int peer, uint32_t seq)
{
    struct wire_message message;

    peer_send_batch(peer, seq, 1);
    pump(fixture);
    assert_int_equal(peer_receive(fixture, peer, &message, NULL), WIRE_DONE);
    assert_int_equal(message.seq, seq);
}

static void test_a_flood(void **state)
{
    unsigned round, rounds = scale_is_slow() ? 1000 : 30000;
    struct random_source random = random_seeded(SEED);
    struct server_options options = {.ready_fd = -1, .queue_max = 20000};
    struct fixture fixture;
    int peers[PEERS], good, *peer;
    size_t i;

    (void)state;
    fixture_start(&fixture, options, answer);
    good = peer_connect(&fixture);
    for (i = 0; i < PEERS; i++)
        peers[i] = peer_connect(&fixture);
    for (round = 1; round <= rounds; round++) {
        peer = &peers[random_below(&random, PEERS)];
        if (random_below(&random, 8) == 0)
            drain(*peer);
        if (!send_some(&random, *peer, fixture.log) || random_below(&random, 50) == 0) {
            close(*peer);
            *peer = peer_connect(&fixture);
        }
        if (random_below(&random, 3) == 0)
            uv_run(&fixture.loop, UV_RUN_NOWAIT);
        if (round % 100 == 0)
            check_served(&fixture, good, round);
    }
    assert_true(fixture.server.counters.violations > rounds / 50);
    assert_true(fixture.seen.messages > rounds / 4);
    assert_true(lines_of(&fixture) < 60); /* however many violations there were */
    for (i = 0; i < PEERS; i++)
        close(peers[i]);
    close(good);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood),
    };

    return cmocka_run_group_tests_name("io/flood", tests, warm_up, NULL);
}
