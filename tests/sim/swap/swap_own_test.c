/* Clients with a file of their own: what they can read there, and what they cannot do. */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "swap_peer.h"

#define SLOTS  64u
#define PAGES  16u
#define NOBODY 65534

/* Each look is a round trip to the server. */
#define LOOKS_MOST 100000u
#define ASK_UNTIL(condition)                                                                       \
    for (uint32_t looks = 0; !(condition); looks++)                                                \
    assert_true(looks < LOOKS_MOST)

static const char *const buffered[] = {"--buffered", NULL};
static const char *const automatic[] = {NULL};
static const char *const *const modes[] = {buffered, automatic};

/* A client with a file, which it can read by the descriptor that is returned. */
static int own_peer(struct swap_peer *peer, const struct server_process *server, uint32_t reserve)
{
    int fd;

    peer_open(peer, server, 0, 0, PAGES);
    fd = peer_own_file(peer);
    assert_true(fd >= 0);
    if (reserve > 0)
        assert_int_equal(peer_reserve(peer, reserve, 0, NULL), 0);
    return fd;
}

/* Read a page of a file. Returns how many bytes came. */
static ssize_t page_read(int fd, uint32_t slot, uint64_t **page)
{
    static uint64_t *buffer;

    if (buffer == NULL)
        buffer = aligned_alloc(PEER_PAGE, PEER_PAGE);
    assert_non_null(buffer);
    memset(buffer, 0xee, PEER_PAGE);
    *page = buffer;
    return pread(fd, buffer, PEER_PAGE, (off_t)slot * PEER_PAGE);
}

/* Is there nothing at a slot: zeros, or no page at all? */
static bool is_empty(int fd, uint32_t slot)
{
    uint64_t *page;
    ssize_t got = page_read(fd, slot, &page);

    assert_true(got >= 0);
    for (uint32_t i = 0; i < (size_t)got / sizeof(*page); i++)
        if (page[i] != 0)
            return false;
    return true;
}

static void store_all(struct swap_peer *peer, uint64_t tag, uint32_t *slots)
{
    uint32_t pages[PAGES];

    for (uint32_t i = 0; i < PAGES; i++) {
        pages[i] = i;
        peer_fill(peer, i, tag + i);
    }
    assert_int_equal(peer_store(peer, pages, PAGES, slots, NULL), 0);
}

static void what_was_stored_can_be_read_and_has_its_checksum(void **state)
{
    struct server_process *server = *state;
    struct wire_message request, reply;
    struct swap_peer peer;

    for (unsigned mode = 0; mode < 2; mode++) {
        int fd;

        swap_start(server, "64", modes[mode]);
        fd = own_peer(&peer, server, PAGES);
        for (uint32_t i = 0; i < PAGES; i++) {
            uint64_t *page;

            peer_fill(&peer, i, 500 + i);
            store_message(&request, 1, &i, 1);
            assert_int_equal(wire_client_call(&peer.wire, &request, -1, &reply), 0);
            assert_int_equal(reply.type, WIRE_STORED);
            assert_int_equal(reply.stored.slots[0].error, 0);
            assert_int_equal(page_read(fd, reply.stored.slots[0].slot, &page), PEER_PAGE);
            assert_int_equal(page[0], 500 + i);
            assert_true(XXH3_64bits(page, PEER_PAGE) == reply.stored.slots[0].checksum);
        }
        close(fd);
        peer_close(&peer);
        swap_stop(server);
    }
}

static void the_server_loads_from_there_too(void **state)
{
    struct server_process *server = *state;
    uint32_t pages[PAGES], slots[PAGES];
    struct swap_peer peer;

    for (unsigned mode = 0; mode < 2; mode++) {
        swap_start(server, "64", modes[mode]);
        close(own_peer(&peer, server, PAGES));
        store_all(&peer, 10, slots);
        assert_int_equal(swap_status(server).swap_status.used, PAGES);
        for (uint32_t i = 0; i < PAGES; i++) {
            pages[i] = PAGES - 1 - i;
            peer_fill(&peer, i, 0);
        }
        assert_int_equal(peer_load(&peer, slots, pages, PAGES, NULL), 0);
        for (uint32_t i = 0; i < PAGES; i++)
            assert_int_equal(peer_tag(&peer, pages[i]), 10 + i);
        assert_int_equal(peer_free(&peer, slots, PAGES), 0);
        assert_int_equal(swap_status(server).swap_status.used, 0);
        peer_close(&peer);
        swap_stop(server);
    }
}

