/* What befalls physmem and swap as processes: they end, are started again, hang and go on.
 *
 * A task is connected to both. It ends when one of them has ended, half a round trip later, and does nothing in
 * between. One that hangs itself hears of it when it goes on. */
#ifndef PLAY_OUTAGE_H
#define PLAY_OUTAGE_H

#include "play/actor.h"

/* The server ends: what it held is gone. Its counters stay in the scene. With a physmem those that rest on it
 * are lost. */
void outage_end(struct scene *scene, enum scene_server which, struct actor *actors, uint32_t count);

/* Physmems that are lost, since all was taken from them above, take all from their tasks, and end a round trip later
 * (SCENE_LOST). To be called after each event. */
void outage_lose(struct scene *scene);

/* A server hangs: what is sent to it from now on lies there until it goes on. */
void outage_hang(struct scene *scene, enum scene_server which);

/* It goes on, and reads that. */
void outage_resume(struct scene *scene, enum scene_server which, struct actor *actors);

/* Whether an entry is for a server that does not read it now. The letter is kept, or was for one that has ended. */
bool outage_takes(struct scene *scene, const struct actor *actors, const struct queue_entry *entry);

/* Have the server that an entry is for read it. */
void outage_read(struct scene *scene, struct actor *actors, enum scene_event event,
                 struct letter *letter);

/* Whether a signal does nothing to a process that has not asked for it; and to a server, which ignores more. */
bool outage_is_ignored(int signal);
bool outage_server_ignores(int signal);

#endif
