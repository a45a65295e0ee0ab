/* A task's place: its connections, and replies that have to wait. */
#ifndef PHYSMEM_SEAT_H
#define PHYSMEM_SEAT_H

#include "service.h"

/* Replies to one task that may wait; one more ends it. */
#define SEAT_HELD_MAX 256u

/* A seat with one reference. NULL: no memory. */
struct seat *seat_new(struct connection *request);

/* Give up a reference. */
void seat_release(struct seat *seat);

/* The seat of the task that an effect is about. */
struct seat *seat_of(const struct physmem_effect *effect);

/* Send service->message, a reply, once no extent of the task is being cleared any more: pages that it
 * gives back are gone when it hears so, and what it writes to pages that it gets stays. */
void seat_reply(struct service *service, struct seat *seat, bool control);

/* One extent of the task less is being cleared: send what waited for that. */
void seat_cleared(struct service *service, struct seat *seat);

/* End the task, for what it has done to its memory or what was lost of it. Replies that wait are not
 * sent, nor is any after this: the task must not go by what is no longer true. */
void seat_end(struct seat *seat, const char *why);

#endif
