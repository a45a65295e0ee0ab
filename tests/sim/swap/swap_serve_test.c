/* The swap server with well-behaved and less well-behaved peers, buffered and direct. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "client/hello.h"
#include "os/extent.h"
#include "scale.h"
#include "swap_peer.h"

/* The two ways in which the server works; swap_threaded() is the other one for sure. */
static const char *const buffered[] = {"--buffered", NULL};
static const char *const automatic[] = {NULL};

static void test_hello(void **state)
{
    struct server_process *server = *state;
    struct wire_message welcome;
    struct wire_client first, second, other;

    swap_start(server, "64", buffered);
    assert_int_equal(
        wire_client_open(&first, server->socket, WIRE_ROLE_TASK, 0, 0, "one", &welcome), 0);
    assert_int_equal(welcome.welcome.page_size, 4096);
    assert_int_equal(welcome.welcome.total, 64);
    assert_int_equal(welcome.welcome.available, 64);
    assert_true(first.key != 0 && first.id != 0);
    assert_int_equal(wire_client_open(&other, server->socket, WIRE_ROLE_TASK, 0, 0, "two", NULL),
                     0);
    assert_true(other.key != first.key && other.id != first.id);
    /* The same client again, by key, with and without its id. */
    for (uint32_t with_id = 0; with_id < 2; with_id++) {
        assert_int_equal(wire_client_open(&second, server->socket, WIRE_ROLE_TASK,
                                          with_id ? first.id : 0, first.key, "one", NULL),
                         0);
        assert_int_equal(second.id, first.id);
        wire_client_close(&second);
    }
    assert_int_equal(
        wire_client_open(&second, server->socket, WIRE_ROLE_TASK, other.id, first.key, "one", NULL),
        -ENOENT);
    assert_int_equal(
        wire_client_open(&second, server->socket, WIRE_ROLE_TASK, 0, 12345, "one", NULL), -ENOENT);
    assert_int_equal(wire_client_open(&second, server->socket, WIRE_ROLE_CONTROL, first.id,
                                      first.key, "one", NULL),
                     -EINVAL);
    assert_int_equal(swap_status(server).swap_status.clients, 2);
    wire_client_close(&first);
    wire_client_close(&other);
    swap_stop(server);
    swap_expect_log(server, "HELLO refused: no client has this id and key", true);
}

/* Each of these ends the connection that says it, and no other. */
static void test_violations(void **state)
{
    static const uint8_t before_hello[] = {WIRE_STORE, WIRE_STATUS, WIRE_RESERVE, WIRE_WELCOME};
    static const uint8_t from_task[] = {WIRE_HELLO, WIRE_WELCOME, WIRE_ALLOCATE, WIRE_STORED,
                                        WIRE_STORE /* without seq */};
    static const uint8_t from_observer[] = {WIRE_HELLO, WIRE_STORE, WIRE_RESERVE, WIRE_FREE};
    struct server_process *server = *state;
    struct wire_message message;
    struct wire_client wire;
    struct swap_peer witness;
    uint32_t expected = 0;

    swap_start(server, "64", buffered);
    peer_open(&witness, server, 0, 8, 4);
    for (unsigned i = 0; i < sizeof(before_hello); i++, expected++) {
        assert_int_equal(wire_client_connect(&wire, server->socket), 0);
        message = (struct wire_message){.type = before_hello[i], .seq = 1};
        assert_int_equal(wire_client_send(&wire, &message, -1), 0);
        assert_int_equal(wire_client_expect_end(&wire), 0);
        wire_client_close(&wire);
    }
    for (unsigned i = 0; i < sizeof(from_task); i++, expected++) {
        assert_int_equal(wire_client_open(&wire, server->socket, WIRE_ROLE_TASK, 0, 0, "x", NULL),
                         0);
        message = (struct wire_message){.type = from_task[i]};
        assert_int_equal(wire_client_send(&wire, &message, -1), 0);
        assert_int_equal(wire_client_expect_end(&wire), 0);
        wire_client_close(&wire);
    }
    for (unsigned i = 0; i < sizeof(from_observer); i++, expected++) {
        assert_int_equal(
            wire_client_open(&wire, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "x", NULL), 0);
        message = (struct wire_message){.type = from_observer[i], .seq = 1};
        assert_int_equal(wire_client_send(&wire, &message, -1), 0);
        assert_int_equal(wire_client_expect_end(&wire), 0);
        wire_client_close(&wire);
    }
    assert_int_equal(swap_status(server).swap_status.violations, expected);
    assert_int_equal(swap_status(server).swap_status.clients, 1);
    assert_int_equal(peer_reserve(&witness, 1, 0, NULL), 0);
    peer_close(&witness);
    swap_stop(server);
    swap_expect_log(server, "unexpected ALLOCATE from a client", true);
}

