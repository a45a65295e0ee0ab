/* Servers and peers for the tests of the swap server. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/extent.h"
#include "swap_peer.h"

#define WORDS     (PEER_PAGE / 8)
#define ARGUMENTS 24

int swap_setup(void **state)
{
    static struct server_process server;

    *state = &server;
    return server_process_init(&server);
}

int swap_teardown(void **state)
{
    server_process_fini(*state);
    return 0;
}

/* Is something asked for that not every device has? */
static bool wants_file(const char *const more[])
{
    static const char *const wants[] = {"--keep", "--sync"};

    for (unsigned i = 0; more != NULL && more[i] != NULL; i++)
        for (unsigned j = 0; j < sizeof(wants) / sizeof(wants[0]); j++)
            if (strcmp(more[i], wants[j]) == 0)
                return true;
    return false;
}

void swap_needs_file(void)
{
    if (getenv("SELFPAGE_TEST_DEVICE") != NULL)
        skip();
}

/* What stands before the file. */
static const char *filters(void)
{
    const char *device = getenv("SELFPAGE_TEST_DEVICE");

    return device != NULL ? device : "file:";
}

void swap_device(const struct server_process *server, char *device)
{
    char file[SERVER_PATH];

    snprintf(device, SERVER_PATH + 64, "%s%s", filters(),
             server_process_path(server, "device", file));
}

void swap_start(struct server_process *server, const char *slots, const char *const more[])
{
    if (strstr(filters(), "tier:") != NULL && wants_file(more))
        skip();
    swap_start_on(server, slots, filters(), more);
}

void swap_start_on(struct server_process *server, const char *slots, const char *device,
                   const char *const more[])
{
    char file[SERVER_PATH], place[SERVER_PATH + 64];
    const char *args[ARGUMENTS] = {"--slots", slots, "--device", place};
    int error;

    snprintf(place, sizeof(place), "%s%s", device, server_process_path(server, "device", file));

    for (unsigned i = 0; more != NULL && more[i] != NULL; i++) {
        assert_true(i + 5 < ARGUMENTS);
        args[i + 4] = more[i];
    }
    error = server_process_start(server, TEST_BINDIR "/selfpage-swap", args);
    if (error < 0) {
        char *log = server_process_log(server);

        print_message("the server did not start: %d\n%s", error, log);
        free(log);
    }
    assert_int_equal(error, 0);
}

void swap_stop(struct server_process *server)
{
    assert_int_equal(access(server->socket, F_OK), 0);
    assert_int_equal(server_process_stop(server), 0);
    assert_int_equal(access(server->socket, F_OK), -1);
}

void swap_expect_log(const struct server_process *server, const char *text, bool expected)
{
    char *log = server_process_log(server);
    bool found;

    assert_non_null(log);
    found = strstr(log, text) != NULL;
    if (found != expected)
        print_message("\"%s\" is %s in this log:\n%s", text, found ? "" : "not", log);
    free(log);
    assert_int_equal(found, expected);
}

struct wire_message swap_status(const struct server_process *server)
{
    struct wire_message request = {.type = WIRE_STATUS}, reply;
    struct wire_client wire;

