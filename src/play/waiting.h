/* Letters of actors that wait for swap's device, and contracts for its bandwidth, as those of a live server: where the scene
 * has no bandwidth to promise, none waits (core/swap/rota.h, bandwidth.h). */
#ifndef PLAY_WAITING_H
#define PLAY_WAITING_H

#include "play/actor.h"

/* Whether loads go through the server, which counts their pages: of all actors, or of none. */
static inline bool waiting_is_metered(const struct scene *scene)
{
    return scene->bandwidth > 0;
}

/* The contract that the actor's configuration asks for. Returns 0 (also if it asks for none), or an error of
 * bandwidth_judge; -EOPNOTSUPP: swap makes none. */
int waiting_contract(struct actor *actor);

/* The contract ends, and letters that wait are dropped. */
void waiting_leave(struct actor *actor);

/* A letter with stores or loads waits. Takes it. */
void waiting_add(struct actor *actor, struct letter *letter);

/* What a letter takes of a turn, in pages. */
uint32_t waiting_cost(const struct letter *letter);

/* The first letter that waits, which there is, does so no longer. */
struct letter *waiting_take(struct actor *actor);

/* Have the server look whose turn it is, at this time or earlier. */
void waiting_look(struct scene *scene, uint64_t when);

#endif
