/* The memory behind frames: effects of the core on extents.
 *
 * An extent's descriptor, as the core knows it, is a number of service->backing. A task that can
 * write an extent can hold the kernel's lock on it for ever (see io/errand.h): once a task has an
 * extent, its pages are cleared and it is truncated in an errand, one at a time for each extent. In
 * the meantime
 *     - replies to its task wait (see seat.h), and audits leave the extent out;
 *     - the extent is not yet back: it counts for its user's share until it is.
 * Pages that the core wants cleared later are cleared after some milliseconds, or when there are many,
 * unless they are written before that. Nobody waits for it.
 *
 * A copy reads an extent at once: pread waits for nobody. Holes of an extent that a task has are filled at
 * once, too, in a way that waits for nobody (os/holes.h); where pages are there already, or that cannot be had, it
 * is written in its errand, with the contents as they were read; until that is done these count as its contents.
 *
 * A task whose extent cannot be cleared for BACKING_LATE_NS is ended. */
#ifndef PHYSMEM_BACKING_H
#define PHYSMEM_BACKING_H

#include "service.h"

#define BACKING_LATE_NS UINT64_C(10000000000)

/* Extents are shared out by user id, and among the tasks of one user: see base/allotment.h. A task of
 * physmem's own user may have some in any case, if there are any. */
#define BACKING_SHARE_USER 8u
#define BACKING_SHARE_TASK 4u
#define BACKING_SHARE_OWN  8u

/* PHYSMEM_EXTENT_CREATE, .._SEND, .._PUNCH, .._KEEP, .._COPY, .._AUDIT, .._DESTROY. */
void backing_make(struct service *service, const struct physmem_effect *effect);
void backing_send(struct service *service, const struct physmem_effect *effect);
void backing_punch(struct service *service, const struct physmem_effect *effect);
void backing_keep(struct service *service, const struct physmem_effect *effect);
void backing_copy(struct service *service, const struct physmem_effect *effect);
void backing_audit(struct service *service, const struct physmem_effect *effect);
void backing_destroy(struct service *service, const struct physmem_effect *effect);

/* Pages of an extent are given to a task, by a reply that follows: if they are leased from another
 * physmem, the reply waits until they are there. */
void backing_use(struct service *service, struct seat *seat, uint32_t descriptor, uint32_t first,
                 uint32_t count);

/* Events of a lease, whose owner is a backing: see lease.h. */
void backing_ready(void *owner);
void backing_refused(void *owner);

/* The handle of the extent of a backing that owns a lease. */
uint32_t backing_extent(const void *owner);

/* Read a page of an extent as it will be once all changes are made: SP_PAGE_SIZE bytes. What its task has cut off reads
 * as zeros. Returns 0 or a negative errno. */
int backing_read(struct service *service, uint32_t descriptor, uint32_t page, uint8_t *bytes);

/* The descriptor of an extent of physmem's own, to be given to the swap server; it stays physmem's. */
int backing_lend(struct service *service, uint32_t descriptor);

/* End tasks whose extents should have been cleared by now. */
void backing_end_late(struct service *service);

/* Free the table. Extents that are not back yet are left behind. */
void backing_fini(struct service *service);

#endif
