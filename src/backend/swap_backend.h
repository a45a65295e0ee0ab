/* A swap backend: where the pages of the swap server lie. A table of functions, as a plug-in of nbdkit
 * has.
 *
 * HOW DO I ADD A SWAP BACKEND? Write one file, src/backend/NAME.c, that defines
 * `const struct swap_backend backend_NAME`, and add the line X(NAME) to registry.h. That is all:
 * `selfpage-swap --device` then takes it, --help lists it, and the test backend_suite runs every
 * story over it. The test fails for a file that has no line. memory.c is the smallest example. What a
 * backend may call: src/client, src/wire, src/os, src/base and the C library.
 *
 * THE LIFE OF A DEVICE. The server calls, in this order:
 *
 *     open       the device exists, and nobody else can use it
 *     (keep)     the server reads or writes its records: head_read, head_write
 *     finish     the device is ready for pages
 *     write, read, sync, head_write    as often as needed
 *     close      the device is gone, and so are its pages unless they are kept
 *
 * REQUIRED are name, place, help, open, finish, write, read and close; with `keeps`, head_write and head_read, too.
 * OPTIONAL are params, discard, sync, count, descriptor, and own_open with room. Without discard a page keeps its room until it is written
 * again; without sync the server refuses --sync.
 *
 * WHAT A PAGE HOLDS. What the last write that returned 0 put there. A page that was never written, that was
 * discarded, or whose last write failed holds anything, and may be read all the same: the read gives any bytes,
 * or fails. A write does not depend on what the page held.
 *
 * FILTERS. A backend may stand in front of another one: its place is then "OPTIONS:NAME:PLACE" or
 * "NAME:PLACE", and it opens what is below with below.h. A filter has the same functions as any backend;
 * it can keep, and sync, if its own table says that it can and the backend below can. It hands discard and count on,
 * and it is held to the rules of THREADS towards what is below: where it moves pages on its own account, it
 * sees to it that nobody transfers them. If it syncs on its own account and that fails, it lets the server's
 * next sync fail, too: the kernel may tell only one caller.
 *
 * OWN PLACES. A client of the server may have its pages in a place of its own, which it reads without asking
 * the server. own_open makes one; write, read, room and close take it as they take the device. The server
 * moves room between the device and own places, page for page, and so the promise of open holds for all of them.
 * Room that came to an own place never shows what another client had in it.
 *
 * After an open that succeeded, close follows exactly once, also if finish failed or was not called.
 * Without finish no page is transferred, and a device that open made new is to leave nothing behind.
 *
 * THREADS. open, finish and close are called by one thread, and while no other call is under way.
 * The other functions are called by any number of threads at a time, but head_write and head_read by
 * one at a time. The server never writes, or
 * discards, a page while another call reads or writes the same page.
 *
 * ERRORS. A function returns 0 or a negative errno. open and finish describe an error in *error, which
 * the user reads: what was wrong, with which place, and what to do. A read or write that fails may have
 * transferred a part; the server repeats it page by page, and does not use a page that failed. A
 * backend need not check what it reads: the server has a checksum of each page. -EBADMSG says that the page is not
 * what was written; it is counted as corrupt. A sync that fails says that any write since the last good one
 * may be lost; the server gives up what it was to cover, and never repeats a sync in the hope of a better answer. A
 * backend that waits for another process does so for a bounded time. A backend must not raise a signal, exit, or print. */
#ifndef BACKEND_SWAP_BACKEND_H
#define BACKEND_SWAP_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/policy.h>

/* Bytes of a page. */
#define SWAP_PAGE 4096u

/* Whether transfers go through the page cache. */
enum swap_mode {
    SWAP_MODE_AUTO = 0, /* direct where the place can, else buffered */
    SWAP_MODE_BUFFERED,
    SWAP_MODE_DIRECT, /* direct, or finish fails */
};

struct swap_backend;

/* What the server wants of a device. */
struct swap_backend_wish {
    const char *place; /* what follows NAME: in --device; never NULL; valid until close */
    uint32_t pages;    /* at least 1 */
    uint64_t head;     /* bytes for the server's records, whole pages; 0 unless `keep` */
    bool keep;         /* the device is to outlive the server; only if the backend can */
    bool existing; /* with `keep`: a device that does not exist is not made; open fails, -ENOENT */
    bool sync;     /* what was synced is to outlive a power loss; only if the backend can */
    enum swap_mode mode;
    /* How a filter finds the backend below it: backend_registry_find. */
    const struct swap_backend *(*find)(const char *device, const char **place);
};