static void test_another_version(void **state)
{
    struct server_process *server = *state;
    const struct hello who = {.role = WIRE_ROLE_TASK, .name = "future"};
    struct wire_message hello, reply;
    struct wire_client wire;

    swap_start(server, "8", buffered);
    assert_int_equal(wire_client_connect(&wire, server->socket), 0);
    hello_fill(&hello, &who);
    hello.hello.version++;
    assert_int_equal(wire_client_call(&wire, &hello, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    assert_int_equal(reply.error, EPROTO);
    assert_int_equal(wire_client_expect_end(&wire), 0);
    wire_client_close(&wire);
    swap_stop(server);
}

static void test_reservations(void **state)
{
    const char *const quota[] = {"--buffered", "--quota", "40", NULL};
    struct server_process *server = *state;
    struct swap_peer one, two;
    uint32_t pages[8] = {0, 1, 2, 3, 4, 5, 6, 7}, slots[8], available = 0;

    swap_start(server, "64", quota);
    peer_open(&one, server, 0, 0, 8);
    peer_open(&two, server, 0, 0, 8);
    assert_int_equal(peer_store(&one, pages, 1, slots, NULL), ENOSPC);
    assert_int_equal(peer_reserve(&one, 41, 0, NULL), EDQUOT);
    assert_int_equal(peer_reserve(&one, 40, 0, &available), 0);
    assert_int_equal(available, 24);
    assert_int_equal(peer_reserve(&two, 25, 0, NULL), ENOSPC);
    assert_int_equal(peer_reserve(&two, 4, 0, &available), 0);
    assert_int_equal(available, 20);
    assert_int_equal(peer_reserve(&two, 0, 5, NULL), EINVAL);
    /* All or nothing beyond the reservation. */
    assert_int_equal(peer_store(&two, pages, 5, slots, NULL), ENOSPC);
    assert_int_equal(peer_store(&two, pages, 3, slots, NULL), 0);
    assert_int_equal(peer_reserve(&two, 0, 2, NULL), EBUSY);
    assert_int_equal(peer_reserve(&two, 0, 1, &available), 0);
    assert_int_equal(swap_status(server).swap_status.used, 3);
    assert_int_equal(swap_status(server).swap_status.reserved, 43);
    /* A client that ends gives everything back. */
    peer_close(&one);
    while (swap_status(server).swap_status.clients > 1)
        continue;
    assert_int_equal(peer_reserve(&two, 30, 0, &available), 0);
    assert_int_equal(available, 31);
    peer_close(&two);
    swap_stop(server);
}

static void test_full_device(void **state)
{
    struct server_process *server = *state;
    struct wire_message request, reply;
    struct swap_peer peer;
    uint32_t pages[8] = {0, 1, 2, 3, 4, 5, 6, 7}, slots[8];

    swap_start(server, "8", automatic);
    peer_open(&peer, server, 0, 8, 8);
    for (uint32_t i = 0; i < 8; i++)
        peer_fill(&peer, i, 100 + i);
    assert_int_equal(peer_store(&peer, pages, 8, slots, NULL), 0);
    store_message(&request, 1, pages, 1);
    assert_int_equal(wire_client_call(&peer.wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    assert_int_equal(reply.error, ENOSPC);
    assert_string_equal(reply.done.text,
                        "no room for 1 pages: 8 of 8 reserved slots are used, 0 of "
                        "the device's 8 are unreserved");
    /* Nothing is lost of what was acknowledged. */
    for (uint32_t i = 0; i < 8; i++)
        peer_fill(&peer, i, 0);
    assert_int_equal(peer_load(&peer, slots, pages, 8, NULL), 0);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(peer_tag(&peer, i), 100 + i);
    assert_int_equal(peer_free(&peer, slots + 3, 1), 0);
    assert_int_equal(peer_store(&peer, pages, 1, slots, NULL), 0);
    peer_close(&peer);
    swap_stop(server);
}

static void test_bad_slots(void **state)
{
    struct server_process *server = *state;
    struct swap_peer one, two;
    uint32_t pages[4] = {0, 1, 2, 3}, slots[4], mixed[4], errors[4];

    swap_start(server, "16", automatic);
    peer_open(&one, server, 0, 4, 4);
    peer_open(&two, server, 0, 4, 4);
    for (uint32_t i = 0; i < 4; i++)
        peer_fill(&one, i, 10 + i);
    assert_int_equal(peer_store(&one, pages, 2, slots, NULL), 0);
    mixed[0] = slots[0];
    mixed[1] = 9999;
    mixed[2] = slots[1];
    mixed[3] = UINT32_MAX;
    /* The good ones are served, whatever stands beside them. */
    assert_int_equal(peer_load(&one, mixed, (uint32_t[]){2, 3, 3, 0}, 4, errors), 0);
    assert_int_equal(errors[0], 0);
    assert_int_equal(errors[1], ENOENT);
    assert_int_equal(errors[2], 0);
    assert_int_equal(errors[3], ENOENT);
    assert_int_equal(peer_tag(&one, 2), 10);
    assert_int_equal(peer_tag(&one, 3), 11);
    /* Another client's slots are nobody else's business. */
    peer_fill(&two, 0, 77);
    assert_int_equal(peer_load(&two, slots, pages, 2, errors), 0);
    assert_int_equal(errors[0], ENOENT);
    assert_int_equal(errors[1], ENOENT);
    assert_int_equal(peer_tag(&two, 0), 77);
    assert_int_equal(peer_free(&two, slots, 2), ENOENT);
    assert_int_equal(peer_free(&one, mixed, 4), ENOENT);
    assert_int_equal(swap_status(server).swap_status.used, 0);
    assert_int_equal(swap_status(server).swap_status.frees, 2);
    assert_int_equal(peer_free(&one, slots, 1), ENOENT);
    peer_close(&one);
    peer_close(&two);
    swap_stop(server);
}

static void test_bad_extents(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t slots[4], errors[4];
    int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ftruncate(unsealed, 4 * 4096), 0);
    swap_start(server, "16", automatic);
    peer_open(&peer, server, 0, 8, 4);
    assert_int_equal(peer_give_extent(&peer, 2, unsealed, 4), EINVAL);
    assert_int_equal(peer_give_extent(&peer, 2, ends[0], 4), EINVAL);
    assert_int_equal(peer_give_extent(&peer, 2, peer.extent, 3), EINVAL);
    assert_int_equal(peer_give_extent(&peer, 2, peer.extent, 0), EINVAL);
    assert_int_equal(peer_give_extent(&peer, 1, peer.extent, 4), EEXIST);
    assert_int_equal(peer_forget_extent(&peer, 2), ENOENT);
    /* Places outside what was given. */
    peer_fill(&peer, 0, 5);
    assert_int_equal(peer_store(&peer, (uint32_t[]){0, 4, UINT32_MAX, 1}, 4, slots, errors), 0);
    assert_int_equal(errors[0], 0);
    assert_int_equal(errors[1], EINVAL);
    assert_int_equal(errors[2], EINVAL);
    assert_int_equal(errors[3], 0);
    assert_int_equal(slots[1], UINT32_MAX);
    assert_int_equal(swap_status(server).swap_status.used, 2);
    slots[1] = slots[0];
    assert_int_equal(peer_load(&peer, slots, (uint32_t[]){3, 4}, 2, errors), 0);
    assert_int_equal(errors[0], 0);
    assert_int_equal(errors[1], EINVAL);
    assert_int_equal(peer_tag(&peer, 3), 5);
    /* Forgotten. */
    assert_int_equal(peer_forget_extent(&peer, 1), 0);
    assert_int_equal(peer_store(&peer, (uint32_t[]){0}, 1, slots, errors), 0);
    assert_int_equal(errors[0], EINVAL);
    /* It may have been cut on its way here: what it still has is used. */
    assert_int_equal(peer_give_extent(&peer, 1, peer.extent, 5), 0);
    assert_int_equal(peer_store(&peer, (uint32_t[]){3, 4}, 2, slots, errors), 0);
    assert_int_equal(errors[0], 0);
    assert_int_equal(errors[1], EFAULT);
    assert_int_equal(peer_forget_extent(&peer, 1), 0);
    assert_int_equal(peer_give_extent(&peer, 1, peer.extent, 4), 0);
    assert_int_equal(peer_store(&peer, (uint32_t[]){0}, 1, slots, NULL), 0);
    peer_close(&peer);
    close(unsealed);
    close(ends[0]);
    close(ends[1]);
    swap_stop(server);
}

/* Physmem revokes by cutting extents while swap may be working on them. */
static void test_truncated_extent(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer, other;
    uint32_t pages[4] = {0, 1, 2, 3}, slots[4], errors[4];

    swap_start(server, "16", automatic);
    peer_open(&peer, server, 0, 8, 4);
    peer_open(&other, server, 0, 8, 4);
    assert_int_equal(peer_store(&peer, pages, 4, slots, NULL), 0);
    assert_int_equal(ftruncate(peer.extent, 2 * PEER_PAGE + 100), 0);
    assert_int_equal(peer_store(&peer, pages, 4, slots, errors), 0);
    assert_int_equal(errors[1], 0);
    assert_int_equal(errors[2], EFAULT);
    assert_int_equal(errors[3], EFAULT);
    assert_int_equal(extent_truncate(peer.extent), 0);
    assert_int_equal(peer_store(&peer, pages, 2, slots + 2, errors), 0);
    assert_int_equal(errors[0], EFAULT);
    assert_int_equal(peer_load(&peer, slots, pages, 2, errors), 0);
    assert_int_equal(errors[0], EFAULT);
    assert_int_equal(errors[1], EFAULT);
    /* Cut before it was given. */
    assert_int_equal(peer_give_extent(&peer, 2, peer.extent, 4), 0);
    assert_int_equal(peer_forget_extent(&peer, 2), 0);
    assert_int_equal(peer_give_extent(&peer, 2, peer.extent, 65536), 0);
    assert_int_equal(peer_forget_extent(&peer, 2), 0);
    assert_int_equal(peer_give_extent(&peer, 2, peer.extent, 65537), E2BIG);
    assert_int_equal(swap_status(server).swap_status.used, 6);
    assert_int_equal(swap_status(server).swap_status.failed, 0);
    assert_int_equal(peer_store(&other, pages, 4, slots, NULL), 0);
    peer_close(&peer);
    peer_close(&other);
    swap_stop(server);
}

static void test_many_extents(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t most = scale_is_slow() ? 200 : 4095;

    swap_start(server, "16", buffered);
    peer_open(&peer, server, 0, 8, 1);
    for (uint32_t i = 0; i < most; i++)
        assert_int_equal(peer_give_extent(&peer, 2 + i * 7919u, peer.extent, 1), 0);
    if (most == 4095)
        assert_int_equal(peer_give_extent(&peer, 0, peer.extent, 1), EMFILE);
    for (uint32_t i = 0; i < most; i++)
        assert_int_equal(peer_forget_extent(&peer, 2 + i * 7919u), 0);
    assert_int_equal(peer_give_extent(&peer, 0, peer.extent, 1), 0);
    peer_close(&peer);
    swap_stop(server);
}

/* A page goes out, and another comes in to its place, in one write to the server: the way of a task
 * that evicts to make room. Each reply comes, and each page is right. */
static void pipelined_run(struct server_process *server, const char *const mode[])
{
    struct wire_message message, reply;
    struct swap_peer peer;
    uint32_t page = 0, slot, next;
    uint8_t bytes[4096];
    size_t used;

    swap_start(server, "64", mode);
    peer_open(&peer, server, 0, 64, 1);
    peer_fill(&peer, 0, 1000);
    assert_int_equal(peer_store(&peer, &page, 1, &slot, NULL), 0);
    for (uint64_t round = 1; round < 60; round++) {
        peer_fill(&peer, 0, 1000 + round);
        store_message(&message, 1, &page, 1);
        message.seq = 1;
        used = wire_encode(&message, bytes, sizeof(bytes));
        load_message(&message, 1, &slot, &page, 1);
        message.seq = 2;
        used += wire_encode(&message, bytes + used, sizeof(bytes) - used);
        free_message(&message, &slot, 1);
        message.seq = 0;
        used += wire_encode(&message, bytes + used, sizeof(bytes) - used);
        assert_int_equal(wire_client_send_bytes(&peer.wire, bytes, used, -1), 0);
        next = UINT32_MAX;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(wire_client_receive(&peer.wire, &reply, NULL), 0);
            assert_int_equal(reply.error, 0);
            if (reply.type == WIRE_STORED) {
                assert_int_equal(reply.stored.slots[0].error, 0);
                next = reply.stored.slots[0].slot;
            } else {
                assert_int_equal(reply.type, WIRE_LOADED);
                assert_int_equal(reply.loaded.errors[0].value, 0);
            }
        }
        assert_true(next != UINT32_MAX);
        assert_int_equal(peer_tag(&peer, 0), 1000 + round - 1);
        slot = next;
    }
    while (swap_status(server).swap_status.used > 1)
        continue;
    peer_close(&peer);
    swap_stop(server);
}

static void test_pipelined_buffered(void **state)
{
    pipelined_run(*state, buffered);
}

static void test_pipelined_threaded(void **state)
{
    pipelined_run(*state, swap_threaded());
}

static void test_pipelined_automatic(void **state)
{
    pipelined_run(*state, automatic);
}

/* Slots that are freed while they are being read are needed at once: the stores wait for them. */
static void test_leaving_slots_are_waited_for(void **state)
{
    struct server_process *server = *state;
    struct wire_message message, reply;
    struct swap_peer peer;
    uint32_t pages[16], slots[16];
    unsigned stored = 0, rounds = scale_is_slow() ? 5 : 40;

    swap_start(server, "16", swap_threaded());
    peer_open(&peer, server, 0, 16, 16);
    for (uint32_t i = 0; i < 16; i++)
        pages[i] = i;
    assert_int_equal(peer_store(&peer, pages, 16, slots, NULL), 0);
    for (unsigned round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < 16; i += 4) {
            load_message(&message, 1, slots + i, pages + i, 4);
            message.seq = 1;
            assert_int_equal(wire_client_send(&peer.wire, &message, -1), 0);
        }
        free_message(&message, slots, 16);
        message.seq = 2;
        assert_int_equal(wire_client_send(&peer.wire, &message, -1), 0);
        store_message(&message, 1, pages, 16);
        message.seq = 3;
        assert_int_equal(wire_client_send(&peer.wire, &message, -1), 0);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(wire_client_receive(&peer.wire, &reply, NULL), 0);
            assert_int_equal(reply.error, 0);
            if (reply.type != WIRE_STORED)
                continue;
            for (uint32_t k = 0; k < 16; k++) {
                assert_int_equal(reply.stored.slots[k].error, 0);
                slots[k] = reply.stored.slots[k].slot;
            }
            stored++;
        }
    }
    assert_int_equal(stored, rounds);
    assert_int_equal(swap_status(server).swap_status.used, 16);
    peer_close(&peer);
    swap_stop(server);
}

