/* What tasks give to swap: effects of the core as requests to the swap server.
 *
 * Each account of the core is a client of the swap server, with a connection of its own, on which it counts for its
 * task's user (ACCOUNT). It is opened when something is first stored. Nothing here waits: a connection that cannot be
 * made at once fails, what the socket does not take is queued, and answers go back into the core.
 *
 * To store, pages are read from their extents into one of the account's own, which the swap server has: it never has
 * one that a task can write. To load, the swap server has a clean extent as long as the load lasts, and fills it.
 *
 * A swap server that does not answer in time has not lost anything. The request fails, as do later ones at once until the
 * answer has come; what was stored meanwhile is then given back.
 *
 * A connection that ends takes all that was stored over it along: the core is told. The next store makes another. */
#ifndef PHYSMEM_SWAPPER_H
#define PHYSMEM_SWAPPER_H

#include "service.h"

struct swapper_options {
    const char *path;     /* of the swap server's socket; it need not be there yet */
    uint32_t accounts;    /* most of them, of which each user has a share */
    uint64_t patience_ns; /* longest wait for an answer */
};

/* Be ready to store. `run` is called when the loop has told the core something, and is to carry out its effects. Returns
 * 0 or -ENOMEM. */
int swapper_open(struct service *service, uv_loop_t *loop, const struct swapper_options *options,
                 void (*run)(struct service *service));

/* PHYSMEM_SWAP_STORE, .._LOAD, .._RETURN, .._END. */
void swapper_store(struct service *service, const struct physmem_effect *effect);
void swapper_load(struct service *service, const struct physmem_effect *effect);
void swapper_return(struct service *service, const struct physmem_effect *effect);
void swapper_end(struct service *service, const struct physmem_effect *effect);

/* Send what was gathered of slots that nobody needs. Does nothing without a swap server, as swapper_stop and
 * swapper_close. */
void swapper_flush(struct service *service);

/* Close all connections; to be called from the loop. */
void swapper_stop(struct service *service);

/* Free everything after the loop has ended. */
void swapper_close(struct service *service);

#endif
