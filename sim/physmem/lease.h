/* Leases of memory from the physmem above: the questions and answers that move frames to where they
 * are needed (core/leases/lease_book.h says where frames can be).
 *
 * No function waits. Questions that fail because the physmem above has taken frames back give up the
 * frames that they were about: the core then asks for what it is promised. */
#ifndef PHYSMEM_LEASE_H
#define PHYSMEM_LEASE_H

#include "core/leases/lease_book.h"
#include "upstream.h"

#define LEASE_BLANKS 4u /* containers above that are made before they are needed */

/* Most containers of one task above, less the stock, the blanks, and some that are about to end. */
#define LEASE_MOST 240u

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

/* This physmem as the one that has the leases. */
struct lessee {
    struct lease_book book; /* first */
    struct upstream *upstream;
    struct lease_handlers handlers;
    void *context;
    struct lease_arrival *arrivals;
    uint32_t granted; /* of the frames that lease_ask has asked for */
    uint32_t pieces;  /* questions for these under way */
    uint32_t blank[LEASE_BLANKS];
    uint32_t blanks;
    uint32_t blanks_coming;
    bool failed; /* nothing more is done */
};

/* `held` of at most `frames` frames lie in the first slots of `container`, see lease_book_init. `upstream`
 * outlives this. Returns 0 or -ENOMEM. */
int lease_init(struct lessee *lessee, struct upstream *upstream, uint32_t frames,
               uint32_t container, uint32_t held);

/* Free all leases, and close the memory of those that no extent uses. */
void lease_fini(struct lessee *lessee);

/* Begin to ask. */
void lease_start(struct lessee *lessee, const struct lease_handlers *handlers, void *context);

/* ---- What the core wants ---- */

void lease_ask(struct lessee *lessee, uint32_t frames, bool extra);
void lease_return(struct lessee *lessee, uint32_t frames);

/* ---- Leases ---- */

/* A lease of `pages` pages, none of them used. NULL: no memory. */
struct lease *lease_new(struct lessee *lessee, void *owner, uint32_t pages);

/* Pages are used from now on. */
void lease_use(struct lease *lease, uint32_t first, uint32_t count);

/* The descriptor is there, and all used pages are mapped. */
bool lease_is_ready(const struct lease *lease);

/* Pages are not used any more, and dirty; pages are clean again. */
void lease_soil(struct lease *lease, uint32_t first, uint32_t count);
void lease_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS]);

/* The owner has cut the memory to nothing and closed it: the frames go to the stock. */
void lease_end(struct lease *lease);

/* ---- What the physmem above says ---- */

/* A descriptor has come. */
void lease_extent_came(struct lessee *lessee, uint32_t extent, int consume_fd);

/* The physmem above asks this server to give up rights to slots. The rights are requested again when the pages are
 * used again. Returns the owner of the lease, whose pages the slots are; NULL: it has ended, or it was the stock. */
void *lease_unmapped(struct lessee *lessee, const struct wire_message *message);

/* Slots were repossessed. Returns the owner of the lease that is lost with all its pages; NULL: it
 * was the stock, or a lease that has ended. */
void *lease_repossessed(struct lessee *lessee, const struct wire_message *message);

#endif