/* A peer that asks and never listens is dropped; one that goes away in the middle leaves nothing.
 */
static void test_vanishing_peer(void **state)
{
    struct server_process *server = *state;
    struct wire_message message;
    struct swap_peer peer, witness;
    uint32_t page = 0;

    swap_start(server, "512", swap_threaded());
    peer_open(&witness, server, 0, 100, 1);
    peer_open(&peer, server, 0, 400, 1);
    store_message(&message, 1, &page, 1);
    for (uint32_t i = 1; i <= 200; i++) {
        message.seq = i;
        assert_int_equal(wire_client_send(&peer.wire, &message, -1), 0);
    }
    peer_close(&peer);
    while (swap_status(server).swap_status.clients > 1)
        continue;
    assert_int_equal(peer_reserve(&witness, 412, 0, NULL), 0);
    peer_close(&witness);
    swap_stop(server);
}

static void test_too_many_requests(void **state)
{
    static uint8_t bytes[2000 * 64];
    struct server_process *server = *state;
    struct wire_message message;
    struct swap_peer peer;
    uint32_t page = 0;
    size_t used = 0;

    swap_start(server, "64", swap_threaded());
    peer_open(&peer, server, 0, 64, 1);
    store_message(&message, 1, &page, 1);
    for (uint32_t i = 1; i <= 2000; i++) {
        message.seq = i;
        used += wire_encode(&message, bytes + used, 64);
    }
    /* It may close before all is sent. */
    (void)wire_client_send_bytes(&peer.wire, bytes, used, -1);
    assert_int_equal(wire_client_expect_end(&peer.wire), 0);
    swap_expect_log(server, "more than 256 requests are unanswered", true);
    peer_close(&peer);
    swap_stop(server);
}

