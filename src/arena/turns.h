#ifndef ARENA_TURNS_H
#define ARENA_TURNS_H

#include "arena/state.h"

/* All tasks have their turns, until none has anything to say to physmem in this step. */
void turns_take(struct arena *arena);

#endif
