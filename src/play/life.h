/* An actor comes and goes. */
#ifndef PLAY_LIFE_H
#define PLAY_LIFE_H

#include "play/actor.h"

/* An actor that is not there yet. `config` and the scene outlive it. */
void life_init(struct actor *actor, struct scene *scene, const struct actor_config *config,
               uint32_t number);

/* It begins a life: physmem knows it as actor->task. Physmem's answers go to life_answered. */
void life_begin(struct actor *actor);

/* Physmem has answered its next step of coming. */
void life_answered(struct actor *actor, const struct physmem_effect *effect);

/* Its program has ended: all connections end, and its memory is free. */
void life_leave(struct actor *actor);

/* Free what it has. */
void life_fini(struct actor *actor);

#endif
