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

#include "backend/registry.h"
#include "nbd_filter.h"
#include "os/extent.h"
#include "swap_peer.h"

#define WORDS     (PEER_PAGE / 8)
#define ARGUMENTS 24

/* Slots of the server that stands behind "unix:", as many as any test here has; and room for as many pages, with what a
 * device that is kept needs besides. */
#define UPPER_SLOTS "65536"
#define NBD_SIZE    "512M"

/* Where the device under test lies, if it lies in another process: started for a test that needs it. */
static struct nbd_filter nbd;
static bool nbd_runs;
static struct server_process upper;
static bool upper_runs;

int swap_setup(void **state)
{
    static struct server_process server;

    *state = &server;
    return server_process_init(&server);
}

int swap_teardown(void **state)
{
    server_process_fini(*state);
    if (nbd_runs)
        nbd_filter_fini(&nbd);
    if (upper_runs)
        server_process_fini(&upper);
    nbd_runs = upper_runs = false;
    return 0;
}

/* ---- The device under test ---- */

/* The device without its place: "zstd:file:". */
static const char *device_wanted(void)
{
    const char *device = getenv("SELFPAGE_TEST_DEVICE");

    return device != NULL ? device : "file:";
}

/* The name of the backend at its end, with its colon. */
static const char *device_bottom(const char *device)
{
    const char *name = device + strlen(device);

    assert_true(name > device && name[-1] == ':');
    for (name--; name > device && name[-1] != ':';)
        name--;
    return strncmp(name, "++", 2) == 0 ? name + 2 : name;
}

static const char *nbd_place(bool unix_socket)
{
    if (!nbd_server_exists())
        skip();
    if (!nbd_runs)
        nbd_filter_init(&nbd, nbd_filter_wanted(), NBD_SIZE);
    nbd_runs = true;
    return strchr(unix_socket ? nbd.server.unix_uri : nbd.server.tcp_uri, ':') + 1;
}

static const char *upper_place(void)
{
    static const char *const slots[] = {"--slots", UPPER_SLOTS, "--device", "mem:", NULL};

    if (!upper_runs) {
        assert_int_equal(server_process_init(&upper), 0);
        upper_runs = true;
        assert_int_equal(server_process_start(&upper, TEST_BINDIR "/selfpage-swap", slots), 0);
    }
    return upper.socket;
}

/* What follows the name of the bottom. `path` has SERVER_PATH bytes. */
static const char *device_place(const struct server_process *server, char *path)
{
    const char *bottom = device_bottom(device_wanted());

    if (strcmp(bottom, "file:") == 0)
        return server_process_path(server, "device", path);
    if (strcmp(bottom, "nbd:") == 0 || strcmp(bottom, "nbd+unix:") == 0)
        return nbd_place(bottom[3] == '+');
    if (strcmp(bottom, "unix:") == 0)
        return upper_place();
    assert_string_equal(bottom, "mem:"); /* teach this function what the place of another one is */
    return "";
}

static bool asks_for(const char *const more[], const char *option)
{
    for (unsigned i = 0; more != NULL && more[i] != NULL; i++)
        if (strcmp(more[i], option) == 0)
            return true;
    return false;
}

void swap_needs_file(void)
{
    if (strcmp(device_wanted(), "file:") != 0)
        skip();
}

void swap_needs_file_below(void)
{
    if (strcmp(device_bottom(device_wanted()), "file:") != 0)
        skip();
}

void swap_needs_no_choice(void)
{
    if (getenv("SELFPAGE_TEST_DEVICE") != NULL)
        skip();
}

const char *const *swap_threaded(void)
{
    static const char *const synced[] = {"--buffered", "--sync", NULL};
    static const char *const metered[] = {"--buffered", "--bandwidth", "1000000", NULL};

    return backend_registry_syncs(device_wanted()) ? synced : metered;
}

void swap_device(const struct server_process *server, char *device)
{
    char path[SERVER_PATH];

    snprintf(device, SWAP_DEVICE, "%s%s", device_wanted(), device_place(server, path));
}

void swap_start(struct server_process *server, const char *slots, const char *const more[])
{
    swap_start_behind(server, slots, "", more);
}

void swap_start_behind(struct server_process *server, const char *slots, const char *front,
                       const char *const more[])
{
    char place[2 * SWAP_DEVICE], device[SWAP_DEVICE];
    const char *args[ARGUMENTS] = {"--slots", slots, "--device", place};
    int error;

    snprintf(place, sizeof(place), "%s%s", front, device_wanted());
    if ((asks_for(more, "--keep") && !backend_registry_keeps(place)) ||
        (asks_for(more, "--sync") && !backend_registry_syncs(place)))
        skip();
    swap_device(server, device);
    snprintf(place, sizeof(place), "%s%s", front, device);
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
    peer_open_as(peer, server, key, "peer", reserve, pages);
}

void peer_open_as(struct swap_peer *peer, const struct server_process *server, uint64_t key,
                  const char *name, uint32_t reserve, uint32_t pages)
{
    assert_int_equal(
        wire_client_open(&peer->wire, server->socket, WIRE_ROLE_TASK, 0, key, name, NULL), 0);
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
