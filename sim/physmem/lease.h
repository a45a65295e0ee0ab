/* Leases of memory from the physmem above: the questions and answers that move frames to where they
 * are needed (lease_book.h says where frames can be).
 *
 * No function waits. Questions that fail because the physmem above has taken frames back give up the
 * frames that they were about: the core then asks for what it is promised. */
#ifndef PHYSMEM_LEASE_H
#define PHYSMEM_LEASE_H

#include "lease_book.h"

/* Begin to ask. */
void lease_start(struct lease_book *book, const struct lease_handlers *handlers, void *context);

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
void lease_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS]);

/* The owner has cut the memory to nothing and closed it: the frames go to the stock. */
void lease_end(struct lease *lease);

/* ---- What the physmem above says ---- */

/* A descriptor has come. */
void lease_extent_came(struct lease_book *book, uint32_t extent, int consume_fd);

/* The physmem above asks this server to give up rights to slots. The rights are requested again when the pages are
 * used again. Returns the owner of the lease, whose pages the slots are; NULL: it has ended, or it was the stock. */
void *lease_unmapped(struct lease_book *book, const struct wire_message *message);

/* Slots were repossessed. Returns the owner of the lease that is lost with all its pages; NULL: it
 * was the stock, or a lease that has ended. */
void *lease_repossessed(struct lease_book *book, const struct wire_message *message);

#endif
