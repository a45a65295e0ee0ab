/* What the swap server makes of its device: where it lies, pages of zeros, a device that lies, and a sync that
 * fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "device.h"
#include "swap_peer.h"

#define PAGES 16u

static void server_start_on(struct server_process *server, const char *device)
{
    const char *const args[] = {"--slots", "64", "--device", device, NULL};

    assert_int_equal(server_process_start(server, TEST_BINDIR "/selfpage-swap", args), 0);
}

static void all_pages(uint32_t pages[PAGES])
{
    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
}

static void pages_of_zeros_take_no_slot_and_no_write(void **state)
{
    uint32_t pages[PAGES], slots[PAGES];
    struct server_process *server = *state;
    struct wire_message status;
    struct swap_peer peer;

    server_start_on(server, "mem:");
    peer_open(&peer, server, 0, 1, PAGES); /* one slot is reserved */
    all_pages(pages);
    for (uint32_t i = 0; i < PAGES; i++)
        peer_fill(&peer, i, i == 3 ? 7 : 0);
    assert_int_equal(peer_store(&peer, pages, PAGES, slots, NULL), 0);
    status = swap_status(server);
    assert_int_equal(status.swap_status.used, 1);
    assert_int_equal(status.swap_status.zero, PAGES - 1);
    assert_int_equal(status.swap_status.stores, PAGES);
    assert_int_equal(status.swap_status.writes, 1);
    for (uint32_t i = 0; i < PAGES; i++)
        peer_fill(&peer, i, 100 + i);
    assert_int_equal(peer_load(&peer, slots, pages, PAGES, NULL), 0);
    for (uint32_t i = 0; i < PAGES; i++)
        assert_int_equal(peer_tag(&peer, i), i == 3 ? 7 : 0);
    assert_int_equal(swap_status(server).swap_status.reads, 1);
    assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    assert_int_equal(swap_status(server).swap_status.used, 0);
    peer_close(&peer);
    swap_stop(server);
}

/* Store pages over and over on a device that lies; each page comes back as it was, or is refused. Returns how
 * many were refused. */
static uint32_t pages_survive(struct server_process *server)
{
    uint32_t pages[PAGES], slots[PAGES], errors[PAGES], refused = 0;
    struct swap_peer peer;

    all_pages(pages);
    peer_open(&peer, server, 0, PAGES, PAGES);
    for (uint32_t round = 1; round <= 20; round++) {
        for (uint32_t i = 0; i < PAGES; i++)
            peer_fill(&peer, i, round * 1000 + i);
        assert_int_equal(peer_store(&peer, pages, PAGES, slots, errors), 0);
        for (uint32_t i = 0; i < PAGES; i++) {
            uint32_t error = errors[i];

            peer_fill(&peer, i, 1);
            if (error == 0)
                assert_int_equal(peer_load(&peer, &slots[i], &pages[i], 1, &error), 0);
            assert_int_equal(peer_tag(&peer, i), error == 0 ? round * 1000 + i : 1);
            refused += error != 0;
            if (errors[i] == 0)
                assert_int_equal(peer_free(&peer, &slots[i], 1), 0);
        }
    }
    peer_close(&peer);
    return refused;
}

static void a_device_that_lies_is_found_out(void **state)
{
    static const struct {
        const char *device;
        bool refuses; /* some pages */
    } lies[] = {
        {"debug:mem:", false},
        {"debug:reorder=8:mem:", false},
        {"debug:short=0.5:mem:", true},
        {"debug:torn=0.3,seed=9:mem:", true},
        {"zstd:debug:torn=0.3,seed=9:mem:", true},
        {"debug:short=0.5:lz4:mem:", true},
        {"debug:write-errors=0.6,read-errors=0.3:mem:", true},
        {"debug:delay=1,reorder=4:debug:torn=0.2:mem:", true},
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint32_t refused;

        server_start_on(*state, lies[i].device);
        refused = pages_survive(*state);
        print_message("%s: %u pages were refused\n", lies[i].device, refused);
        assert_true((refused > 0) == lies[i].refuses);
        swap_stop(*state);
    }
}

static void one_page_that_is_torn_costs_that_page_alone(void **state)
{
    uint32_t pages[PAGES], slots[PAGES], errors[PAGES], wrong = 0;
    struct swap_peer peer;

    server_start_on(*state, "debug:torn=1:mem:");
    peer_open(&peer, *state, 0, PAGES, PAGES);
    all_pages(pages);
    for (uint32_t i = 0; i < PAGES; i++)
        peer_fill(&peer, i, i + 1);
    assert_int_equal(peer_store(&peer, pages, PAGES, slots, NULL), 0);
    assert_int_equal(peer_load(&peer, slots, pages, PAGES, errors), 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_true(errors[i] == 0 || errors[i] == EBADMSG);
        wrong += errors[i] != 0;
    }
    assert_in_range(wrong, 1, PAGES);
    assert_int_equal(swap_status(*state).swap_status.corrupt, wrong);
    swap_expect_log(*state, "is corrupt", true);
    peer_close(&peer);
    swap_stop(*state);
}

