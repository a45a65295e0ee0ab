/* Frames that physmem takes by itself. */
#ifndef CORE_PHYSMEM_REPOSSESS_H
#define CORE_PHYSMEM_REPOSSESS_H

#include "core/physmem/state.h"

/* Take the frames that are missing from a recall, and say which. False if those that are not vital
 * are too few; nothing is taken then. */
bool repossess_missing(struct physmem *physmem, struct recall *recall);

#endif
