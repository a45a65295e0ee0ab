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

/* Numbers of pages in swap, of whatever task, that physmem has given out lately. */
static uint32_t swapped[16];

static void numbers_fill(struct random_source *random, struct wire_number *numbers,
                         uint16_t *countp)
{
    *countp = (uint16_t)random_below(random, 6);
    for (unsigned i = 0; i < *countp; i++)
        numbers[i].value =
            random_below(random, 8) == 0
                ? number(random)
                : swapped[random_below(random, sizeof(swapped) / sizeof(swapped[0]))];
}

/* A message that a task may send, with random contents. */
static void message_make(struct random_source *random, struct wire_message *message,
                         uint32_t container)
{
    static const uint8_t types[] = {
        WIRE_PROPOSE,  WIRE_ACCEPT,    WIRE_RENEW,      WIRE_CLOSE,    WIRE_CONTAINER_CREATE,
        WIRE_ALLOCATE, WIRE_ALLOCATE,  WIRE_ALLOCATE,   WIRE_ALLOCATE, WIRE_CONTAINER_DESTROY,
        WIRE_RELEASE,  WIRE_RECOVER,   WIRE_DEALLOCATE, WIRE_MAP,      WIRE_MAP,
        WIRE_STATUS,   WIRE_UNMAP_OWN, WIRE_ORPHAN,     WIRE_SWAP_OUT, WIRE_SWAP_OUT,
        WIRE_SWAP_IN,  WIRE_SWAP_IN,   WIRE_SWAP_DROP,
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
    case WIRE_SWAP_OUT:
        message->swap_out.container = container;
        message->swap_out.start = random_below(random, 70);
        message->swap_out.count = random_below(random, 8) == 0 ? number(random) : 1;
        break;
    case WIRE_SWAP_IN:
        message->swap_in.container = container;
        message->swap_in.start = random_below(random, 70);
        numbers_fill(random, message->swap_in.pages, &message->swap_in.pages_count);
        break;
    case WIRE_SWAP_DROP:
        numbers_fill(random, message->swap_drop.pages, &message->swap_drop.pages_count);
        break;
    default:
        ranges_fill(random, message, container);
        break;
    }
}

static void note_numbers(const struct wire_message *message)
{
    static unsigned next;

    for (unsigned i = 0; message->type == WIRE_SWAPPED && i < message->swapped.pages_count; i++)
        swapped[next++ % (sizeof(swapped) / sizeof(swapped[0]))] = message->swapped.pages[i].value;
}

/* Wait for the answer to a request. */
static void await(struct wire_client *client, uint32_t seq)
{
    static struct wire_message message;

    do {
        assert_int_equal(wire_client_receive(client, &message, NULL), 0);
        note_numbers(&message);
    } while (message.seq != seq);
}

/* Take whatever has come, so that the server is not held up by us. */
static void drain(struct wire_client *client)
{
    static struct wire_message message;

    while (wire_client_poll(client, &message, NULL) == 0)
        note_numbers(&message);
}

/* Start a swap server, and connect as an observer. */
static void swap_start(struct server_process *swap, struct wire_client *reader)
{
    static const char *const options[] = {"--slots", "100", "--device", "mem:", NULL};

    assert_int_equal(server_process_start(swap, TEST_BINDIR "/selfpage-swap", options), 0);
    assert_int_equal(wire_client_open(reader, swap->socket, WIRE_ROLE_OBSERVER, 0, 0, "r", NULL),
                     0);
}

/* Slots that the swap server's clients have reserved now. */
static uint32_t slots_reserved(struct wire_client *reader)
{
    static struct wire_message message;

    message = (struct wire_message){.type = WIRE_STATUS, .seq = 1};
    assert_int_equal(wire_client_send(reader, &message, -1), 0);
    assert_int_equal(wire_client_receive(reader, &message, NULL), 0);
    assert_int_equal(message.type, WIRE_SWAP_STATUS);
    return message.swap_status.reserved;
}

static void test_random_messages(void **state)
{
    unsigned rounds = RUNNING_ON_VALGRIND ? 600 : 20000;
    static struct physmem_peer peer[PEERS];
    static struct wire_message message;
    struct random_source random = random_seeded(11);
    struct server_process server, swap;
    struct wire_client observer, reader;

    (void)state;
    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(server_process_init(&swap), 0);
    swap_start(&swap, &reader);
    assert_int_equal(
        physmem_start(&server, "200",
                      (const char *[]){"--max-term", "200us", "--swap", swap.socket, NULL}),
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
        if (message.type == WIRE_SWAP_OUT)
            message.seq = 0x40000000 + round; /* no other has it */
        assert_int_equal(wire_client_send(&peer[i].request, &message, -1), 0);
        if (message.type == WIRE_SWAP_OUT && random_below(&random, 2) == 0)
            await(&peer[i].request, message.seq);
        drain(&peer[i].request);
        drain(&peer[i].control);
        if (round % 256 == 0)
            assert_true(physmem_books_agree(&observer));
        if (round % 1024 == 1023) { /* the swap server ends, with all that it has */
            wire_client_close(&reader);
            server_process_kill(&swap);
            swap_start(&swap, &reader);
        }
    }
    for (unsigned i = 0; i < PEERS; i++)
        physmem_peer_close(&peer[i]);
    assert_int_equal(physmem_await_tasks(&observer, 0), 0);
    assert_true(physmem_books_agree(&observer));
    while (slots_reserved(&reader) > 0) /* until physmem has given all back */
        continue;
    assert_int_equal(physmem_status(&observer, &message, NULL, NULL), 0);
    assert_int_equal(message.physmem_status.swap_pages, 0);
    print_message("%llu swapped, %llu loaded, %llu recovered\n",
                  (unsigned long long)message.physmem_status.swapped,
                  (unsigned long long)message.physmem_status.swap_loaded,
                  (unsigned long long)message.physmem_status.swap_recovered);
    wire_client_close(&reader);
    assert_int_equal(server_process_stop(&swap), 0);
    server_process_fini(&swap);
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
