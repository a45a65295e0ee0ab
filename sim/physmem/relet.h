/* This physmem as a task of another one: its contracts there, and the messages about them. What they mean for
 * frames here is decided by the core (core/physmem/upstream.h); lease.h says where the frames lie. */
#ifndef PHYSMEM_RELET_H
#define PHYSMEM_RELET_H

#include "service.h"

/* Connect, conclude the contracts, and take hold of all frames that they promise. Waits. Sets
 * service->relet, and changes `config` to what physmem can then be. Returns 0, or a negative errno with
 * a text; relet_end in both cases. */
int relet_open(struct service *service, const struct physmem_options *options,
               struct physmem_config *config, struct sp_error *error);

/* Extents that this physmem can have, if it could have `most` of its own: what the one above allows for its contracts, of
 * which each is a lease. */
uint32_t relet_extents_most(const struct relet *relet, uint32_t most);

/* Tell the core, which has just been made, what it has, and listen to the physmem above from now on.
 * Returns 0, or a negative errno with a text. */
int relet_start(struct service *service, uv_loop_t *loop, struct sp_error *error);

/* The server stops. */
void relet_stop(struct service *service);

/* Free what there is. */
void relet_end(struct service *service);

#endif
