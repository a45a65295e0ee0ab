/* A slot whose frame was given up softly gets it back. */
#ifndef CORE_PHYSMEM_SOFT_H
#define CORE_PHYSMEM_SOFT_H

#include "core/physmem/state.h"

/* Take back the frame of a slot, which may have it anyway. Returns 0, ENOENT (it was reused, or there never was one)
 * or ENOMEM (not within what the contracts of the owner allow now). */
int soft_recover(struct physmem *physmem, struct container *container, uint32_t slot);

#endif
