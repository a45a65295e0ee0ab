/* The control thread of an actor: what physmem says without being asked. */
#ifndef PLAY_CONTROL_H
#define PLAY_CONTROL_H

#include "play/actor.h"

/* Physmem says something over the control connection. */
void control_hear(struct actor *actor, const struct letter *letter);

/* The control thread looks at debts and dirty pages, because a message came or its timer ran out. */
void control_look(struct actor *actor);

/* Swap has answered stores of the control thread. Takes the letter. */
void control_hear_swap(struct actor *actor, struct letter *letter);

#endif
