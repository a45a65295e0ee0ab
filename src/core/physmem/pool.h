/* The pool: all frames of the configuration or, under another physmem, the frames that are held there. The others
 * stay free in the frame table and are never given out. */
#ifndef CORE_PHYSMEM_POOL_H
#define CORE_PHYSMEM_POOL_H

#include "core/physmem/state.h"

/* Begin with all frames in the pool, or with none if physmem is stacked. */
void pool_start(struct physmem *physmem);

/* Give soft frames back until `need` frames, of those that are available, are free. */
void pool_make_free(struct physmem *physmem, uint32_t need);

/* As many frames more are held above. */
void pool_grow(struct physmem *physmem, uint32_t frames);

/* Note that the physmem above has recalled frames that are there. They are due at `when`. */
void pool_owe(struct physmem *physmem, uint32_t frames, uint64_t when);

/* Give back what is due above and is free. */
void pool_settle(struct physmem *physmem);

/* Ask above for what contracts there promise and is not there, or for as many extra frames as are
 * wanted. At most one question is open. */
void pool_ask(struct physmem *physmem, uint32_t wanted);

#endif
