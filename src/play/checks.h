/* Which rules of rules.h are looked at after an event of a play, and how often. */
#ifndef PLAY_CHECKS_H
#define PLAY_CHECKS_H

#include "play/play.h"

/* Time has to pass, or a play would never be over. */
void checks_time(struct play *play);

/* The quick rules: of the books of physmems, which stay as they are while none takes part; and of what the actor of an event
 * believes, which a turn of its program leaves as it is unless it changes what the pager has counted. */
void checks_quickly(struct play *play, const struct queue_entry *entry, struct actor *actor);

/* All rules, of all; `actor` is the one that is counted anew, NULL: none. */
void checks_all(struct play *play, struct actor *actor);

#endif
