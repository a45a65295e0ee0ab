/* This physmem as a task of another one: contracts there, and what is said about them. What that
 * means for frames here is the core's business (core/physmem/upstream.h), where they lie is that of
 * lease.h. */
#ifndef PHYSMEM_RELET_H
#define PHYSMEM_RELET_H

#include "service.h"

/* Connect, conclude the contracts, and take hold of all frames that they promise. Waits. Sets
 * service->relet, and changes `config` to what physmem can then be. Returns 0, or a negative errno with
 * a text; relet_end in both cases. */
int relet_open(struct service *service, const struct physmem_options *options,
               struct physmem_config *config, struct sp_error *error);

/* Tell the core, which has just been made, what it has, and listen to the physmem above from now on.
 * Returns 0, or a negative errno with a text. */
int relet_start(struct service *service, uv_loop_t *loop, struct sp_error *error);

/* The server stops. */
void relet_stop(struct service *service);

/* Free what there is. */
void relet_end(struct service *service);

#endif
