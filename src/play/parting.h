/* Parts of contracts: an actor splits them off once its contracts are concluded, for actors that live from them.
 *
 * A part comes back when the actor that lives from it ends. Where that one comes again, as in a storm, the one above splits
 * it off once more.
 *
 * The process of such an actor starts at its time, or when the actor above it has split its part off, if that is later. If
 * the one above has ended for good before, the actor starts, and cannot have the part. */
#ifndef PLAY_PARTING_H
#define PLAY_PARTING_H

#include "play/actor.h"

/* Ask for the part of this number in the actor's configuration. Sets actor->asked, unless there is no memory. */
void parting_ask(struct actor *actor, uint32_t number);

/* That was answered: the part is there. */
void parting_heard(struct actor *actor, uint32_t number, const struct physmem_effect *effect);

/* Claim the part that the actor is to live from. Sets actor->asked, unless there is no memory. */
void parting_claim(struct actor *actor);

/* It is time for the actor to start. False: its process does not run yet; there will be another SCENE_START. */
bool parting_starts(struct actor *actor);

/* An answer has come that nobody waits for: perhaps that to the request for a part once more. */
void parting_heard_again(struct actor *actor, const struct physmem_effect *effect);

/* A life of the actor has ended, for good or not: its parts are gone. */
void parting_end(struct actor *actor, bool for_good);

#endif