/* In a process of no user at all, if we are root. Returns 0 if nothing could be written. */
static int tries_to_write(int fd)
{
    char path[64], byte = 1;
    void *page;

    if (getuid() == 0 && setuid(NOBODY) != 0)
        return 1;
    if (pwrite(fd, &byte, 1, 0) >= 0 || ftruncate(fd, 0) == 0)
        return 2;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PEER_PAGE) == 0)
        return 3;
    page = mmap(NULL, PEER_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        return 4;
    page = mmap(NULL, PEER_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED || mprotect(page, PEER_PAGE, PROT_READ | PROT_WRITE) == 0)
        return 5;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (open(path, O_RDWR) >= 0 || open(path, O_WRONLY | O_TRUNC) >= 0 || truncate(path, 0) == 0)
        return 6;
    return 0;
}

static void nobody_writes_through_the_descriptor(void **state)
{
    struct server_process *server = *state;
    uint32_t slots[PAGES];
    struct swap_peer peer;
    uint64_t *page;
    int fd, status;
    pid_t pid;

    swap_start(server, "64", automatic);
    fd = own_peer(&peer, server, PAGES);
    store_all(&peer, 70, slots);
    pid = fork();
    if (pid == 0)
        _exit(tries_to_write(fd));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(page_read(fd, slots[i], &page), PEER_PAGE);
        assert_int_equal(page[0], 70 + i);
    }
    close(fd);
    peer_close(&peer);
    swap_stop(server);
}

static void no_file_shows_the_pages_of_others(void **state)
{
    struct server_process *server = *state;
    struct swap_peer victim, other;
    uint32_t slots[PAGES];

    for (unsigned mode = 0; mode < 2; mode++) {
        int victims, others;

        swap_start(server, "64", modes[mode]);
        /* Room that a client without a file has had, room that one with a file has, and room that it had. */
        peer_open(&victim, server, 0, 40, PAGES);
        store_all(&victim, 900, slots);
        peer_close(&victim);
        victims = own_peer(&victim, server, 24);
        store_all(&victim, 700, slots);
        others = own_peer(&other, server, 40);
        for (uint32_t slot = 0; slot < 2 * SLOTS; slot++)
            assert_true(is_empty(others, slot));
        peer_close(&victim); /* and keeps the descriptor */
        ASK_UNTIL(swap_status(server).swap_status.own_files == 1);
        assert_int_equal(peer_reserve(&other, 24, 0, NULL), 0);
        for (uint32_t slot = 0; slot < 2 * SLOTS; slot++)
            assert_true(is_empty(others, slot) && is_empty(victims, slot));
        close(victims);
        close(others);
        peer_close(&other);
        swap_stop(server);
    }
}

static void room_goes_back_although_the_descriptor_stays(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer, other;
    uint32_t slots[PAGES];
    struct stat status;

    for (unsigned mode = 0; mode < 2; mode++) {
        int fd;

        swap_start(server, "64", modes[mode]);
        fd = own_peer(&peer, server, SLOTS);
        peer_open(&other, server, 0, 0, PAGES);
        assert_int_equal(peer_reserve(&other, 1, 0, NULL), ENOSPC);
        store_all(&peer, 40, slots);
        assert_int_equal(peer_reserve(&peer, 0, SLOTS - PAGES + 1, NULL), EBUSY);
        assert_int_equal(peer_reserve(&peer, 0, SLOTS + 1, NULL), EINVAL);
        assert_int_equal(peer_reserve(&peer, 0, SLOTS - PAGES, NULL), 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_blocks * 512, PAGES * PEER_PAGE);
        assert_int_equal(peer_reserve(&other, SLOTS - PAGES, 0, NULL), 0);
        assert_int_equal(peer_free(&peer, slots, PAGES), 0);
        assert_int_equal(peer_reserve(&peer, 5, PAGES, NULL), 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_blocks * 512, 5 * PEER_PAGE);
        peer_close(&peer);
        ASK_UNTIL(swap_status(server).swap_status.own_files == 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_blocks, 0);
        assert_int_equal(peer_reserve(&other, PAGES, 0, NULL), 0);
        assert_int_equal(swap_status(server).swap_status.reserved, SLOTS);
        close(fd);
        peer_close(&other);
        swap_stop(server);
    }
}

static void slots_come_and_go_in_any_number(void **state)
{
    struct server_process *server = *state;
    uint32_t slots[PAGES], pages[PAGES];
    struct swap_peer peer;

    swap_start(server, "64", automatic);
    close(own_peer(&peer, server, PAGES));
    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    for (uint32_t round = 1; round <= 20; round++) {
        uint32_t more = round * 7 % (SLOTS - PAGES) + 1;

        assert_int_equal(peer_reserve(&peer, more, 0, NULL), 0);
        store_all(&peer, round * 100, slots);
        assert_int_equal(peer_reserve(&peer, 0, more, NULL), 0);
        assert_int_equal(peer_load(&peer, slots, pages, PAGES, NULL), 0);
        for (uint32_t i = 0; i < PAGES; i++)
            assert_int_equal(peer_tag(&peer, i), round * 100 + i);
        assert_int_equal(peer_free(&peer, slots, PAGES), 0);
    }
    assert_int_equal(swap_status(server).swap_status.reserved, PAGES);
    peer_close(&peer);
    swap_stop(server);
}

