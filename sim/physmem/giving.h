/* Descriptors of extents are given to tasks, and to the swap server. */
#ifndef PHYSMEM_GIVING_H
#define PHYSMEM_GIVING_H

#include "service.h"

/* PHYSMEM_EXTENT_SEND. The descriptor of a lease follows when it is there. */
void giving_send(struct service *service, const struct physmem_effect *effect);

/* Pages of an extent are given to a task, by a reply that follows: if they are leased from another
 * physmem, the reply waits until they are there. */
void giving_use(struct service *service, struct seat *seat, uint32_t descriptor, uint32_t first,
                uint32_t count);

/* Events of a lease, whose owner is a backing: see lease.h. */
void giving_ready(void *owner);
void giving_refused(void *owner);

/* The descriptor of an extent of physmem's own, to be given to the swap server; it stays physmem's. */
int giving_lend(struct service *service, uint32_t descriptor);

#endif
