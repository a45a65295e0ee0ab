/* A task that reads files: it has a container of CHUNKS_PAGES frames beside its regions, which it shares with the file
 * server. A read takes what a live one does (task/api/files.c): the server copies there, the task maps what came, and gives
 * the mapping up. */
#ifndef PLAY_READING_H
#define PLAY_READING_H

#include "play/actor.h"

/* The longest lock of the container that it permits. */
#define READING_LOCK_NS UINT64_C(5000000000)

/* What becomes of a read, or of its beginning. */
enum reading_result {
    READING_WAITS,
    READING_DONE,
    READING_AGAIN,  /* it has to be asked for again, later */
    READING_FAILED, /* the program gives up */
};

/* How many files its workload reads. */
uint32_t reading_files(const struct actor *actor);

/* Its contracts are concluded: the container is made and shared. reading_heard, and reading_answered, say how that goes on. */
void reading_come(struct actor *actor);

/* The program's step is a read. */
void reading_ask(struct actor *actor);

/* Whether it waits for what a read needs. */
bool reading_waits(const struct actor *actor);

/* Physmem grants the right to what was read, into this letter: it is what the file holds, or a rule is broken. */
void reading_look(struct actor *actor, struct letter *letter);

/* The answer of physmem, or of the file server (0, or an errno value). */
enum reading_result reading_heard(struct actor *actor, const struct physmem_effect *effect);
enum reading_result reading_answered(struct actor *actor, int error);

/* Its life is over. */
void reading_leave(struct actor *actor);

#endif
