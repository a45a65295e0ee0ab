/* Memory that the physmem above has granted, and where it is: in the stock, or in leases.
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
#ifndef PHYSMEM_LEASE_BOOK_H
#define PHYSMEM_LEASE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bitmap.h"
#include "pages.h"
#include "upstream.h"

#define LEASE_BLANKS 4u /* containers above that are made before they are needed */

/* Most containers of one task above, less the stock, the blanks, and some that are about to end. */
#define LEASE_MOST 240u

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

/* A descriptor that has come and was not named by a MAPPED yet. */
struct lease_arrival {
    struct lease_arrival *next;
    uint32_t extent;
    int fd;
};

struct lease_handlers {
    /* A lease that was not ready is. */
    void (*on_ready)(void *owner);
    /* The physmem above gives no descriptor for this lease. */
    void (*on_refused)(void *owner);
    /* The answer to lease_ask. */
    void (*on_granted)(void *context, uint32_t frames);
    /* Frames that are not held above any more, and that the core does not know of. */
    void (*on_taken)(void *context, uint32_t frames);
    /* There is no memory, or the physmem above refuses what it must not. */
    void (*on_failed)(void *context, const char *what);
};

struct lease_book {
    struct upstream *upstream;
    struct lease_handlers handlers;
    void *context;
    struct lease *first;
    struct lease *wanting_first;
    struct lease *wanting_last;
    struct lease_arrival *arrivals;
    struct bitmap stock; /* slots of the stock that have frames */
    struct bitmap holes; /* those that have none, and none on its way */
    uint64_t *words;
    uint32_t stock_container;
    uint32_t stock_count;
    uint32_t spares;    /* of all leases */
    uint32_t leases;    /* that have not ended */
    uint32_t returning; /* frames to give back above as soon as some are spare */
    uint32_t gone;    /* frames that the core will want to give back, and that were taken already */
    uint32_t granted; /* of the frames that lease_ask has asked for */
    uint32_t pieces;  /* questions for these under way */
    uint32_t blank[LEASE_BLANKS];
    uint32_t blanks;
    uint32_t blanks_coming;
    bool failed;
};

/* A book for at most `frames` frames, of which `held` lie in the first slots of `container`, which has
 * lease_book_slots(frames). Returns 0 or -ENOMEM. */
int lease_book_init(struct lease_book *book, struct upstream *upstream, uint32_t frames,
                    uint32_t container, uint32_t held);
void lease_book_fini(struct lease_book *book);
uint32_t lease_book_slots(uint32_t frames);

/* Nothing more is done, and the owner is told why. */
void lease_book_fail(struct lease_book *book, const char *what);

/* Take a lease out of the book, and free it. */
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

/* Frames of the stock were repossessed. Returns how many. */
uint32_t lease_book_take_stock(struct lease_book *book, const struct wire_message *message);

/* ---- Leases that want something, in turn ---- */

void lease_book_want(struct lease *lease);
void lease_book_unwant(struct lease *lease);
void lease_book_unwant_first(struct lease_book *book);

#endif
