/* Attacks on arbitration policies: a physmem in virtual time, tasks whose need for frames changes
 * all the time, and among them one that cheats.
 *
 * Tasks ask for frames as a live pager does: in batches of 8 to 64, one after the other, and state on
 * their frame stacks how many they would use. What the arbiter sees is what it sees of live tasks.
 *
 * Pure: physmem is the real core, all else is arithmetic; an outcome is a function of the arbiter,
 * the attack and the seed. Attacks that need real memory (to touch pages that were given back) are not
 * played: no arbiter sees those, physmem's audit does. */
#ifndef ARENA_ARENA_H
#define ARENA_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "arbiter/registry.h"
#include "arena/attack.h"
#include "base/allocator.h"

#define ARENA_FRAMES   ATTACK_ALL
#define ARENA_PLAYERS  5u /* the first of which is the attacker */
#define ARENA_GRACE_NS UINT64_C(1000000000)
#define ARENA_STEP_NS  UINT64_C(100000000)

struct arena_setup {
    const struct allocator *allocator;
    const struct arbiter_choice *arbiter;
    enum attack attack;
    bool honest; /* the attacker does not attack */
    uint64_t seed;
};

/* What one side had. Frames times seconds. */
struct arena_side {
    double needed;
    double useful;      /* held, as far as needed */
    uint32_t revoked;   /* times a task of it lost everything */
    uint64_t refused;   /* requests for extra frames that got nothing */
    uint64_t wait_ns;   /* the longest for frames within a guarantee */
    uint32_t countered; /* proposals that were not accepted as they were */
};

struct arena_outcome {
    struct arena_side attacker;
    struct arena_side victims; /* all others together */
    uint64_t overruled;        /* times the arbiter said what it may not */
    uint64_t recalls;
    const char *wrong; /* NULL, or what is wrong with physmem's books */
};

/* Play. Returns 0 or -ENOMEM. */
int arena_play(const struct arena_setup *setup, struct arena_outcome *outcome);

#endif
