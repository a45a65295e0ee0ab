/* Events of a play in words, for a person who reads which one was the last. */
#ifndef PLAY_TELLING_H
#define PLAY_TELLING_H

#include "play/scene.h"

/* What happens: "physmem hears". Static. */
const char *telling_of_event(const struct queue_entry *entry);

/* What the letter of an event that has not happened yet is about: "frames come back". Static; NULL: it is no letter. */
const char *telling_of_letter(const struct queue_entry *entry);

#endif
