/* Attacks on arbitration policies: a physmem in virtual time, tasks whose need for frames changes
 * all the time, and among them one that cheats. The same is played twice, with the same needs: once
 * the cheater is honest, once not. What it gained by cheating, and what the others lost, is the
 * outcome.
 *
 * Pure: physmem is the real core, all else is arithmetic; an outcome is a function of the arbiter,
 * the attack and the seed. Nothing is said here about attacks that need real memory (touching pages
 * that were given back): no arbiter sees those, physmem's audit does. */
#ifndef ARENA_ARENA_H
#define ARENA_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include "arbiter/registry.h"
#include "base/allocator.h"

#define ARENA_FRAMES     1000u
#define ARENA_PLAYERS    5u   /* the first of which is the attacker */
#define ARENA_GUARANTEED 100u /* frames of each, guaranteed; beyond, as many as it gets */
#define ARENA_GRACE_NS   UINT64_C(1000000000)
#define ARENA_STEP_NS    UINT64_C(100000000)

/* X(NAME, name): the attacks, in the order in which users see them. */
#define ARENA_ATTACKS(X)                                                                           \
    X(HOARD, hoard)                                                                                \
    X(RESERVE, reserve)                                                                            \
    X(INFLATE, inflate)                                                                            \
    X(RETAKE, retake)                                                                              \
    X(SLOW, slow)                                                                                  \
    X(FORK, fork)                                                                                  \
    X(SPLIT, split)                                                                                \
    X(DIRTY, dirty)                                                                                \
    X(CLAIM, claim)                                                                                \
    X(BUSY, busy)                                                                                  \
    X(GHOSTS, ghosts)

enum arena_attack {
#define ARENA_ATTACK(NAME, name) ARENA_##NAME,
    ARENA_ATTACKS(ARENA_ATTACK)
#undef ARENA_ATTACK
        ARENA_ATTACK_COUNT,
};

/* "hoard", and one line on what the attacker does. Static. */
const char *arena_attack_name(enum arena_attack attack);
const char *arena_attack_summary(enum arena_attack attack);

struct arena_setup {
    const struct allocator *allocator;
    const struct arbiter_choice *arbiter;
    enum arena_attack attack;
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

/* An attack, from so many seeds: with it and without it. */
struct arena_verdict {
    struct arena_outcome honest, attacked; /* sums, and the longest of the waits */
    double gain;                           /* of the attacker: useful frames attacking / honest */
    double loss; /* of the others: useful frames while it attacks / while it is honest */
};

/* Returns 0 or -ENOMEM. */
int arena_judge(const struct allocator *allocator, const struct arbiter_choice *arbiter,
                enum arena_attack attack, uint64_t seed, unsigned rounds,
                struct arena_verdict *verdict);

#endif
