/* Whose letter swap's device takes next, where swap makes contracts for bandwidth. */
#ifndef PLAY_METERING_H
#define PLAY_METERING_H

#include "play/actor.h"

/* SCENE_TURNS: give turns until the device has enough to do, or nothing may begin. */
void metering_look(struct scene *scene);

#endif
