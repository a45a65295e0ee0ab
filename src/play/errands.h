/* What the pager wants done that takes a message: letters to the servers. */
#ifndef PLAY_ERRANDS_H
#define PLAY_ERRANDS_H

#include "play/actor.h"

/* Give frames back, if there are some to give. */
void errands_return(struct actor *actor, struct pager_work *errands);

/* Send what is for swap, if there is anything, and remember in whose name. */
void errands_swap(struct actor *actor, struct pager_work *errands, enum scene_lane lane);

/* Give back what could be stored of these stores of an answer. */
void errands_free(struct actor *actor, const struct letter *answer, uint32_t first, uint32_t count);

/* Have the pages read that are to be loaded: as a live task, from its own file in swap, without a message; or by the
 * server, where that makes contracts for bandwidth. */
void errands_load(struct actor *actor, struct pager_work *errands);

/* Begin to read the pages of a letter. SCENE_DEVICE_LOADED says that they have been read. */
void errands_read(struct actor *actor, struct letter *letter);

/* Do what is left after a call into the pager that brings nothing to wait for, in the name of the
 * control thread. */
void errands_finish(struct actor *actor, struct pager_work *errands);

/* A letter from the actor; NULL without memory. */
struct letter *errands_letter(struct actor *actor, enum letter_kind kind);

/* Send a letter to physmem. */
void errands_post(struct actor *actor, struct letter *letter, enum scene_lane lane);

/* The program's thread goes on after so long. */
void errands_turn(struct actor *actor, uint64_t after);

/* Something has ended that threads may wait for. */
void errands_signal(struct actor *actor);

#endif