static void a_wrong_device_is_refused_with_a_reason(void **state)
{
    static const char *const devices[] = {
        "debug:", "debug:fil:x", "debug:colour=3:mem:", "debug:torn=2:mem:", "debug:mem:x"};

    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        const char *const args[] = {"--slots", "64", "--device", devices[i], NULL};

        assert_true(server_process_start(*state, TEST_BINDIR "/selfpage-swap", args) < 0);
    }
}

/* ---- A sync that fails ---- */

static int next_sync; /* what the next sync returns; later ones return 0 */

static int fake_sync(void *device)
{
    int code = next_sync;

    (void)device;
    next_sync = 0;
    return code;
}

/* The kernel tells one caller alone: the second sync of the device is good, and covers nothing of what was
 * written before the first. */
static void nothing_written_before_a_failed_sync_is_acknowledged(void **state)
{
    static const struct swap_backend backend = {.name = "fake", .sync = fake_sync};
    struct swap_device device = {.backend = &backend, .sync = true, .slots = 1};
    uint64_t early, other, late;

    (void)state;
    pthread_mutex_init(&device.lock, NULL);
    pthread_cond_init(&device.ended, NULL);
    early = swap_device_epoch(&device);
    other = swap_device_epoch(&device);
    next_sync = -EIO;
    assert_int_equal(swap_device_sync(&device, other), -EIO);
    assert_int_equal(swap_device_sync(&device, early), -EIO); /* although the device says 0 */
    late = swap_device_epoch(&device);
    assert_int_equal(swap_device_sync(&device, late), 0);
    assert_int_equal(device.syncs_begun, 3);
    pthread_cond_destroy(&device.ended);
    pthread_mutex_destroy(&device.lock);
}

/* Load every `step`th of the slots to pages in a row, and look at them. Returns the reads that it took. */
static uint64_t reads_for(struct server_process *server, struct swap_peer *peer,
                          const uint32_t *slots, uint32_t step)
{
    uint64_t before = swap_status(server).swap_status.reads;
    uint64_t loads = swap_status(server).swap_status.loads;
    uint32_t wanted[PAGES], pages[PAGES], count = 0;

    for (uint32_t i = 0; i < PAGES; i += step, count++) {
        wanted[count] = slots[i];
        pages[count] = count;
    }
    assert_int_equal(peer_load(peer, wanted, pages, count, NULL), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(peer_tag(peer, i), 1000 + i * step);
    assert_int_equal(swap_status(server).swap_status.loads - loads, count);
    return swap_status(server).swap_status.reads - before;
}

static void pages_a_few_slots_apart_are_read_as_one(void **state)
{
    static const char *const synced[] = {"--sync", "--buffered", NULL};
    struct server_process *server = *state;
    uint32_t pages[PAGES], slots[PAGES];
    struct swap_peer peer;

    swap_start(server, "256", synced);
    all_pages(pages);
    peer_open(&peer, server, 0, 2 * PAGES, PAGES);
    for (uint32_t i = 0; i < PAGES; i++)
        peer_fill(&peer, i, 1000 + i);
    assert_int_equal(peer_store(&peer, pages, PAGES, slots, NULL), 0);
    for (uint32_t i = 1; i < PAGES; i++)
        assert_int_equal(slots[i], slots[0] + i);
    assert_int_equal(reads_for(server, &peer, slots, 1), 1);
    assert_int_equal(reads_for(server, &peer, slots, 2), 1);
    assert_int_equal(reads_for(server, &peer, slots, 5), (PAGES + 4) / 5); /* too far apart */
    /* A slot between that holds nothing is never read. */
    assert_int_equal(peer_free(&peer, &slots[PAGES / 2 + 1], 1), 0);
    assert_int_equal(reads_for(server, &peer, slots, 2), 2);
    assert_int_equal(swap_status(server).swap_status.used, PAGES - 1);
    peer_close(&peer);
    swap_stop(server);
}

/* Nothing else is under way, and the device is quick. */
static void a_lone_load_needs_no_thread(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t page = 0, slot, loads = 0;

    server_start_on(server, "debug:delay=0.001:mem:"); /* a microsecond: it has threads */
    peer_open(&peer, server, 0, 4, 1);
    peer_fill(&peer, 0, 7);
    assert_int_equal(peer_store(&peer, &page, 1, &slot, NULL), 0);
    while (swap_status(server).swap_status.lone == 0) {
        assert_true(loads++ < 10000);
        peer_fill(&peer, 0, 8);
        assert_int_equal(peer_load(&peer, &slot, &page, 1, NULL), 0);
        assert_int_equal(peer_tag(&peer, 0), 7);
    }
    assert_true(loads > 1); /* it was not known to be quick at first */
    peer_close(&peer);
    swap_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_of_zeros_take_no_slot_and_no_write, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(a_device_that_lies_is_found_out, swap_setup, swap_teardown),
        cmocka_unit_test_setup_teardown(one_page_that_is_torn_costs_that_page_alone, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_device_is_refused_with_a_reason, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(pages_a_few_slots_apart_are_read_as_one, swap_setup,
                                        swap_teardown),
        cmocka_unit_test_setup_teardown(a_lone_load_needs_no_thread, swap_setup, swap_teardown),
        cmocka_unit_test(nothing_written_before_a_failed_sync_is_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
