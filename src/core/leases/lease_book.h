/* Memory that a physmem above has granted, and where it is: in the stock, or in leases.
 *
 * The stock is a container above whose slots have frames and are never mapped: it costs no memory. A
 * lease is a container above that backs one extent here, slot for page; its descriptor goes to the task
 * that has the extent, and to no other, ever: what a task retains of a lease that has ended is an
 * extent cut to nothing. Frames move from the stock, or from pages that nobody uses any more, to where
 * they are needed by EXCHANGE, in one round trip, some ahead of need; so what is held above stays the
 * same until the core asks for more or gives some back.
 *
 *     frames held above == stock + pages held in leases, + what is on its way between them
 *     a page of a lease is    used      the core has a frame in its slot, and the task may touch it
 *                             mapped    the physmem above has given the right to touch it; a used page
 *                                       is ready then
 *                             dirty     was used, and is being cleared here
 *                             spare     held, and neither used nor dirty: it can go elsewhere */
#ifndef LEASES_LEASE_BOOK_H
#define LEASES_LEASE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/bitmap.h"
#include "core/leases/pages.h"

struct lease_book;

struct lease {
    struct lease_book *book;
    struct lease *next; /* of all */
    struct lease *prev;
    struct lease *next_wanting;
    void *owner;        /* NULL: it has ended */
    uint32_t container; /* above; 0: none yet */
    uint32_t pages;
    uint32_t jobs; /* questions about it that were not answered */
    uint32_t spares;
    int fd;       /* -1: not there yet; the owner's to close */
    bool unready; /* its owner waits for on_ready */
    bool wanting; /* is in the list of those */
    bool lost;    /* the physmem above has taken it */
    bool destroyed;
    uint64_t used[PAGES_WORDS];
    uint64_t dirty[PAGES_WORDS];
    uint64_t held[PAGES_WORDS];
    uint64_t coming[PAGES_WORDS];
    uint64_t mapped[PAGES_WORDS];  /* of those held */
    uint64_t mapping[PAGES_WORDS]; /* asked for */
    uint64_t taken[PAGES_WORDS]; /* of these: an UNMAP came since, which the answer may not know */
};

/* A slot of the stock is in `stock`, in `holes`, or, while its frame is on its way, in neither:
 *
 *     stock_count == members of stock
 *     spares      == sum of lease.spares
 *     lease.spares == held & ~used & ~dirty, and 0 if it is lost or has ended
 *     mapped is part of held; taken is part of mapping */
struct lease_book {
    const struct allocator *allocator;
    struct lease *first;
    struct lease *wanting_first;
    struct lease *wanting_last;
    struct bitmap stock; /* slots of the stock that have frames */
    struct bitmap holes; /* those that have none, and none on its way */
    uint64_t *words;
    uint32_t stock_container;
    uint32_t stock_count;
    uint32_t spares;    /* of all leases */
    uint32_t leases;    /* that have not ended */
    uint32_t returning; /* frames to give back above as soon as some are spare */
    uint32_t gone; /* frames that physmem will want to give back, and that were taken already */
};

/* A book for at most `frames` frames, of which `held` lie in the first slots of `container`, which has
 * lease_book_slots(frames). Memory comes from `allocator`, which outlives it. Returns 0 or -ENOMEM. */
int lease_book_init(struct lease_book *book, const struct allocator *allocator, uint32_t frames,
                    uint32_t container, uint32_t held);

/* Also frees all leases; their descriptors are the caller's to close. */
void lease_book_fini(struct lease_book *book);
uint32_t lease_book_slots(uint32_t frames);

/* A lease of `pages` pages, none of them used, without a container yet. NULL: no memory. */
struct lease *lease_book_add(struct lease_book *book, void *owner, uint32_t pages);

/* Its owner has no use for it any more: it is nobody's. */
void lease_book_end(struct lease *lease);

/* Take a lease that has ended out of the book, and free it. */
void lease_book_remove(struct lease *lease);

/* The lease of a container above; NULL: there is none. */
struct lease *lease_book_find(const struct lease_book *book, uint32_t container);

/* Count a lease's spare pages again, after its sets have changed. */
void lease_book_recount(struct lease *lease);

/* ---- Frames that move: lease NULL is the stock ---- */

uint32_t lease_book_container(const struct lease_book *book, const struct lease *lease);

/* Frames leave these slots. */
void lease_book_leave(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count);

/* Slots that were left are holes again. */
void lease_book_left(struct lease_book *book, const struct lease *lease, uint32_t start,
                     uint32_t count);

/* Frames are on their way to these slots. */
void lease_book_expect(struct lease_book *book, struct lease *lease, uint32_t start,
                       uint32_t count);

/* They have come, or (`came` false) will not. */
void lease_book_arrive(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count,
                       bool came);

/* The first run of a set of the stock's slots, at most `most` long. Returns its length. */
uint32_t lease_book_run(const struct bitmap *bitmap, uint32_t most, uint32_t *firstp);

/* A run of frames that can go elsewhere, at most `most` long: from the stock, or from a lease, from
 * `last` only if no other has some. Returns its length; 0: there are none now. */
uint32_t lease_book_find_spare(const struct lease_book *book, struct lease *last, uint32_t most,
                               struct lease **leasep, uint32_t *firstp);

/* Frames that were to leave did not: they are where they were. */
void lease_book_stay(struct lease_book *book, struct lease *lease, uint32_t start, uint32_t count);

/* What there is in slots of the stock was repossessed; any numbers. Returns how many frames. */
uint32_t lease_book_take_stock(struct lease_book *book, uint32_t start, uint32_t count);

/* All that a lease has, or expects, was repossessed. Returns how many frames; 0: it was lost before. */
uint32_t lease_book_lose(struct lease *lease);

/* ---- Leases that want something, in turn ---- */

void lease_book_want(struct lease *lease);
void lease_book_unwant_first(struct lease_book *book);

#endif
