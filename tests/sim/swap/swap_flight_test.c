/* Loads and stores whose reads and writes are under way together, by a ring of the kernel's and by threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "os/ring.h"
#include "swap_peer.h"

#define PAGES 64u

static const char *const verbose[] = {"--verbose", NULL};

/* A client that has stored pages with these tags, from 1000 on, in slots side by side. */
static void peer_with_pages(struct swap_peer *peer, const struct server_process *server,
                            uint32_t *slots)
{
    uint32_t pages[PAGES];

    peer_open(peer, server, 0, PAGES, PAGES);
    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = i;
        peer_fill(peer, i, 1000 + i);
    }
    assert_int_equal(peer_store(peer, pages, PAGES, slots, NULL), 0);
}

/* Ask for all pages, one by one and without waiting, the i-th at place i. */
static void ask_for_all(struct swap_peer *peer, const uint32_t *slots)
{
    struct wire_message message;

    for (uint32_t n = 0; n < PAGES; n++) {
        uint32_t page = n * 37 % PAGES;

        peer_fill(peer, page, 7);
        load_message(&message, 1, &slots[page], &page, 1);
        message.seq = 1 + page;
        assert_int_equal(wire_client_send(&peer->wire, &message, -1), 0);
    }
}

/* Each answer comes once. Returns how many pages failed; all that did not are what was stored. */
static uint32_t take_all(struct swap_peer *peer)
{
    bool answered[PAGES] = {false};
    struct wire_message message;
    uint32_t failed = 0;

    for (uint32_t n = 0; n < PAGES; n++) {
        uint32_t page;

        assert_int_equal(wire_client_receive(&peer->wire, &message, NULL), 0);
        assert_int_equal(message.type, WIRE_LOADED);
        page = message.seq - 1;
        assert_true(page < PAGES && !answered[page]);
        answered[page] = true;
        assert_true(message.loaded.errors[0].value == 0 || message.loaded.errors[0].value == EIO);
        failed += message.loaded.errors[0].value != 0;
        assert_int_equal(peer_tag(peer, page),
                         message.loaded.errors[0].value == 0 ? 1000 + page : 7);
    }
    return failed;
}

/* The server says whether it has a ring: where the kernel has some, and the device is direct. */
static void expect_the_ring(const struct server_process *server)
{
    char *log = server_process_log(server);
    struct read_ring ring = {.memory = NULL};
    bool has = getenv("SELFPAGE_RING") == NULL && ring_open(&ring) == 0;

    assert_non_null(log);
    has = has && strstr(log, ": direct") != NULL;
    free(log);
    if (ring_is_open(&ring))
        ring_close(&ring);
    swap_expect_log(server, ", by a ring", has);
}

static void many_loads_at_a_time_each_bring_their_page(void **state)
{
    struct server_process *server = *state;
    uint32_t pages[PAGES], slots[PAGES], apart[PAGES / 8];
    unsigned rounds = RUNNING_ON_VALGRIND ? 1 : 10;
    struct swap_peer peer;

    swap_start(server, "128", verbose);
    peer_with_pages(&peer, server, slots);
    for (unsigned round = 0; round < rounds; round++) {
        ask_for_all(&peer, slots);
        assert_int_equal(take_all(&peer), 0);
    }
    /* One load of pages that lie too far apart for one read. */
    for (uint32_t i = 0; i < PAGES / 8; i++) {
        pages[i] = i;
        apart[i] = slots[i * 8];
    }
    assert_int_equal(peer_load(&peer, apart, pages, PAGES / 8, NULL), 0);
    for (uint32_t i = 0; i < PAGES / 8; i++)
        assert_int_equal(peer_tag(&peer, i), 1000 + i * 8);
    assert_int_equal(swap_status(server).swap_status.loads, rounds * PAGES + PAGES / 8);
    peer_close(&peer);
    swap_stop(server);
    expect_the_ring(server);
}

/* The file of the server has no name: find it among its descriptors. Cut it to so many pages. */
static void file_cut(const struct server_process *server, uint32_t pages)
{
    char path[64], target[SERVER_PATH + 64];

    for (int fd = 3; fd < 64; fd++) {
        ssize_t length;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)server->pid, fd);
        length = readlink(path, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        if (strstr(target, "selfpage-") == NULL || strstr(target, "memfd") != NULL ||
            strstr(target, "deleted") == NULL)
            continue;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)pages * PEER_PAGE), 0);
        close(fd);
        return;
    }
    fail_msg("the server has no file");
}

static void a_read_that_fails_costs_its_pages_alone(void **state)
{
    struct server_process *server = *state;
    uint32_t pages[PAGES], slots[PAGES], errors[PAGES];
    struct swap_peer peer;

    swap_needs_file();
    swap_start(server, "64", NULL);
    peer_with_pages(&peer, server, slots);
    file_cut(server, PAGES / 2 + 3);
    ask_for_all(&peer, slots);
    assert_int_equal(take_all(&peer), PAGES / 2 - 3);
    /* The same by one load, whose read ends where the file does. */
    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = i;
        peer_fill(&peer, i, 7);
    }
    assert_int_equal(peer_load(&peer, slots, pages, PAGES, errors), 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(errors[i], slots[i] < PAGES / 2 + 3 ? 0 : EIO);
        assert_int_equal(peer_tag(&peer, i), errors[i] == 0 ? 1000 + i : 7);
    }
    peer_close(&peer);
    swap_stop(server);
}

static void clients_that_go_with_reads_under_way_harm_nobody(void **state)
{
    struct server_process *server = *state;
    unsigned rounds = RUNNING_ON_VALGRIND ? 2 : 15;
    uint32_t slots[PAGES], others[PAGES];
    struct swap_peer peer, other;

    swap_start(server, "256", NULL);
    peer_with_pages(&peer, server, slots);
    for (unsigned round = 0; round < rounds; round++) {
        peer_with_pages(&other, server, others);
        ask_for_all(&other, others);
        peer_close(&other);
        ask_for_all(&peer, slots);
        assert_int_equal(take_all(&peer), 0);
    }
    for (uint32_t looks = 0; swap_status(server).swap_status.clients > 1; looks++)
        assert_true(looks < 100000);
    assert_int_equal(swap_status(server).swap_status.used, PAGES);
    assert_int_equal(swap_status(server).swap_status.failed, 0);
    peer_close(&peer);
    swap_stop(server);
}

static void the_server_ends_with_reads_under_way(void **state)
{
    struct server_process *server = *state;
    unsigned rounds = RUNNING_ON_VALGRIND ? 1 : 5;
    uint32_t slots[PAGES];
    struct swap_peer peer;

    for (unsigned round = 0; round < rounds; round++) {
        swap_start(server, "64", NULL);
        peer_with_pages(&peer, server, slots);
        ask_for_all(&peer, slots);
        swap_stop(server);
        peer_close(&peer);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, swap_setup, swap_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(many_loads_at_a_time_each_bring_their_page),
        STORY(a_read_that_fails_costs_its_pages_alone),
        STORY(clients_that_go_with_reads_under_way_harm_nobody),
        STORY(the_server_ends_with_reads_under_way),
    };
    int failed = 0;

    /* Valgrind knows no rings. */
    if (!RUNNING_ON_VALGRIND && unsetenv("SELFPAGE_RING") == 0)
        failed = cmocka_run_group_tests_name("swap_flight by a ring", tests, NULL, NULL);
    if (setenv("SELFPAGE_RING", "off", 1) != 0)
        return 1;
    return failed + cmocka_run_group_tests_name("swap_flight by threads", tests, NULL, NULL);
}
