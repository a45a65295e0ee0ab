/* The request to have pages stored, as it goes on. */
#ifndef CORE_PHYSMEM_SWAP_OUT_H
#define CORE_PHYSMEM_SWAP_OUT_H

#include "core/physmem/state.h"

/* The swap server has answered what a request waits for: `error` is 0, or nothing was reserved. */
void swap_out_stored(struct physmem *physmem, struct physmem_task *task, int error);

/* Finish a request whose own pages are stored, unless it has to wait for those of others. */
void swap_out_go_on(struct physmem *physmem, struct physmem_task *task);

#endif
