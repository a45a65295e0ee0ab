/* What befalls a device behind the server's back: a file that is cut, a lower level that dies, contents that change how
 * well they compress. What was acknowledged comes back as it was, or with an error. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "scale.h"
#include "swap_peer.h"

#define PAGES 48u
#define SLOTS "64"

static const char *const kept[] = {"--keep", "--buffered", NULL};
static const char *const kept_direct[] = {"--keep", NULL};

static void store_all(struct swap_peer *peer, uint64_t tag, uint32_t slots[PAGES])
{
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = i;
        peer_fill(peer, i, tag + i);
    }
    assert_int_equal(peer_store(peer, pages, PAGES, slots, NULL), 0);
}

/* Load all pages one by one: each is what was stored, or has an error. Returns how many came back. */
static uint32_t load_all(struct swap_peer *peer, uint64_t tag, const uint32_t slots[PAGES])
{
    uint32_t page = 0, error, good = 0;

    for (uint32_t i = 0; i < PAGES; i++) {
        peer_fill(peer, 0, 1);
        assert_int_equal(peer_load(peer, &slots[i], &page, 1, &error), 0);
        if (error != 0)
            continue;
        assert_true(peer_tag(peer, 0) == tag + i);
        good++;
    }
    return good;
}

/* Cut the file of the device, which lies at its end in pages, by so many of them. */
static void cut(const struct server_process *server, uint32_t pages)
{
    char device[SERVER_PATH];
    struct stat status;

    server_process_path(server, "device", device);
    assert_int_equal(stat(device, &status), 0);
    assert_int_equal(truncate(device, status.st_size - (off_t)pages * PEER_PAGE), 0);
}

/* The file is cut while the server has it. Pages beyond its end fail, alone, and what is stored from then on is there. */
static void cut_while_running(struct server_process *server, const char *const mode[])
{
    uint32_t slots[PAGES], again[PAGES];
    struct swap_peer peer;
    uint64_t key;

    swap_needs_file();
    swap_start(server, SLOTS, mode);
    peer_open(&peer, server, 0, PAGES, PAGES);
    key = peer.wire.key;
    store_all(&peer, 100, slots);
    assert_int_equal(load_all(&peer, 100, slots), PAGES);
    cut(server, 32);
    assert_in_range(load_all(&peer, 100, slots), PAGES - 32, PAGES - 1);
    assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    store_all(&peer, 200, again);
    assert_int_equal(load_all(&peer, 200, again), PAGES);
    server_process_kill(server);
    peer_close(&peer);
    swap_start(server, SLOTS, mode);
    peer_open(&peer, server, key, 0, PAGES);
    assert_int_equal(load_all(&peer, 200, again), PAGES);
    peer_close(&peer);
    swap_stop(server);
}

static void a_file_that_is_cut_costs_its_end_alone(void **state)
{
    cut_while_running(*state, kept);
}

static void a_direct_file_that_is_cut_costs_its_end_alone(void **state)
{
    cut_while_running(*state, kept_direct);
}

/* The same while the server is away. */
static void a_file_that_was_cut_costs_its_end_alone(void **state)
{
    struct server_process *server = *state;
    uint32_t slots[PAGES];
    struct swap_peer peer;
    uint64_t key;

    swap_needs_file();
    swap_start(server, SLOTS, kept);
    peer_open(&peer, server, 0, PAGES, PAGES);
    key = peer.wire.key;
    store_all(&peer, 100, slots);
    server_process_kill(server);
    peer_close(&peer);
    cut(server, 32);
    swap_start(server, SLOTS, kept);
    peer_open(&peer, server, key, 0, PAGES);
    assert_in_range(load_all(&peer, 100, slots), PAGES - 32, PAGES - 1);
    assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    store_all(&peer, 200, slots);
    assert_int_equal(load_all(&peer, 200, slots), PAGES);
    peer_close(&peer);
    swap_stop(server);
}

/* ---- Compressed pages ---- */

/* Pages that do not compress are written where those lay that did, and the other way round, on a device that has room for
 * all of them only as long as none costs more than a page. */
