/* One STORE, LOAD, FREE or RESERVE on its way through the server.
 *
 * A job goes through these steps, in this order:
 *
 *     begin     on the loop   the books: slots are handed out or pinned
 *     collect   on the loop   STORE: pages are copied from the client's extents to the buffer
 *     transfer  any thread    checksums, and all that may wait for the device; or in flight, see flight.h
 *     deliver   on the loop   LOAD: pages are copied from the buffer to the client's extents
 *     end       on the loop   the books, and the reply
 *
 * This file has the middle three, books.c the others. A STORE collects when it begins;
 * a LOAD begins before it only if it names none of its pages (fair.h), and so never overwrites a page
 * that an earlier STORE has still to read. Extents are memory, and never files: copying waits for no device. A short copy
 * means that the client has cut the extent, which is EFAULT for that page and nobody else's
 * trouble. */
#ifndef SWAP_JOB_H
#define SWAP_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "core/swap/map.h"
#include "extent_table.h"
#include "device.h"
#include "room.h"
#include "wire/message.h"

struct swap_service;
struct swap_session;

enum swap_job_kind {
    SWAP_JOB_STORE,
    SWAP_JOB_LOAD,
    SWAP_JOB_FREE,
    SWAP_JOB_RESERVE,
};

/* One page of a job. */
struct swap_page {
    uint64_t checksum;          /* STORE: computed; LOAD: what the page must have */
    struct swap_extent *extent; /* one reference; NULL: none, or no such place */
    uint32_t offset;            /* of the page in the extent */
    uint32_t slot;
    uint16_t asked; /* LOAD: its place in the request; see swap_job_order */
    bool filler;    /* LOAD: nobody asked for it; it is read with its neighbours: see fillers.h */
    int error;      /* 0 or a negative errno: what is wrong with this page */
    bool pinned;    /* `slot` is pinned in the books for this job */
    bool pending;   /* has still to be transferred */
    bool zero;      /* it is all zeros, in SWAP_ZERO: there is nothing to transfer */
    bool doomed;    /* its next transfer is to fail: an injected fault */
};

struct swap_job {
    uv_work_t work; /* data: the job */
    struct swap_service *service;
    struct swap_session *session; /* one reference: that of the request */
    struct swap_job *next;        /* in the queue */
    struct swap_device *device;
    void *place;          /* where its slots lie: the device's, or that of the client's own file */
    struct swap_map *map; /* the books of these slots */
    struct room_move *move; /* RESERVE of a client that has a file: while it is under way */
    uint8_t *buffer;        /* room for all pages; NULL while waiting, and for FREE and RESERVE */
    int buffer_fd;          /* the same memory */
    off_t buffer_at;        /* there */
    uint64_t epoch;         /* of the device, before the first write: see device.h */
    uint64_t key;           /* of the client */
    uint32_t number;        /* of the client in `map` */
    uint32_t seq;
    uint32_t add; /* RESERVE */
    uint32_t subtract;
    uint64_t took_ns;   /* the last transfer */
    uint32_t transfers; /* reads or writes of the device so far */
    uint16_t cursor;    /* in flight: pages before it have departed */
    uint8_t parts;      /* in flight: reads or writes under way */
    uint8_t parts_most;
    bool failed; /* in flight: some have failed */
    bool fresh;  /* in flight: its client had nothing waiting before */
    uint16_t count;
    uint16_t asked;          /* pages of the request: `count` without fillers */
    uint16_t room;           /* for so many pages */
    uint8_t kind;            /* enum swap_job_kind */
    bool again;              /* STORE: this is the second attempt, on other slots */
    bool answered;           /* or nobody is there to be: there is nothing left to do at the end */
    struct swap_page page[]; /* `count` of them, room for WIRE_BATCH where the job is reused */
};

/* STORE: read the pages of the job from the client's extents. Sets page.error and page.zero. */
void swap_job_collect(struct swap_job *job);

/* LOAD: put the pages in the order of their slots, so that neighbours on the device are read as one. */
void swap_job_order(struct swap_job *job);

/* Pages of a job that lie side by side: [first, first + count). */
struct swap_run {
    uint32_t first;
    uint32_t count;
};

/* The first run of pending pages in neighbouring slots from page `from` on. `count` is 0: there is none. */
struct swap_run swap_job_next_run(const struct swap_job *job, uint32_t from);

/* Whether nothing but reads or writes of its runs is to be done for this job. */
bool swap_job_may_fly(const struct swap_job *job);

/* STORE, before its runs are written by somebody else than swap_job_transfer: the checksums of its pages. */
void swap_job_depart(struct swap_job *job);

/* LOAD, when all its runs have been read well by somebody else than swap_job_transfer. Sets page.error. */
void swap_job_arrive(struct swap_job *job);

/* Do the device's part for all pages that are pending. Sets page.error and, for a STORE,
 * page.checksum. Touches nothing but the job, its file, and its pages' buffer. */
void swap_job_transfer(struct swap_job *job);

/* LOAD: write the pages that were read well to the client's extents. Sets page.error. */
void swap_job_deliver(struct swap_job *job);

#endif
