/* A physmem that is a task of another one: its messages to that, and what it makes of the answers. The rules are those
 * of core/physmem/upstream.h.
 *
 * Where frames lie above, and what it asks, is decided by core/leases/lessee.h, as in a live one (sim/physmem/lease.h):
 * its effects become letters, and letters answers. Rights that are asked back above are asked back from the tasks that have
 * them. */
#ifndef PLAY_LESSEE_H
#define PLAY_LESSEE_H

#include "play/scene.h"

/* The physmem whose task this is, by the identity that it has above; NULL: it is an actor's. */
struct scene_physmem *lessee_find(struct scene *scene, const void *peer);

/* The physmem above says something to it: a letter goes down. With lessee.opens an answer is there at once. */
void lessee_tell(struct scene *scene, struct scene_physmem *physmem,
                 const struct physmem_effect *effect);

/* Its core wants frames from above, or gives some back: letters go up. */
void lessee_carry_out(struct scene *scene, struct scene_physmem *physmem,
                      const struct physmem_effect *effect);

/* Carry out what its leases want done; what the core wants done then is the caller's to carry out. Returns whether there was
 * anything. */
bool lessee_go_on(struct scene *scene, struct scene_physmem *physmem);

/* A letter has come down. Does not take it. What the core wants done then is the caller's to carry out. */
void lessee_hear(struct scene *scene, struct scene_physmem *physmem, const struct letter *letter);

/* A letter of its own, and its way up; NULL without memory. */
struct letter *lessee_letter(struct scene *scene, struct scene_physmem *physmem,
                             enum letter_kind kind);
void lessee_post(struct scene *scene, struct scene_physmem *physmem, struct letter *letter,
                 bool control);

/* It has ended: free what it knew of what it had above. */
void lessee_end_all(struct scene *scene, struct scene_physmem *physmem);

/* Whether frames held above are those that are here, if none is on its way. */
bool lessee_agrees(const struct scene_physmem *physmem);

#endif
