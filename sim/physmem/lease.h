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
 *                             spare     held, and neither used nor dirty: it can go elsewhere
 *
 * No function waits. Questions that fail because the physmem above has taken frames back give up the
 * frames that they were about: the core then asks for what it is promised. */
#ifndef PHYSMEM_LEASE_H
#define PHYSMEM_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bitmap.h"
#include "core/containers/container.h"
#include "upstream.h"

#define LEASE_WORDS  (EXTENT_PAGES / 64u)
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
    uint64_t used[LEASE_WORDS];
    uint64_t dirty[LEASE_WORDS];
    uint64_t held[LEASE_WORDS];
    uint64_t coming[LEASE_WORDS];
    uint64_t mapped[LEASE_WORDS];  /* of those held */
    uint64_t mapping[LEASE_WORDS]; /* asked for */
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
 * lease_stock_slots(frames). Returns 0 or -ENOMEM. */
int lease_book_init(struct lease_book *book, struct upstream *upstream, uint32_t frames,
                    uint32_t container, uint32_t held);
void lease_book_start(struct lease_book *book, const struct lease_handlers *handlers,
                      void *context);
void lease_book_fini(struct lease_book *book);
uint32_t lease_stock_slots(uint32_t frames);

/* ---- What the core wants ---- */

void lease_ask(struct lease_book *book, uint32_t frames, bool extra);
void lease_return(struct lease_book *book, uint32_t frames);

/* ---- Leases ---- */

/* A lease of `pages` pages, none of them used. NULL: no memory. */
struct lease *lease_new(struct lease_book *book, void *owner, uint32_t pages);

/* Pages are used from now on. */
void lease_use(struct lease *lease, uint32_t first, uint32_t count);

/* The descriptor is there, and all used pages are mapped. */
bool lease_is_ready(const struct lease *lease);

/* Pages are not used any more, and dirty; pages are clean again. */
void lease_soil(struct lease *lease, uint32_t first, uint32_t count);
void lease_clean(struct lease *lease, const uint64_t dirty[LEASE_WORDS]);

/* The owner has cut the memory to nothing and closed it: the frames go to the stock. */
void lease_end(struct lease *lease);

/* ---- What the physmem above says ---- */

/* A descriptor has come. */
void lease_extent_came(struct lease_book *book, uint32_t extent, int consume_fd);

/* The physmem above asks to give up rights to slots: they are asked for again as soon as the pages are
 * used anew. */
void lease_unmapped(struct lease_book *book, const struct wire_message *message);

/* Slots were repossessed. Returns the owner of the lease that is lost with all its pages; NULL: it
 * was the stock, or a lease that has ended. */
void *lease_repossessed(struct lease_book *book, const struct wire_message *message);

#endif
