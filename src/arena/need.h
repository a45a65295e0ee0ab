/* How many frames a player needs, over time: phases of random length and height. */
#ifndef ARENA_NEED_H
#define ARENA_NEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct need {
    struct random_source random;
    uint32_t frames;
    uint64_t until;
};

/* A course of needs that depends on `seed` alone. */
struct need need_begin(uint64_t seed);

/* What is needed at time `now`, which never runs backwards. */
uint32_t need_at(struct need *need, uint64_t now);

#endif