#define STORM_PEERS 2u
#define STORM_PAGES 96u
#define STORM_SLOTS 300u

/* What a peer of the storm believes. */
struct storm_peer {
    struct swap_peer peer;
    uint64_t page_tag[STORM_PAGES];
    uint32_t slot[STORM_SLOTS]; /* that it has stored, with their tags */
    uint64_t slot_tag[STORM_SLOTS];
    uint32_t stored;
};

static void storm_store(struct storm_peer *p, struct random_source *random)
{
    uint32_t count = 1 + random_below(random, random_below(random, 4) == 0 ? 64 : 6);
    uint32_t pages[64], slots[64], page = random_below(random, STORM_PAGES);
    uint32_t run = random_below(random, 2);

    for (uint32_t i = 0; i < count; i++) {
        pages[i] = run ? (page + i) % STORM_PAGES : random_below(random, STORM_PAGES);
        p->page_tag[pages[i]] = random_bits(random) | 1;
        peer_fill(&p->peer, pages[i], p->page_tag[pages[i]]);
    }
    if (p->stored + count > STORM_SLOTS) {
        assert_int_equal(peer_store(&p->peer, pages, count, slots, NULL), ENOSPC);
        return;
    }
    assert_int_equal(peer_store(&p->peer, pages, count, slots, NULL), 0);
    for (uint32_t i = 0; i < count; i++) {
        p->slot[p->stored] = slots[i];
        p->slot_tag[p->stored++] = p->page_tag[pages[i]];
    }
}

