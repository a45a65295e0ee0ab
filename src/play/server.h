/* Physmem and swap, as the messages of actors reach them. */
#ifndef PLAY_SERVER_H
#define PLAY_SERVER_H

#include "play/actor.h"

/* An actor connects to physmem: sets actor->task. False without memory. */
bool server_connect(struct actor *actor);

/* A letter has come to physmem. Takes it. */
void server_physmem(struct actor *actor, struct letter *letter);

/* A letter has come to the physmem above from one that is its task. Takes it. */
void server_above(struct scene *scene, struct scene_physmem *below, struct letter *letter);

/* A physmem connects to the one above: sets lessee.task. False without memory. It leaves: its connections have ended. */
bool server_enter(struct scene *scene, struct scene_physmem *below);
void server_leave(struct scene *scene, struct scene_physmem *below);

/* Carry out what every physmem wants done: messages go out to actors, and from one to another. */
void server_effects(struct scene *scene);

/* A letter has come to swap. Takes it. */
void server_swap(struct actor *actor, struct letter *letter);

/* Have the device begin with the stores, or the loads, of a letter that has waited for it. False: it has to wait, since
 * slots are leaving. */
bool server_begin(struct actor *actor, struct letter *letter);

/* Note what is said of a task that has gone: what it came to, and nothing that it has now. */
void server_note_end(struct actor *actor);

/* The device has done the stores, or the load, of a letter. Takes it. */
void server_stored(struct actor *actor, struct letter *letter);
void server_loaded(struct actor *actor, struct letter *letter);

/* The file server becomes a task of the first physmem. False: there is no memory. */
bool server_enter_files(struct scene *scene);

#endif
