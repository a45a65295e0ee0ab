/* The memory that a physmem which rests on another one lets to its tasks: a lease behind each extent (core/leases/lessee.h).
 *
 * A reply that gives a task rights to pages waits until they are there, and all later replies to this task behind it, as in
 * a live one (sim/physmem/giving.h). */
#ifndef PLAY_LETTING_H
#define PLAY_LETTING_H

#include "play/scene.h"

/* What its core wants done about an extent; to be called before the shell does it. */
void letting_carry_out(struct scene *scene, struct scene_physmem *physmem,
                       const struct physmem_effect *effect);

/* A task gets the rights to pages, by a reply of kind PHYSMEM_REPLY_MAPPED: these are used from now on. Replies to the task
 * wait until they are there. */
void letting_use(struct scene *scene, struct scene_physmem *physmem,
                 const struct physmem_effect *effect, struct scene_holds *holds);

/* Send a reply to a task, now or when others do not wait any more. Takes it. */
void letting_reply(struct scene *scene, struct scene_holds *holds, struct letter *letter,
                   uint64_t *lane, enum scene_event event, uint64_t later);

/* A lease is ready; its owner is an extent. */
void letting_ready(struct scene *scene, void *owner);

/* Of the extent that has a lease: its handle, and the task that it was made for, as its physmem knows it. */
uint32_t letting_extent(const void *owner);
void *letting_peer(const void *owner);

/* A task connects, or is gone for good: nothing waits for it. */
void letting_forget(struct scene *scene, struct scene_holds *holds);

/* The physmem has ended, and its leases with it. */
void letting_end(struct scene *scene, struct scene_physmem *physmem);

#endif
