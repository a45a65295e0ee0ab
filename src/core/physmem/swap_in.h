/* The request to have pages back, as it goes on. */
#ifndef CORE_PHYSMEM_SWAP_IN_H
#define CORE_PHYSMEM_SWAP_IN_H

#include "core/physmem/state.h"

/* A clean extent was made, or (`error`) could not be. False: it is for no request to swap that waits. */
bool swap_in_extent(struct physmem *physmem, struct extent *extent, uint32_t descriptor, int error);

/* What a request waits for was loaded: errors[i] of its page i. */
void swap_in_loaded(struct physmem *physmem, struct physmem_task *task, const uint32_t *errors,
                    uint32_t count);

/* See how far a request that waited for others can get now. */
void swap_in_go_on(struct physmem *physmem, struct physmem_task *task);

#endif
