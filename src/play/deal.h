/* The contracts of an actor, as its library keeps them. */
#ifndef PLAY_DEAL_H
#define PLAY_DEAL_H

#include "play/actor.h"

/* Tell the pager what the active contracts add up to, less what a container for files has. */
void deal_allow(struct actor *actor);

/* An offer has come. */
void deal_note(struct actor *actor, const struct physmem_effect *effect);

/* The first contract of this kind: its number, or 0. */
uint32_t deal_first(const struct actor *actor, enum sp_contract_kind kind);

/* A part of a contract was split off. */
void deal_split(struct actor *actor, const struct physmem_effect *effect);

/* A contract has changed by itself. */
void deal_changed(struct actor *actor, const struct physmem_effect *effect);

/* A notice. An expiring contract is renewed if the task renews its contracts. */
void deal_noticed(struct actor *actor, const struct physmem_effect *effect);

#endif