static void storm_load(struct storm_peer *p, struct random_source *random)
{
    uint32_t count = 1 + random_below(random, random_below(random, 4) == 0 ? 64 : 6);
    uint32_t pages[64], slots[64], first;
    uint32_t run = random_below(random, 2);

    if (p->stored == 0)
        return;
    first = random_below(random, p->stored);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = run ? (first + i) % p->stored : random_below(random, p->stored);

        slots[i] = p->slot[index];
        pages[i] = (first + i) % STORM_PAGES;
        p->page_tag[pages[i]] = p->slot_tag[index];
    }
    assert_int_equal(peer_load(&p->peer, slots, pages, count, NULL), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_true(peer_tag(&p->peer, pages[i]) == p->page_tag[pages[i]]);
}

static void storm_free(struct storm_peer *p, struct random_source *random)
{
    uint32_t count = 1 + random_below(random, 32);
    uint32_t slots[32];

    if (count > p->stored)
        count = p->stored;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = random_below(random, p->stored);

        slots[i] = p->slot[index];
        p->stored--;
        p->slot[index] = p->slot[p->stored];
        p->slot_tag[index] = p->slot_tag[p->stored];
    }
    assert_int_equal(peer_free(&p->peer, slots, count), 0);
}

/* Random batches of random pages, each compared byte by byte, and no two peers get in each other's
 * way. */