/* What the backend says of a device. open sets the first, finish the others. */
struct swap_backend_facts {
    bool existed;    /* the head holds what an earlier server wrote; else it is all zeros */
    bool waits;      /* transfers wait for hardware: the server makes them in threads */
    bool fell_back;  /* direct was tried, and could not be had */
    const char *how; /* a word for the log: "direct" */
};

/* What a backend counts, beyond what the server sees. A filter adds what is its own to what the backend below
 * it says. */
struct swap_backend_counts {
    uint64_t compressed;     /* pages that lie compressed now */
    uint64_t incompressible; /* pages that lie as they are now, since they did not compress */
    uint64_t packed;         /* bytes that both take now */
    uint64_t compactions;    /* times that blocks were emptied to make room */
    uint64_t fast;           /* pages on the fast device of a tier now */
    uint64_t demoted;        /* pages that went down to the slow device */
    uint64_t promoted;       /* pages that came up */
    uint64_t reconnects;     /* times that a connection to another server was made again */
    uint64_t in_flight;      /* requests to another server that it has not answered */
};

/* Functions are required unless it says optional: an optional one may be NULL. */
struct swap_backend {
    const char *name;  /* what stands before the colon in --device; no colon in it; unique */
    const char *place; /* what follows the colon, for --help, as in "PATH"; "": nothing may */
    const char *help;  /* one sentence without a newline, for --help */
    const struct sp_policy_param *params; /* optional: a filter's OPTIONS; ends with zeros */
    bool keeps;                           /* can do wish->keep */
    bool shares; /* cannot see another server at its place: the user sees to that */
    bool filter; /* stands in front of another backend, which its place names */

    /* Make or open the device, and reserve room for all its pages, so that no write finds the place
     * full. Put what the other functions get as `device` in *device. If the device existed, do not
     * change it: it may not be the server's. On failure *device is not used, and nothing is left. */
    int (*open)(void **device, const struct swap_backend_wish *wish,
                struct swap_backend_facts *facts, struct sp_error *error);

    /* The records are good: make the device complete, and settle what `facts` has still to say. */
    int (*finish)(void *device, struct swap_backend_facts *facts, struct sp_error *error);

    /* Write, or read, `count` pages from `page` on; all lie within the device. `pages` is aligned to
     * SWAP_PAGE. -EIO for a transfer that came short. */
    int (*write)(void *device, uint32_t page, uint32_t count, const void *pages);
    int (*read)(void *device, uint32_t page, uint32_t count, void *pages);

    /* Optional: these pages are not wanted any more, until they are written again. Takes no time, and does no
     * I/O: the server calls it on its loop. A page may also be written again without it. */
    void (*discard)(void *device, uint32_t page, uint32_t count);

    /* Required with `keeps`: write, or read, bytes of the head, which never go around the page cache.
     * All lie within the head. -EIO for a transfer that came short. */
    int (*head_write)(void *device, uint64_t offset, const void *bytes, uint32_t count);
    int (*head_read)(void *device, uint64_t offset, void *bytes, uint32_t count);

    /* Optional: make everything that was written outlive a power loss, the records included. NULL: the
     * backend cannot, and the server refuses --sync. */
    int (*sync)(void *device);

    /* Optional, both or none: own places, see above. own_open: a place without room, in *own; *reader is a
     * descriptor, the caller's from now on, that reads its page n at byte n * SWAP_PAGE, and that nobody can
     * write through. -EOPNOTSUPP: not this device. room: have room for `count` pages from `page` on of the
     * device, or of an own place, or give that room up, and with it what the pages held: they read as zeros then,
     * or not at all. May wait for as long as somebody reads the place. */
    int (*own_open)(void *device, void **own, int *reader);
    int (*room)(void *device, uint32_t page, uint32_t count, bool there);

    /* Optional: the pages lie as they are in a file. Returns its descriptor, which stays the device's, and in *at the
     * byte where page 0 begins, once finish has returned, and also of an own place. The server may then transfer pages
     * there by itself, without read and write, as they do it; what fails so it hands to them. */
    int (*descriptor)(const void *device, uint64_t *at);

    /* Optional: add what this device counts to *counts. */
    void (*count)(void *device, struct swap_backend_counts *counts);

    /* Give back all that the device has. Cannot fail. */
    void (*close)(void *device);
};

#endif
