/* A device that is kept: restarts, kill -9 in the middle of stores, and files that do not fit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "scale.h"
#include "swap_peer.h"

#define PROGRAM TEST_BINDIR "/selfpage-swap"

static const char *const keep_buffered[] = {"--keep", "--buffered", NULL};
static const char *const keep_automatic[] = {"--keep", NULL};
static const char *const keep_synced[] = {"--keep", "--sync", NULL};

static void restart_run(struct server_process *server, const char *const mode[])
{
    uint32_t pages[8] = {0, 1, 2, 3, 4, 5, 6, 7}, slots[8], fresh[2], available;
    struct swap_peer peer, other;
    uint32_t id;
    uint64_t key;

    swap_start(server, "200", mode);
    peer_open(&other, server, 0, 50, 1);
    peer_open(&peer, server, 0, 100, 8);
    for (uint32_t i = 0; i < 8; i++)
        peer_fill(&peer, i, 70 + i);
    assert_int_equal(peer_store(&peer, pages, 8, slots, NULL), 0);
    assert_int_equal(peer_free(&peer, slots + 6, 2), 0);
    key = peer.wire.key;
    id = peer.wire.id;
    server_process_kill(server);
    peer_close(&peer);

    swap_start(server, "200", mode);
    assert_int_equal(swap_status(server).swap_status.used, 6);
    assert_int_equal(swap_status(server).swap_status.reserved, 150);
    peer_open(&peer, server, key, 0, 8);
    assert_int_equal(peer.wire.id, id);
    /* Slots and reservation are back, what was freed is free, extents have to be given again. */
    assert_int_equal(peer_load(&peer, slots, pages, 6, NULL), 0);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(peer_tag(&peer, i), 70 + i);
    assert_int_equal(peer_load(&peer, slots + 6, pages, 2, fresh), 0);
    assert_int_equal(fresh[0], ENOENT);
    assert_int_equal(fresh[1], ENOENT);
    assert_int_equal(peer_reserve(&peer, 0, 94, &available), 0);
    assert_int_equal(available, 144);
    assert_int_equal(peer_reserve(&peer, 0, 1, NULL), EBUSY);
    /* New clients do not get the old ones' numbers or keys. */
    peer_close(&other);
    peer_open(&other, server, 0, 4, 2);
    assert_true(other.wire.id > id && other.wire.key != key);
    assert_int_equal(peer_store(&other, pages, 2, fresh, NULL), 0);
    for (uint32_t i = 0; i < 6; i++)
        assert_true(slots[i] != fresh[0] && slots[i] != fresh[1]);
    /* Connections come and go, and a clean end is no other than a bad one. */
    peer_close(&peer);
    peer_close(&other);
    swap_stop(server);
    swap_start(server, "200", mode);
    peer_open(&peer, server, key, 0, 8);
    assert_int_equal(peer_load(&peer, slots, pages, 6, NULL), 0);
    assert_int_equal(peer_tag(&peer, 5), 75);
    /* Without slots and connections a client is gone. */
    assert_int_equal(peer_free(&peer, slots, 6), 0);
    wire_client_close(&peer.wire);
    while (swap_status(server).swap_status.used > 2)
        continue;
    swap_stop(server);
    swap_start(server, "200", mode);
    assert_int_equal(
        wire_client_open(&peer.wire, server->socket, WIRE_ROLE_TASK, 0, key, "x", NULL), -ENOENT);
    close(peer.extent);
    swap_stop(server);
}

static void test_restart_buffered(void **state)
{
    restart_run(*state, keep_buffered);
}

static void test_restart_automatic(void **state)
{
    restart_run(*state, keep_automatic);
}

static void test_restart_synced(void **state)
{
    restart_run(*state, keep_synced);
}

#define CRASH_SLOTS 1024u
#define CRASH_PAGES 64u

/* What was acknowledged before the server was killed. */
struct crash {
    struct random_source random;
    uint64_t tag[CRASH_SLOTS]; /* of the slot's page; 0: not stored */
    uint64_t page_tag[CRASH_PAGES];
    uint64_t pending[8][16]; /* tags of STOREs under way, by seq % 8 */
    uint32_t freeing[8][16]; /* slots of FREEs under way: neither stored nor free for sure */
    uint32_t freeing_count[8];
    bool unsure[CRASH_SLOTS];
};