static void storm_run(struct server_process *server, const char *const mode[], uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    struct storm_peer *peers = calloc(STORM_PEERS, sizeof(*peers));
    unsigned steps = scale_is_slow() ? 150 : 1500;

    assert_non_null(peers);
    print_message("seed %d\n", (int)seed);
    swap_start(server, "600", mode);
    for (uint32_t i = 0; i < STORM_PEERS; i++)
        peer_open(&peers[i].peer, server, 0, STORM_SLOTS, STORM_PAGES);
    for (unsigned step = 0; step < steps; step++) {
        struct storm_peer *p = &peers[random_below(&random, STORM_PEERS)];
        uint32_t dice = random_below(&random, 10);

        if (dice < 4)
            storm_store(p, &random);
        else if (dice < 7)
            storm_load(p, &random);
        else
            storm_free(p, &random);
    }
    assert_int_equal(swap_status(server).swap_status.used, peers[0].stored + peers[1].stored);
    assert_int_equal(swap_status(server).swap_status.corrupt, 0);
    for (uint32_t i = 0; i < STORM_PEERS; i++)
        peer_close(&peers[i].peer);
    free(peers);
    swap_stop(server);
}

static void test_storm_buffered(void **state)
{
    storm_run(*state, buffered, 1);
}

static void test_storm_automatic(void **state)
{
    storm_run(*state, automatic, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_violations, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_another_version, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_reservations, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_full_device, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_bad_slots, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_bad_extents, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_truncated_extent, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_many_extents, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_pipelined_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_pipelined_threaded, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_pipelined_automatic, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_leaving_slots_are_waited_for, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(test_vanishing_peer, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_too_many_requests, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_storm_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_storm_automatic, swap_setup, swap_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