    assert_int_equal(
        wire_client_open(&wire, server->socket, WIRE_ROLE_OBSERVER, 0, 0, "observer", NULL), 0);
    assert_int_equal(wire_client_call(&wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_SWAP_STATUS);
    wire_client_close(&wire);
    return reply;
}

int peer_own_file(struct swap_peer *peer)
{
    struct wire_message request = {.type = WIRE_OWN_FILE_OPEN}, reply, file;
    int fd = -1;

    request.own_file_open.page_size = PEER_PAGE;
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    if (reply.error != 0)
        return -(int)reply.error;
    assert_int_equal(wire_client_receive(&peer->wire, &file, &fd), 0);
    assert_int_equal(file.type, WIRE_OWN_FILE);
    assert_true(fd >= 0);
    return fd;
}

/* With SELFPAGE_TEST_OWN in the environment, each client has a file of its own, if it can. */
static void own_file_by_environment(struct swap_peer *peer)
{
    int fd = getenv("SELFPAGE_TEST_OWN") != NULL ? peer_own_file(peer) : -1;

    if (fd >= 0)
        close(fd);
}

void peer_open(struct swap_peer *peer, const struct server_process *server, uint64_t key,
               uint32_t reserve, uint32_t pages)
{
    assert_int_equal(
        wire_client_open(&peer->wire, server->socket, WIRE_ROLE_TASK, 0, key, "peer", NULL), 0);
    if (key == 0)
        own_file_by_environment(peer);
    if (reserve > 0)
        assert_int_equal(peer_reserve(peer, reserve, 0, NULL), 0);
    peer->pages = pages;
    peer->extent = extent_create("peer", pages, NULL);
    assert_true(peer->extent >= 0);
    /* Pages of zeros take no slot. */
    for (uint32_t i = 0; i < pages; i++)
        peer_fill(peer, i, UINT32_MAX - i);
    assert_int_equal(peer_give_extent(peer, 1, peer->extent, pages), 0);
}

void peer_close(struct swap_peer *peer)
{
    wire_client_close(&peer->wire);
    close(peer->extent);
}

/* Word `i` of the pattern of a tag. Every second tag makes a page that compresses to a fourth. */
static uint64_t pattern_word(uint64_t tag, uint32_t i)
{
    if (tag / 2 % 2 == 0 && i >= WORDS / 4)
        return tag;
    return i == 0 ? tag : (tag + i) * UINT64_C(0x9e3779b97f4a7c15);
}

void peer_fill(struct swap_peer *peer, uint32_t page, uint64_t tag)
{
    uint64_t words[WORDS];

    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = tag == 0 ? 0 : pattern_word(tag, i);
    assert_int_equal(pwrite(peer->extent, words, sizeof(words), (off_t)page * PEER_PAGE),
                     PEER_PAGE);
}

uint64_t peer_tag(const struct swap_peer *peer, uint32_t page)
{
    uint64_t words[WORDS];

    assert_int_equal(pread(peer->extent, words, sizeof(words), (off_t)page * PEER_PAGE), PEER_PAGE);
    for (uint32_t i = 0; i < WORDS; i++)
        if (words[i] != (words[0] == 0 ? 0 : pattern_word(words[0], i)))
            return UINT64_MAX;
    return words[0];
}

int peer_give_extent(struct swap_peer *peer, uint32_t number, int fd, uint32_t pages)
{
    struct wire_message request = {.type = WIRE_GIVE_EXTENT}, reply;

    request.give_extent.extent = number;
    request.give_extent.pages = pages;
    assert_int_equal(wire_client_call(&peer->wire, &request, fd, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    return (int)reply.error;
}

int peer_forget_extent(struct swap_peer *peer, uint32_t number)
{
    struct wire_message request = {.type = WIRE_FORGET_EXTENT}, reply;

    request.forget_extent.extent = number;
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    return (int)reply.error;
}

int peer_reserve(struct swap_peer *peer, uint32_t add, uint32_t subtract, uint32_t *available)
{
    struct wire_message request = {.type = WIRE_RESERVE}, reply;

    request.reserve.add = add;
    request.reserve.subtract = subtract;
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, reply.error == 0 ? WIRE_RESERVED : WIRE_DONE);
    if (available != NULL && reply.error == 0)
        *available = reply.reserved.available;
    return (int)reply.error;
}

void store_message(struct wire_message *message, uint32_t extent, const uint32_t *pages,
                   uint32_t count)
{
    memset(message, 0, sizeof(*message));
    message->type = WIRE_STORE;
    message->store.pages_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++)
        message->store.pages[i] = (struct wire_place){.extent = extent, .offset = pages[i]};
}

void load_message(struct wire_message *message, uint32_t extent, const uint32_t *slots,
                  const uint32_t *pages, uint32_t count)
{
    memset(message, 0, sizeof(*message));
    message->type = WIRE_LOAD;
    message->load.pages_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++)
        message->load.pages[i] =
            (struct wire_loading){.slot = slots[i], .extent = extent, .offset = pages[i]};
}

void free_message(struct wire_message *message, const uint32_t *slots, uint32_t count)
{
    memset(message, 0, sizeof(*message));
    message->type = WIRE_FREE;
    message->free.slots_count = (uint16_t)count;
    for (uint32_t i = 0; i < count; i++)
        message->free.slots[i].value = slots[i];
}

int peer_store(struct swap_peer *peer, const uint32_t *pages, uint32_t count, uint32_t *slots,
               uint32_t *errors)
{
    struct wire_message request, reply;

    store_message(&request, 1, pages, count);
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    if (reply.error != 0) {
        assert_int_equal(reply.type, WIRE_DONE);
        return (int)reply.error;
    }
    assert_int_equal(reply.type, WIRE_STORED);
    assert_int_equal(reply.stored.slots_count, count);
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = reply.stored.slots[i].slot;
        if (errors != NULL)
            errors[i] = reply.stored.slots[i].error;
        else
            assert_int_equal(reply.stored.slots[i].error, 0);
    }
    return 0;
}

int peer_load(struct swap_peer *peer, const uint32_t *slots, const uint32_t *pages, uint32_t count,
              uint32_t *errors)
{
    struct wire_message request, reply;

    load_message(&request, 1, slots, pages, count);
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    if (reply.error != 0)
        return (int)reply.error;
    assert_int_equal(reply.type, WIRE_LOADED);
    assert_int_equal(reply.loaded.errors_count, count);
    for (uint32_t i = 0; i < count; i++) {
        if (errors != NULL)
            errors[i] = reply.loaded.errors[i].value;
        else
            assert_int_equal(reply.loaded.errors[i].value, 0);
    }
    return 0;
}

int peer_free(struct swap_peer *peer, const uint32_t *slots, uint32_t count)
{
    struct wire_message request, reply;

    free_message(&request, slots, count);
    assert_int_equal(wire_client_call(&peer->wire, &request, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_DONE);
    return (int)reply.error;
}
