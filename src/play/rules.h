/* The rules that hold after every event of a play. */
#ifndef PLAY_RULES_H
#define PLAY_RULES_H

#include "play/actor.h"

/* Quick rules: what is guaranteed fits, no frame is lost or there twice. A broken rule goes to
 * scene_wrong. */
void rules_check(struct scene *scene, const struct actor *actors, uint32_t count);

/* What an actor believes that it holds and owes is what physmem has written down, whenever nothing is under way between
 * them: a message that nobody heard shows at once, and not when a deadline has passed. */
void rules_check_agreement(struct actor *actor);

/* Whether an actor holds and owes, in its own books, as much as when that was looked at. */
bool rules_have_agreed(const struct actor *actor);

/* Count everything again: the books of physmem and of one actor (NULL: none), whose rights are those that physmem has
 * written down. */
void rules_check_all(struct scene *scene, struct actor *actor);

/* Physmem has taken everything from an actor: was that its due? */
void rules_check_revoked(struct scene *scene, const struct actor *actor);

/* Whether every physmem has noticed that its tasks have ended, and has its frames back: it has no task but physmems that rest
 * on it, which have nothing of it but what is free there. */
bool rules_settled(const struct scene *scene);

#endif
