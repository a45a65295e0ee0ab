/* What the pages of an actor hold. Each page carries its number and how often it was written, so that a
 * lost or a mixed-up one shows. */
#ifndef PLAY_PAGES_H
#define PLAY_PAGES_H

#include "play/actor.h"

/* The contents of a slot's frame that lies in this extent; NULL if physmem has taken it. */
uint64_t *pages_at(const struct actor *actor, uint32_t handle, uint32_t slot);

/* Physmem has said where slots lie; other letters say nothing about that. False: they lie in an extent that takes
 * the place of another one, which physmem has taken by force, and the actor has not heard of that yet. Until it
 * has, it cannot act on the letter, as a live task cannot. */
bool pages_hear(struct actor *actor, const struct letter *letter);

/* A kernel around the pager of a life that begins: a mapping goes to the extent that its slot lies in, as far as
 * the task has heard. */
void pages_surround(struct actor *actor);

/* The program will soon take these steps: the books of the pages that they refer to are to be in the processor's cache. And,
 * once they are there, the frame of a page. Nothing is done that anybody could see. */
void pages_expect(const struct actor *actor, const struct walk_step *steps, uint32_t count);
void pages_expect_frame(const struct actor *actor, uint32_t page);

/* The program refers to a page that it may. What it finds there must be right. False: physmem has taken the
 * frame, and the actor has not heard of it yet. */
bool pages_refer(struct actor *actor, uint32_t page, bool write);

/* Whether each page holds, in its frame and in swap, what was written there last; what is on its way is passed over.
 * UINT32_MAX if all do, or the first page of the region that does not. */
uint32_t pages_audit(struct actor *actor);

/* A callback fills the frame of a page. */
void pages_refill(struct actor *actor, sp_page page, uint32_t slot);

/* Contents have come from swap. */
void pages_load(struct actor *actor, uint32_t slot, uint64_t contents);

#endif
