#ifndef ARENA_ENTRY_H
#define ARENA_ENTRY_H

#include "arena/state.h"

/* A task comes, with its contracts, a container and a frame stack. */
void entry_come(struct arena *arena, struct member *member);

/* A task that has lost everything ends, and comes again in a while. */
void entry_leave(struct arena *arena, struct member *member);

#endif
