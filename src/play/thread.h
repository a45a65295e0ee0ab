/* The program's thread of an actor: its references, and what a fault comes to. */
#ifndef PLAY_THREAD_H
#define PLAY_THREAD_H

#include "play/actor.h"
#include "play/reading.h"

/* Exit status of a task that cannot go on. */
#define THREAD_DIED 2

/* The thread has its turn: it makes references until it faults, pauses, or has used up its turn; or goes on
 * with a fault. */
void thread_turn(struct actor *actor);

/* The thread will soon have its turn: what it needs for that is to be in the processor's cache. Nothing is done that anybody
 * could see. */
void thread_expect(const struct actor *actor);

/* Swap has answered the thread. Takes the letter. */
void thread_hear_swap(struct actor *actor, struct letter *letter);

/* Pages were stored, or not, by this thread or another one. Does not take the letter. */
void thread_stored(struct actor *actor, const struct letter *letter);

/* Read answers of swap that the thread has not read yet. */
void thread_read_answers(struct actor *actor);

/* Physmem has answered the request that the thread waits for. Takes the letter. */
void thread_hear_physmem(struct actor *actor, struct letter *letter);

/* What a read that the program waits for has come to. */
void thread_hear_files(struct actor *actor, enum reading_result what);

/* The state of the thread in words. Static. */
const char *thread_about(const struct actor *actor);

/* Physmem has taken everything. A thread that waits for physmem ends at once, another one when it next touches
 * its memory. */
void thread_revoked(struct actor *actor);

/* The program ends with this exit status: nothing of it goes on. */
void thread_end(struct actor *actor, int exit_status);

#endif
