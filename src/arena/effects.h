#ifndef ARENA_EFFECTS_H
#define ARENA_EFFECTS_H

#include "arena/state.h"

/* Take all that physmem says, and have each task note what concerns it. */
void effects_take(struct arena *arena);

#endif