static void what_was_stored_is_there_after_kill_9(void **state)
{
    struct server_process *server = *state;
    uint32_t slots[PAGES];
    struct swap_peer peer;
    uint64_t *page;
    int fd;

    swap_start(server, "64", automatic);
    fd = own_peer(&peer, server, PAGES);
    store_all(&peer, 20, slots);
    server_process_kill(server);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(page_read(fd, slots[i], &page), PEER_PAGE);
        assert_int_equal(page[0], 20 + i);
    }
    close(fd);
    peer_close(&peer);
}

static void not_every_device_has_files_for_clients(void **state)
{
    static const char *const memory[] = {"--device", "mem:", NULL};
    static const char *const faulty[] = {"--file", "", "--fail-reads", "0.5", NULL};
    static const char *const kept[] = {"--file", "", "--keep", NULL};
    const char *const *const devices[] = {memory, faulty, kept};
    struct server_process *server = *state;
    struct swap_peer peer;
    char file[SERVER_PATH];

    server_process_path(server, "device", file);
    for (unsigned i = 0; i < 3; i++) {
        const char *args[8] = {"--slots", "64"};

        for (unsigned n = 0; devices[i][n] != NULL; n++)
            args[2 + n] = devices[i][n][0] != '\0' ? devices[i][n] : file;
        assert_int_equal(server_process_start(server, TEST_BINDIR "/selfpage-swap", args), 0);
        peer_open(&peer, server, 0, 0, PAGES);
        assert_int_equal(peer_own_file(&peer), -EOPNOTSUPP);
        assert_int_equal(peer_reserve(&peer, SLOTS, 0, NULL), 0);
        peer_close(&peer);
        swap_stop(server);
    }
}

static void a_file_is_for_a_client_that_has_nothing_yet(void **state)
{
    struct wire_message request = {.type = WIRE_OWN_FILE_OPEN}, reply;
    struct server_process *server = *state;
    struct swap_peer peer;

    swap_start(server, "64", automatic);
    peer_open(&peer, server, 0, 0, PAGES);
    request.own_file_open.page_size = 2 * PEER_PAGE;
    assert_int_equal(wire_client_call(&peer.wire, &request, -1, &reply), 0);
    assert_int_equal(reply.error, EINVAL);
    assert_int_equal(peer_reserve(&peer, 1, 0, NULL), 0);
    assert_int_equal(peer_own_file(&peer), -EBUSY);
    peer_close(&peer);
    close(own_peer(&peer, server, 0));
    assert_int_equal(peer_own_file(&peer), -EBUSY);
    peer_close(&peer);
    swap_stop(server);
}

static void a_client_says_what_it_has_loaded(void **state)
{
    struct wire_message loads = {.type = WIRE_OWN_LOADS}, status;
    struct server_process *server = *state;
    struct swap_peer peer, other;

    loads.own_loads.pages = 5;
    loads.own_loads.reads = 2;
    swap_start(server, "64", automatic);
    close(own_peer(&peer, server, 1));
    wire_client_open(&other.wire, server->socket, WIRE_ROLE_TASK, 0, 0, "other", NULL);
    assert_int_equal(wire_client_send(&peer.wire, &loads, -1), 0);
    assert_int_equal(wire_client_send(&other.wire, &loads, -1), 0); /* it cannot have */
    ASK_UNTIL(swap_status(server).swap_status.own_loads == 5);
    status = swap_status(server);
    assert_int_equal(status.swap_status.loads, 5);
    assert_int_equal(status.swap_status.reads, 2);
    wire_client_close(&other.wire);
    peer_close(&peer);
    swap_stop(server);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, swap_setup, swap_teardown)
    const struct CMUnitTest tests[] = {
        STORY(what_was_stored_can_be_read_and_has_its_checksum),
        STORY(the_server_loads_from_there_too),
        STORY(nobody_writes_through_the_descriptor),
        STORY(no_file_shows_the_pages_of_others),
        STORY(room_goes_back_although_the_descriptor_stays),
        STORY(slots_come_and_go_in_any_number),
        STORY(what_was_stored_is_there_after_kill_9),
        STORY(not_every_device_has_files_for_clients),
        STORY(a_file_is_for_a_client_that_has_nothing_yet),
        STORY(a_client_says_what_it_has_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
