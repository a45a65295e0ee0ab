/* Starting the servers of a play, in the beginning and again after they have ended. */
#ifndef PLAY_STARTING_H
#define PLAY_STARTING_H

#include "play/play.h"

/* The first physmem; the swap server, if the play has one. Return 0 or -ENOMEM. */
int starting_physmem(struct play *play);
int starting_swap(struct play *play);

/* A physmem that rests on another one. Returns NULL, or why it cannot start: static, or in `why`. */
const char *starting_stacked(struct play *play, struct scene_physmem *physmem,
                             char why[SCENE_TEXT]);

/* All of these, in the beginning. Returns 0, -ENOMEM, or -ECONNREFUSED: scene.wrong says which cannot start, and why. */
int starting_all_stacked(struct play *play);

/* The file server; 0, -ENOMEM or -ECONNREFUSED: scene.wrong says why. */
int starting_files(struct play *play);

#endif