/* Send a STORE or a FREE as number `seq`. */
static void crash_send(struct crash *c, struct swap_peer *peer, uint32_t seq)
{
    struct wire_message message;
    uint32_t numbers[16], count = 1 + random_below(&c->random, 16), found = 0;

    if (random_below(&c->random, 3) == 0) {
        for (uint32_t slot = random_below(&c->random, CRASH_SLOTS), i = 0;
             i < CRASH_SLOTS && found < count; i++, slot = (slot + 1) % CRASH_SLOTS)
            if (c->tag[slot] != 0 && !c->unsure[slot]) {
                numbers[found++] = slot;
                c->unsure[slot] = true;
            }
        free_message(&message, numbers, found);
        memcpy(c->freeing[seq % 8], numbers, found * sizeof(numbers[0]));
        c->freeing_count[seq % 8] = found;
    } else {
        uint32_t first = (seq % 4) * 16;

        /* Only pages that no STORE under way still reads: there are four under way at most. */
        for (uint32_t i = 0; i < count; i++) {
            numbers[i] = first + i;
            c->pending[seq % 8][i] = random_bits(&c->random) | 1;
            peer_fill(peer, first + i, c->pending[seq % 8][i]);
        }
        store_message(&message, 1, numbers, count);
    }
    message.seq = seq;
    assert_int_equal(wire_client_send(&peer->wire, &message, -1), 0);
}

/* An acknowledgement. */
static void crash_note(struct crash *c, const struct wire_message *reply)
{
    if (reply->type == WIRE_STORED) {
        for (uint32_t i = 0; i < reply->stored.slots_count; i++) {
            uint32_t slot = reply->stored.slots[i].slot;

            assert_int_equal(reply->stored.slots[i].error, 0);
            assert_true(slot < CRASH_SLOTS);
            c->tag[slot] = c->pending[reply->seq % 8][i];
            c->unsure[slot] = false;
        }
    } else if (reply->error == 0) {
        for (uint32_t i = 0; i < c->freeing_count[reply->seq % 8]; i++) {
            uint32_t slot = c->freeing[reply->seq % 8][i];

            c->tag[slot] = 0;
            c->unsure[slot] = false;
        }
    } else {
        assert_int_equal(reply->error, ENOSPC);
    }
}

/* Everything that was acknowledged must be there, byte for byte. Returns how many slots are there
 * that nobody was told of; they are freed. */
static uint32_t crash_verify(struct crash *c, struct swap_peer *peer)
{
    uint32_t surplus = 0;

    for (uint32_t slot = 0; slot < CRASH_SLOTS; slot++) {
        uint32_t page = 0, error;

        assert_int_equal(peer_load(peer, &slot, &page, 1, &error), 0);
        if (c->tag[slot] != 0 && !c->unsure[slot]) {
            assert_int_equal(error, 0);
            assert_true(peer_tag(peer, 0) == c->tag[slot]);
            continue;
        }
        assert_true(error == 0 || error == ENOENT);
        c->tag[slot] = 0;
        c->unsure[slot] = false;
        surplus += error == 0;
        if (error == 0)
            assert_int_equal(peer_free(peer, &slot, 1), 0);
    }
    return surplus;
}

