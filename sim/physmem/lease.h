/* Leases of memory from the physmem above: the shell that carries the questions of core/leases/lessee.h there, and brings
 * back the answers.
 *
 * No function waits. What a call has as its effects is done before it returns: handlers may be called by each but lease_new
 * and lease_is_ready. */
#ifndef PHYSMEM_LEASE_H
#define PHYSMEM_LEASE_H

#include "core/leases/lessee.h"
#include "upstream.h"

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

/* All leases of this physmem. */
struct leases {
    struct lessee lessee; /* first */
    struct upstream *upstream;
    struct lease_handlers handlers;
    void *context;
    struct lease_arrival *arrivals;
};

/* `held` of at most `frames` frames lie in the first slots of `container`, see lease_book_init. `upstream`
 * outlives this. Returns 0 or -ENOMEM. */
int lease_init(struct leases *leases, struct upstream *upstream, uint32_t frames,
               uint32_t container, uint32_t held);

/* Free all leases, and close the memory of those that no extent uses. */
void lease_fini(struct leases *leases);

/* Begin to ask. */
void lease_start(struct leases *leases, const struct lease_handlers *handlers, void *context);

/* ---- As the functions with the same ends of their names in core/leases/lessee.h ---- */

void lease_ask(struct leases *leases, uint32_t frames, bool extra);
void lease_return(struct leases *leases, uint32_t frames);
struct lease *lease_new(struct leases *leases, void *owner, uint32_t pages);
void lease_use(struct lease *lease, uint32_t first, uint32_t count);
bool lease_is_ready(const struct lease *lease);
void lease_soil(struct lease *lease, uint32_t first, uint32_t count);
void lease_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS]);
void lease_end(struct lease *lease);

/* ---- What the physmem above says ---- */

/* A descriptor has come. */
void lease_extent_came(struct leases *leases, uint32_t extent, int consume_fd);

/* An UNMAP: lessee_unmapped. A REPOSSESSED: lessee_repossessed. */
void *lease_unmapped(struct leases *leases, const struct wire_message *message);
void *lease_repossessed(struct leases *leases, const struct wire_message *message);

#endif
