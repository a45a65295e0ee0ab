/* Random messages from many connections at once: physmem survives, and its books stay right. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "physmem_peer.h"

#define PEERS 6u

/* Small numbers are more often right; large ones must do no harm. */
static uint32_t number(struct random_source *random)
{
    switch (random_below(random, 8)) {
    case 0:
        return (uint32_t)random_bits(random);
    case 1:
        return UINT32_MAX - random_below(random, 4);
    default:
        return random_below(random, 70);
    }
}

static void ranges_fill(struct random_source *random, struct wire_message *message,
                        uint32_t container)
{
    message->deallocate.container = container;
    message->deallocate.ranges_count = (uint16_t)(1 + random_below(random, 4));
    for (unsigned i = 0; i < message->deallocate.ranges_count; i++)
        message->deallocate.ranges[i] = (struct wire_range){number(random), number(random)};
}

static void terms_fill(struct random_source *random, struct wire_message *message)
{
    message->propose.kind = (uint8_t)random_below(random, SP_CONTRACT_KINDS);
    message->propose.grace_unit = (uint8_t)random_below(random, SP_GRACE_UNITS);
    message->propose.order = (uint8_t)(random_below(random, 5) ? 0 : random_bits(random));
    message->propose.min = random_below(random, 30);
    message->propose.frames = number(random);
    message->propose.term_ns = random_below(random, 2) ? SP_FOREVER : number(random) * 10000ull;
    message->propose.t_clean = number(random) * 1000ull;
    message->propose.t_drop = number(random) * 1000ull;
}

/* A message that a task may send, with random contents. */
static void message_make(struct random_source *random, struct wire_message *message,
                         uint32_t container)
{
    static const uint8_t types[] = {
        WIRE_PROPOSE,  WIRE_ACCEPT,    WIRE_RENEW,      WIRE_CLOSE,    WIRE_CONTAINER_CREATE,
        WIRE_ALLOCATE, WIRE_ALLOCATE,  WIRE_ALLOCATE,   WIRE_ALLOCATE, WIRE_CONTAINER_DESTROY,
        WIRE_RELEASE,  WIRE_RECOVER,   WIRE_DEALLOCATE, WIRE_MAP,      WIRE_MAP,
        WIRE_STATUS,   WIRE_UNMAP_OWN, WIRE_ORPHAN,
    };

    memset(message, 0, sizeof(*message));
    message->type = types[random_below(random, sizeof(types))];
    message->seq = random_below(random, 3) ? (uint32_t)random_bits(random) : 0;
    if (random_below(random, 10) == 0)
        container = number(random);
    switch (message->type) {
    case WIRE_PROPOSE:
        terms_fill(random, message);
        break;
    case WIRE_ACCEPT:
    case WIRE_CLOSE:
        message->accept.contract = 1 + random_below(random, 20);
        break;
    case WIRE_RENEW:
        message->renew.contract = 1 + random_below(random, 20);
        message->renew.term_ns = number(random) * 10000ull;
        break;
    case WIRE_CONTAINER_CREATE:
        message->container_create.slots = number(random);
        break;
    case WIRE_CONTAINER_DESTROY: /* seldom one that is there */
        message->container_destroy.container = random_below(random, 8) ? 0 : container;
        break;
    case WIRE_ALLOCATE:
        message->allocate.container = container;
        message->allocate.start = number(random);
        message->allocate.count = number(random);
        message->allocate.flags = (uint8_t)random_below(random, 20);
        message->allocate.order = (uint8_t)(random_below(random, 6) ? 0 : number(random));
        break;
    case WIRE_MAP:
        message->map.container = container;
        message->map.start = number(random);
        message->map.count = number(random);
        message->map.rights = (uint8_t)random_below(random, WIRE_COUNT(WIRE_RIGHTS));
        break;
    case WIRE_STATUS:
        message->status.after = number(random);
        break;
    default:
        ranges_fill(random, message, container);
        break;
    }
}

/* Take whatever has come, so that the server is not held up by us. */
static void drain(struct wire_client *client)
{
    static struct wire_message message;

    while (wire_client_poll(client, &message, NULL) == 0)
        ;
}

static void test_random_messages(void **state)
{
    unsigned rounds = RUNNING_ON_VALGRIND ? 600 : 20000;
    static struct physmem_peer peer[PEERS];
    static struct wire_message message;
    struct random_source random = random_seeded(11);
    struct server_process server;
    struct wire_client observer;

    (void)state;
    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(physmem_start(&server, "200", (const char *[]){"--max-term", "200us", NULL}),
                     0);
    assert_int_equal(
        wire_client_open(&observer, server.socket, WIRE_ROLE_OBSERVER, 0, 0, "o", NULL), 0);
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(physmem_peer_open(&peer[i], &server, "fuzz"), 0);
        assert_int_equal(physmem_container(&peer[i], 600), 0);
    }
    for (unsigned round = 0; round < rounds; round++) {
        unsigned i = random_below(&random, PEERS);

        if (random_below(&random, 200) == 0) { /* comes anew */
            physmem_peer_close(&peer[i]);
            assert_int_equal(physmem_peer_open(&peer[i], &server, "fuzz"), 0);
            assert_int_equal(physmem_container(&peer[i], 600), 0);
        }
        message_make(&random, &message, peer[i].container);
        assert_int_equal(wire_client_send(&peer[i].request, &message, -1), 0);
        drain(&peer[i].request);
        drain(&peer[i].control);
        if (round % 256 == 0)
            assert_true(physmem_books_agree(&observer));
    }
    for (unsigned i = 0; i < PEERS; i++)
        physmem_peer_close(&peer[i]);
    assert_int_equal(physmem_await_tasks(&observer, 0), 0);
    assert_true(physmem_books_agree(&observer));
    wire_client_close(&observer);
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
}

/* Bytes that are no messages end their own connection, and no other. */
static void test_random_bytes(void **state)
{
    struct random_source random = random_seeded(5);
    struct server_process server;
    struct physmem_peer peer;
    unsigned char bytes[64];

    (void)state;
    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(physmem_start(&server, "64", NULL), 0);
    assert_int_equal(physmem_peer_open(&peer, &server, "a"), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct wire_client client;

        for (unsigned j = 0; j < sizeof(bytes); j++)
            bytes[j] = (unsigned char)random_bits(&random);
        assert_int_equal(wire_client_connect(&client, server.socket), 0);
        /* With a descriptor, which a kernel since Linux 6.16 refuses for physmem. */
        if (i % 2 == 0 || wire_client_send_bytes(&client, bytes, sizeof(bytes), 1) != 0)
            assert_int_equal(wire_client_send_bytes(&client, bytes, sizeof(bytes), -1), 0);
        assert_int_equal(wire_client_expect_end(&client), 0);
        wire_client_close(&client);
    }
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 8, 0), 0);
    physmem_peer_close(&peer);
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_messages),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