static void crash_run(struct server_process *server, const char *front, const char *const mode[],
                      uint64_t seed)
{
    struct crash *c = calloc(1, sizeof(*c));
    unsigned rounds = scale_is_slow() ? 2 : 12;
    uint64_t key = 0;

    assert_non_null(c);
    print_message("seed %d\n", (int)seed);
    c->random = random_seeded(seed);
    for (unsigned round = 0; round < rounds; round++) {
        uint32_t steps = 20 + random_below(&c->random, scale_is_slow() ? 50 : 300);
        uint32_t seq = 1000, replies = 1000;
        struct swap_peer peer;
        struct wire_message reply;

        swap_start_behind(server, "1024", front, mode);
        peer_open(&peer, server, key, round == 0 ? CRASH_SLOTS : 0, CRASH_PAGES);
        key = peer.wire.key;
        assert_true(crash_verify(c, &peer) <= 4 * 16);
        while (seq < 1000 + steps) {
            if (seq - replies < 4) {
                crash_send(c, &peer, ++seq);
            } else {
                assert_int_equal(wire_client_receive(&peer.wire, &reply, NULL), 0);
                crash_note(c, &reply);
                /* Replies may overtake each other; pages are reused by fours all the same. */
                replies++;
                while (seq > replies) {
                    assert_int_equal(wire_client_receive(&peer.wire, &reply, NULL), 0);
                    crash_note(c, &reply);
                    replies++;
                }
            }
        }
        /* Three or four requests are under way, wherever they are. */
        kill(server->pid, SIGKILL);
        while (wire_client_receive(&peer.wire, &reply, NULL) == 0)
            crash_note(c, &reply);
        server_process_kill(server);
        peer_close(&peer);
    }
    free(c);
}

static void test_crash_buffered(void **state)
{
    crash_run(*state, "", keep_buffered, 11);
}

static void test_crash_automatic(void **state)
{
    crash_run(*state, "", keep_automatic, 12);
}

static void test_crash_compressed(void **state)
{
    swap_needs_no_choice();
    crash_run(*state, "zstd:", keep_buffered, 13);
}

static void test_crash_compressed_direct(void **state)
{
    swap_needs_no_choice();
    crash_run(*state, "lz4:", keep_automatic, 14);
}

static void test_two_servers_on_one_file(void **state)
{
    struct server_process *server = *state;
    struct server_process second;
    char device[SWAP_DEVICE];
    const char *const args[] = {"--slots",  "16",   "--socket", second.socket,
                                "--device", device, "--keep",   NULL};

    swap_needs_file_below(); /* nobody sees another server at a place that is shared */
    swap_device(server, device);
    assert_int_equal(server_process_init(&second), 0);
    swap_start(server, "16", keep_buffered);
    assert_int_equal(server_process_spawn(&second, PROGRAM, args), 0);
    assert_int_equal(server_process_wait(&second), 2);
    swap_expect_log(&second, "another server is using", true);
    swap_stop(server);
    server_process_fini(&second);
}

static void refused(struct server_process *server, const char *slots, const char *text)
{
    char device[SERVER_PATH];
    const char *const args[] = {"--slots",  slots,
                                "--socket", server->socket,
                                "--file",   server_process_path(server, "device", device),
                                "--keep",   NULL};

    assert_int_equal(server_process_spawn(server, PROGRAM, args), 0);
    assert_int_equal(server_process_wait(server), 2);
    swap_expect_log(server, text, true);
}

