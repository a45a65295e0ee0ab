/* The swap server on a device that fails: injected faults, and pages that rot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "scale.h"
#include "swap_peer.h"

/* A device that takes nothing: each page is tried twice, and nothing stays used. */
static void test_all_writes_fail(void **state)
{
    const char *const args[] = {"--buffered", "--fail-writes", "1", NULL};
    struct server_process *server = *state;
    struct wire_message status;
    struct swap_peer peer;
    uint32_t pages[4] = {0, 1, 2, 3}, slots[4], errors[4];

    swap_start(server, "16", args);
    peer_open(&peer, server, 0, 4, 4);
    assert_int_equal(peer_store(&peer, pages, 4, slots, errors), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(errors[i], EIO);
        assert_int_equal(slots[i], UINT32_MAX);
    }
    status = swap_status(server);
    assert_int_equal(status.swap_status.used, 0);
    assert_int_equal(status.swap_status.stores, 0);
    assert_int_equal(status.swap_status.failed, 4);
    assert_int_equal(peer_reserve(&peer, 0, 4, NULL), 0);
    peer_close(&peer);
    swap_stop(server);
    swap_expect_log(server, "cannot write slot", true);
}

static void test_all_reads_fail(void **state)
{
    const char *const args[] = {"--fail-reads", "1", NULL};
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t pages[2] = {0, 1}, slots[2], errors[2];

    swap_start(server, "16", args);
    peer_open(&peer, server, 0, 4, 2);
    peer_fill(&peer, 0, 1);
    peer_fill(&peer, 1, 2);
    assert_int_equal(peer_store(&peer, pages, 2, slots, NULL), 0);
    assert_int_equal(peer_load(&peer, slots, (uint32_t[]){1, 0}, 2, errors), 0);
    assert_int_equal(errors[0], EIO);
    assert_int_equal(errors[1], EIO);
    /* Nothing was delivered in place of what could not be read. */
    assert_int_equal(peer_tag(&peer, 0), 1);
    assert_int_equal(peer_tag(&peer, 1), 2);
    assert_int_equal(swap_status(server).swap_status.used, 2);
    peer_close(&peer);
    swap_stop(server);
}

/* Some of everything fails; what was acknowledged is never wrong, and comes with patience. */
static void flaky_run(struct server_process *server, const char *mode, const char *seed)
{
    const char *const args[] = {mode,  "--fail-writes", "0.4", "--fail-reads",
                                "0.3", "--seed",        seed,  NULL};
    unsigned rounds = scale_is_slow() ? 10 : 100;
    uint32_t pages[16], slots[16], errors[16], failed = 0, healed = 0;
    struct swap_peer peer;

    swap_start(server, "64", args);
    peer_open(&peer, server, 0, 16, 16);
    for (uint32_t i = 0; i < 16; i++)
        pages[i] = i;
    for (unsigned round = 0; round < rounds; round++) {
        uint32_t kept[16], to[16], count = 0;

        for (uint32_t i = 0; i < 16; i++)
            peer_fill(&peer, i, round * 100 + i + 1);
        assert_int_equal(peer_store(&peer, pages, 16, slots, errors), 0);
        for (uint32_t i = 0; i < 16; i++) {
            if (errors[i] == 0) {
                to[count] = i;
                kept[count++] = slots[i];
            } else {
                assert_int_equal(errors[i], EIO);
                failed++;
            }
            peer_fill(&peer, i, 0);
        }
        for (uint32_t i = 0; i < count; i++) {
            do {
                assert_int_equal(peer_load(&peer, kept + i, to + i, 1, errors), 0);
                assert_true(errors[0] == 0 || errors[0] == EIO);
                healed += errors[0] != 0;
            } while (errors[0] != 0);
            assert_int_equal(peer_tag(&peer, to[i]), round * 100 + to[i] + 1);
        }
        if (count > 0)
            assert_int_equal(peer_free(&peer, kept, count), 0);
        assert_int_equal(swap_status(server).swap_status.used, 0);
    }
    /* A second attempt fails with 0.4 too: about 0.16 of the pages. */
    assert_true(failed > rounds && failed < 16 * rounds / 3);
    assert_true(healed > 0);
    peer_close(&peer);
    swap_stop(server);
}

static void test_flaky_buffered(void **state)
{
    flaky_run(*state, "--buffered", "7");
}

static void test_flaky_direct(void **state)
{
    flaky_run(*state, "--verbose", "8");
}

/* One page in a batch that cannot be read does not take its neighbours with it. */
static void test_neighbours_are_salvaged(void **state)
{
    const char *const args[] = {"--buffered", "--fail-reads", "0.2", "--seed", "3", NULL};
    struct server_process *server = *state;
    uint32_t pages[32], slots[32], errors[32], bad = 0;
    struct swap_peer peer;

    swap_start(server, "64", args);
    peer_open(&peer, server, 0, 32, 32);
    for (uint32_t i = 0; i < 32; i++) {
        pages[i] = i;
        peer_fill(&peer, i, 500 + i);
    }
    assert_int_equal(peer_store(&peer, pages, 32, slots, NULL), 0);
    for (uint32_t i = 0; i < 32; i++)
        peer_fill(&peer, i, 0);
    assert_int_equal(peer_load(&peer, slots, pages, 32, errors), 0);
    for (uint32_t i = 0; i < 32; i++) {
        bad += errors[i] != 0;
        assert_int_equal(peer_tag(&peer, i), errors[i] == 0 ? 500 + i : 0);
    }
    assert_in_range(bad, 1, 16);
    peer_close(&peer);
    swap_stop(server);
}

/* Somebody writes over the device: the checksum notices, for that page alone. */
static void test_rotten_page(void **state)
{
    const char *const args[] = {"--buffered", "--keep", NULL};
    struct server_process *server = *state;
    uint32_t pages[4] = {0, 1, 2, 3}, slots[4], errors[4];
    struct swap_peer peer;
    char path[SERVER_PATH];
    struct stat status;
    int device;

    swap_needs_file();
    swap_start(server, "16", args);
    peer_open(&peer, server, 0, 4, 4);
    for (uint32_t i = 0; i < 4; i++)
        peer_fill(&peer, i, 900 + i);
    assert_int_equal(peer_store(&peer, pages, 4, slots, NULL), 0);
    device = open(server_process_path(server, "device", path), O_RDWR | O_CLOEXEC);
    assert_true(device >= 0);
    assert_int_equal(fstat(device, &status), 0);
    /* The slots are the last 16 pages of the file. */
    assert_int_equal(
        pwrite(device, "x", 1, status.st_size - (16 - (off_t)slots[2]) * PEER_PAGE + 1234), 1);
    close(device);
    for (uint32_t i = 0; i < 4; i++)
        peer_fill(&peer, i, 0);
    for (unsigned again = 1; again <= 2; again++) {
        assert_int_equal(peer_load(&peer, slots, pages, 4, errors), 0);
        assert_int_equal(errors[1], 0);
        assert_int_equal(errors[2], EBADMSG);
        assert_int_equal(peer_tag(&peer, 2), 0);
        assert_int_equal(peer_tag(&peer, 3), 903);
        assert_int_equal(swap_status(server).swap_status.corrupt, again);
    }
    assert_int_equal(peer_free(&peer, slots, 4), 0);
    peer_close(&peer);
    swap_stop(server);
    swap_expect_log(server, "is corrupt", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_writes_fail, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_all_reads_fail, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_flaky_buffered, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_flaky_direct, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_neighbours_are_salvaged, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(test_rotten_page, swap_setup, swap_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