static void noise_and_patterns_take_turns(void **state)
{
    static const char *const devices[] = {"zstd:mem:", "lz4:mem:", "zstd:debug:delay=1:mem:"};
    struct server_process *server = *state;
    unsigned rounds = scale_is_slow() ? 3 : 25;

    for (size_t d = 0; d < sizeof(devices) / sizeof(devices[0]); d++) {
        const char *const args[] = {"--slots", "48", "--device", devices[d], NULL};
        struct random_source random = random_seeded(d + 1);
        uint64_t noise[PEER_PAGE / 8], found[PEER_PAGE / 8];
        uint32_t slots[PAGES], pages[PAGES];
        uint64_t seed[PAGES];
        struct swap_peer peer;

        assert_int_equal(server_process_start(server, TEST_BINDIR "/selfpage-swap", args), 0);
        peer_open(&peer, server, 0, PAGES, PAGES);
        for (unsigned round = 0; round < rounds; round++) {
            for (uint32_t i = 0; i < PAGES; i++) {
                struct random_source of_page;

                pages[i] = i;
                seed[i] = random_below(&random, 2) != 0 ? 1 + random_bits(&random) : 0;
                peer_fill(&peer, i, 1000 * round + i + 1);
                if (seed[i] == 0)
                    continue;
                of_page = random_seeded(seed[i]);
                for (uint32_t w = 0; w < PEER_PAGE / 8; w++)
                    noise[w] = random_bits(&of_page);
                assert_int_equal(pwrite(peer.extent, noise, PEER_PAGE, (off_t)i * PEER_PAGE),
                                 PEER_PAGE);
            }
            assert_int_equal(peer_store(&peer, pages, PAGES, slots, NULL), 0);
            for (uint32_t i = 0; i < PAGES; i++)
                peer_fill(&peer, i, 7);
            assert_int_equal(peer_load(&peer, slots, pages, PAGES, NULL), 0);
            for (uint32_t i = 0; i < PAGES; i++) {
                struct random_source of_page = random_seeded(seed[i]);

                if (seed[i] == 0) {
                    assert_true(peer_tag(&peer, i) == 1000 * round + i + 1);
                    continue;
                }
                for (uint32_t w = 0; w < PEER_PAGE / 8; w++)
                    noise[w] = random_bits(&of_page);
                assert_int_equal(pread(peer.extent, found, PEER_PAGE, (off_t)i * PEER_PAGE),
                                 PEER_PAGE);
                assert_memory_equal(found, noise, PEER_PAGE);
            }
            assert_int_equal(peer_free(&peer, slots, PAGES), 0);
        }
        peer_close(&peer);
        swap_stop(server);
    }
}

/* ---- Tiers ---- */

/* The slow tier is another swap server, which is killed, and comes back with what it has kept: pages in the fast one are
 * there meanwhile, and the others are as soon as it is. */
static void a_tier_whose_lower_level_dies_and_comes_back(void **state)
{
    unsigned kills = scale_is_slow() ? 1 : 4;
    struct server_process *server = *state, upper;
    char device[SERVER_PATH + 64];
    const char *const args[] = {"--slots", SLOTS, "--device", device, NULL};
    uint32_t slots[PAGES];
    struct swap_peer peer;

    assert_int_equal(server_process_init(&upper), 0);
    swap_start(&upper, SLOTS, kept);
    snprintf(device, sizeof(device), "tier:fast=8:mem:++unix:patience=60:%s", upper.socket);
    assert_int_equal(server_process_start(server, TEST_BINDIR "/selfpage-swap", args), 0);
    peer_open(&peer, server, 0, PAGES, PAGES);
    for (unsigned kill = 0; kill < kills; kill++) {
        store_all(&peer, 1000 * kill + 1, slots);
        server_process_kill(&upper);
        swap_start(&upper, SLOTS, kept);
        assert_int_equal(load_all(&peer, 1000 * kill + 1, slots), PAGES);
        server_process_kill(&upper);
        swap_start(&upper, SLOTS, kept);
        assert_int_equal(load_all(&peer, 1000 * kill + 1, slots), PAGES);
        assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    }
    peer_close(&peer);
    swap_stop(server);
    server_process_kill(&upper);
    server_process_fini(&upper);
}

/* ---- Quotas ---- */

/* Two clients of one user ask at once for what its quota leaves: together they get no more, and what each has stored is
 * there. */
static void two_clients_at_once_get_what_a_quota_has_and_no_more(void **state)
{
    static const char *const quota[] = {"--user-quota", "50", "--buffered", NULL};
    struct server_process *server = *state;
    struct wire_message request = {.type = WIRE_RESERVE}, reply;
    struct swap_peer peer[2];
    uint32_t got[2] = {0, 0}, slots[2][PAGES];

    swap_start(server, SLOTS, quota);
    for (unsigned i = 0; i < 2; i++)
        peer_open(&peer[i], server, 0, 0, PAGES);
    request.reserve.add = 1;
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 2; i++) {
            request.seq = 500 + round;
            assert_int_equal(wire_client_send(&peer[i].wire, &request, -1), 0);
        }
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(wire_client_receive(&peer[i].wire, &reply, NULL), 0);
            assert_true(reply.type == WIRE_RESERVED || reply.error == EDQUOT);
            got[i] += reply.type == WIRE_RESERVED && reply.error == 0;
        }
    }
    assert_int_equal(got[0] + got[1], 50);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t pages[PAGES];

        for (uint32_t p = 0; p < got[i]; p++) {
            pages[p] = p;
            peer_fill(&peer[i], p, 100 * i + p + 1);
        }
        assert_int_equal(peer_store(&peer[i], pages, got[i], slots[i], NULL), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        for (uint32_t p = 0; p < got[i]; p++) {
            uint32_t page = 0;

            assert_int_equal(peer_load(&peer[i], &slots[i][p], &page, 1, NULL), 0);
            assert_true(peer_tag(&peer[i], 0) == 100 * i + p + 1);
        }
    peer_close(&peer[0]);
    peer_close(&peer[1]);
    swap_stop(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, swap_setup, swap_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_cut_costs_its_end_alone),
        TEST(a_direct_file_that_is_cut_costs_its_end_alone),
        TEST(a_file_that_was_cut_costs_its_end_alone),
        TEST(noise_and_patterns_take_turns),
        TEST(a_tier_whose_lower_level_dies_and_comes_back),
        TEST(two_clients_at_once_get_what_a_quota_has_and_no_more),
    };

    return cmocka_run_group_tests_name("swap_ordeals", tests, NULL, NULL);
}