static void byte_change(const struct server_process *server, off_t offset)
{
    char device[SERVER_PATH], byte;
    int fd = open(server_process_path(server, "device", device), O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte = (char)(byte ^ 0x40);
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void test_files_that_do_not_fit(void **state)
{
    struct server_process *server = *state;

    swap_needs_file();
    swap_start(server, "16", keep_buffered);
    swap_stop(server);
    refused(server, "17", "has 16 slots: start with --slots 16");
    byte_change(server, 16);
    refused(server, "16", "has version");
    byte_change(server, 16);
    byte_change(server, 40);
    refused(server, "16", "damaged header");
    byte_change(server, 40);
    byte_change(server, 0);
    refused(server, "16", "is not a swap file of selfpage");
    byte_change(server, 0);
    swap_start(server, "16", keep_buffered);
    swap_stop(server);
}

/* A record that is damaged costs its slot, and nothing else. */
static void test_damaged_records(void **state)
{
    struct server_process *server = *state;
    uint32_t pages[4] = {0, 1, 2, 3}, slots[4], errors[4];
    struct swap_peer peer;
    off_t index = 4096 * (1 + 64);
    uint64_t key;

    swap_needs_file();
    swap_start(server, "16", keep_buffered);
    peer_open(&peer, server, 0, 8, 4);
    for (uint32_t i = 0; i < 4; i++)
        peer_fill(&peer, i, 40 + i);
    assert_int_equal(peer_store(&peer, pages, 4, slots, NULL), 0);
    key = peer.wire.key;
    server_process_kill(server);
    peer_close(&peer);
    byte_change(server, index + 32 * slots[1] + 9);
    swap_start(server, "16", keep_buffered);
    peer_open(&peer, server, key, 0, 4);
    assert_int_equal(peer_load(&peer, slots, pages, 4, errors), 0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(errors[i], i == 1 ? ENOENT : 0);
    /* A client whose record is lost has lost its slots; the server goes on. */
    server_process_kill(server);
    peer_close(&peer);
    byte_change(server, 4096 + 12);
    swap_start(server, "16", keep_buffered);
    assert_int_equal(swap_status(server).swap_status.used, 0);
    assert_int_equal(
        wire_client_open(&peer.wire, server->socket, WIRE_ROLE_TASK, 0, key, "x", NULL), -ENOENT);
    peer_open(&peer, server, 0, 16, 4);
    assert_int_equal(peer_store(&peer, pages, 4, slots, NULL), 0);
    peer_close(&peer);
    swap_stop(server);
}

#define SYNC_ROUNDS 40u
#define SYNC_PAGES  4u

/* Store pages over and over, and give some up again, whatever the syncs say. Returns how many pages were
 * refused; tag[slot] is what was acknowledged, and 0 where nothing was. */
static uint32_t sync_run(struct swap_peer *peer, uint64_t tag[CRASH_SLOTS])
{
    uint32_t pages[SYNC_PAGES] = {0, 1, 2, 3}, slots[SYNC_PAGES], errors[SYNC_PAGES], refused = 0;

    for (uint32_t round = 1; round <= SYNC_ROUNDS; round++) {
        for (uint32_t i = 0; i < SYNC_PAGES; i++)
            peer_fill(peer, i, 100 * round + i);
        assert_int_equal(peer_store(peer, pages, SYNC_PAGES, slots, errors), 0);
        for (uint32_t i = 0; i < SYNC_PAGES; i++) {
            assert_true(errors[i] == 0 || errors[i] == EIO);
            refused += errors[i] != 0;
            if (errors[i] == 0)
                tag[slots[i]] = 100 * round + i;
        }
        if (round % 3 != 0 || errors[0] != 0)
            continue;
        tag[slots[0]] = 0;
        errors[0] = (uint32_t)peer_free(peer, slots, 1);
        assert_true(errors[0] == 0 || errors[0] == EIO);
    }
    return refused;
}

/* A whole server on a device whose syncs fail: what it acknowledges is there, at once and after kill -9. */
static void test_syncs_that_fail(void **state)
{
    static uint64_t tag[CRASH_SLOTS];
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t page = 0, refused;
    uint64_t key;

    memset(tag, 0, sizeof(tag));
    swap_start_behind(server, "1024", "debug:sync-errors=0.5,seed=2:", keep_synced);
    peer_open(&peer, server, 0, SYNC_ROUNDS * SYNC_PAGES, SYNC_PAGES);
    key = peer.wire.key;
    refused = sync_run(&peer, tag);
    assert_in_range(refused, 1, SYNC_ROUNDS * SYNC_PAGES - 1);
    for (unsigned life = 0; life < 2; life++) {
        for (uint32_t slot = 0; slot < CRASH_SLOTS; slot++) {
            if (tag[slot] == 0)
                continue;
            assert_int_equal(peer_load(&peer, &slot, &page, 1, NULL), 0);
            assert_true(peer_tag(&peer, 0) == tag[slot]);
        }
        server_process_kill(server);
        peer_close(&peer);
        swap_start(server, "1024", keep_synced);
        peer_open(&peer, server, key, 0, SYNC_PAGES);
    }
    peer_close(&peer);
    swap_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_restart_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_restart_automatic, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_restart_synced, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_crash_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_crash_automatic, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_crash_compressed, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_crash_compressed_direct, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_syncs_that_fail, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_two_servers_on_one_file, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_files_that_do_not_fit, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_records, swap_setup, swap_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
