/* The tables that physmem shares with a policy server, in a play. */
#ifndef PLAY_POLICYTABLE_H
#define PLAY_POLICYTABLE_H

#include "play/scene.h"

/* Have physmem use a table with room for all its tasks: a new one, unless that of now will do. False without memory. */
bool policytable_make(struct scene *scene);

/* The one that it uses; NULL: none. */
struct control_table *policytable_current(const struct scene *scene);

/* Free all. Physmem must not run after that. */
void policytable_fini(struct scene *scene);

#endif
