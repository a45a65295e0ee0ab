/* The hash of a play: two plays in which the same happened have the same one. */
#ifndef PLAY_DIGEST_H
#define PLAY_DIGEST_H

#include "play/play.h"

/* Mix an event into the hash, and the state in which it leaves its actor; and, of one between two physmems, what the one below
 * believes that it has from the other (NULL: it is none). */
void digest_event(struct play *play, const struct queue_entry *entry, const struct actor *actor,
                  const struct scene_lessee *lessee);

#endif
