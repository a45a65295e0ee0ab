/* What the tests of the swap server share: a server with a device in a private directory, and peers
 * with an extent. These functions use cmocka asserts; call them from tests only. */
#ifndef TEST_SWAP_PEER_H
#define TEST_SWAP_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "server_process.h"
#include "wire_client.h"

/* Bytes of a page. */
#define PEER_PAGE 4096u

/* One connection to swap, and one extent under the number 1. */
struct swap_peer {
    struct wire_client wire;
    int extent;
    uint32_t pages;
};

/* Set up and tear down a test: *state is its server, not started. */
int swap_setup(void **state);
int swap_teardown(void **state);

/* Start selfpage-swap with `slots` slots on the device under test, and further arguments (ends with
 * NULL, may be NULL). `server` must be initialised. The start must succeed.
 *
 * THE DEVICE UNDER TEST is the file "device" in the server's directory; or what SELFPAGE_TEST_DEVICE in the environment
 * says, without the place: "zstd:file:", "mem:", "nbd+unix:", "tier:fast=16:mem:++unix:". What lies in another process has
 * one for the test: nbdkit, behind the filter in SELFPAGE_TEST_NBD_FILTER if there is one, or another swap server. A test
 * that asks for what the device cannot do (--keep, --sync) is skipped. */
void swap_start(struct server_process *server, const char *slots, const char *const more[]);

/* The same behind filters: "zstd:" in `front`. */
void swap_start_behind(struct server_process *server, const char *slots, const char *front,
                       const char *const more[]);

/* Arguments that have jobs wait in queues and be done in threads, as they are on any device that waits: --sync, or what else does
 * so where the device cannot sync. */
const char *const *swap_threaded(void);

/* What swap_start gives --device. `device` has SWAP_DEVICE bytes. */
#define SWAP_DEVICE (SERVER_PATH + 128)
void swap_device(const struct server_process *server, char *device);

/* Skip this test unless the device under test is the file itself, whose bytes the test looks at; unless it lies in a file; if
 * the environment says which one it is, since the test brings its own. */
void swap_needs_file(void);
void swap_needs_file_below(void);
void swap_needs_no_choice(void);

/* Stop it by SIGTERM: it must end with 0, and have removed its socket. */
void swap_stop(struct server_process *server);

/* The log must have `text` in it, or not. */
void swap_expect_log(const struct server_process *server, const char *text, bool expected);

/* Ask for the counters, as an observer. */
struct wire_message swap_status(const struct server_process *server);

/* Connect as a new client, or as the one with `key`, reserve `reserve` more slots, and give swap an
 * extent of `pages` pages, none of which is all zeros. */
void peer_open(struct swap_peer *peer, const struct server_process *server, uint64_t key,
               uint32_t reserve, uint32_t pages);

/* The same under another name than "peer". */
void peer_open_as(struct swap_peer *peer, const struct server_process *server, uint64_t key,
                  const char *name, uint32_t reserve, uint32_t pages);

/* Ask for a file of the client's own, before it reserves anything. Returns its descriptor, the caller's, or the
 * server's negative error. */
int peer_own_file(struct swap_peer *peer);

/* Close connection and extent. */
void peer_close(struct swap_peer *peer);

/* Fill a page of the extent with a pattern made from `tag`, or with zeros for 0. */
void peer_fill(struct swap_peer *peer, uint32_t page, uint64_t tag);

/* The tag that a page was filled with, after a look at all its bytes; UINT64_MAX if the bytes are
 * no pattern at all. */
uint64_t peer_tag(const struct swap_peer *peer, uint32_t page);

/* Requests. The reply must be well-formed; its error is returned, and so are its lists. */
int peer_give_extent(struct swap_peer *peer, uint32_t number, int fd, uint32_t pages);
int peer_forget_extent(struct swap_peer *peer, uint32_t number);
int peer_reserve(struct swap_peer *peer, uint32_t add, uint32_t subtract, uint32_t *available);
int peer_free(struct swap_peer *peer, const uint32_t *slots, uint32_t count);

/* STORE pages of extent 1. `errors` may be NULL: all must then be 0. Returns the error of the whole
 * request. */
int peer_store(struct swap_peer *peer, const uint32_t *pages, uint32_t count, uint32_t *slots,
               uint32_t *errors);

/* LOAD slots to pages of extent 1. As peer_store. */
int peer_load(struct swap_peer *peer, const uint32_t *slots, const uint32_t *pages, uint32_t count,
              uint32_t *errors);

/* The same as messages, for pipelining; `extent` is the extent's number. */
void store_message(struct wire_message *message, uint32_t extent, const uint32_t *pages,
                   uint32_t count);
void load_message(struct wire_message *message, uint32_t extent, const uint32_t *slots,
                  const uint32_t *pages, uint32_t count);
void free_message(struct wire_message *message, const uint32_t *slots, uint32_t count);

#endif
