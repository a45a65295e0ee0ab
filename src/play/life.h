/* An actor comes and goes. */
#ifndef PLAY_LIFE_H
#define PLAY_LIFE_H

#include "play/actor.h"
#include "play/reading.h"

/* An actor that is not there yet. `config` and the scene outlive it. */
void life_init(struct actor *actor, struct scene *scene, const struct actor_config *config,
               uint32_t number);

/* It begins a life: physmem knows it as actor->task. Physmem's answers go to life_answered. */
void life_begin(struct actor *actor);

/* Physmem has answered its next step of coming. */
void life_answered(struct actor *actor, const struct physmem_effect *effect);

/* What sharing a container with the file server has come to, while the actor comes. */
void life_hear_files(struct actor *actor, enum reading_result what);

/* Its program has ended: all connections end, and its memory is free. */
void life_leave(struct actor *actor);

/* Free what it has. */
void life_fini(struct actor *actor);

/* The largest pages that a task may have: one message to swap carries them whole. */
#define LIFE_ORDER_MAX 6u

/* NULL if a task can have all these contracts at once, as far as the size of its pages goes; or what is wrong. Static. */
const char *life_contracts_wrong(const struct wanted_contract *wanted, uint32_t count);

/* What the actor has counted, in base pages. */
struct sp_stats life_stats(const struct actor *actor);

#endif
