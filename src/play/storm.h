/* What goes wrong in a play, and when: a function of the seed.
 *
 * Each kind of fault strikes each actor at times of its own, drawn from random numbers that are the actor's
 * and the kind's: an actor, or a kind, less changes no other fault. After a while the storm is over, and
 * whoever lives must get on. */
#ifndef PLAY_STORM_H
#define PLAY_STORM_H

#include "play/actor.h"

/* X(NAME, name, what it is) */
#define STORM_KINDS(X)                                                                             \
    X(DELAY, delay, "messages from and to a task come later")                                      \
    X(HANG, hang, "a task does nothing for a while, and hears nothing")                            \
    X(DIE, die, "a task dies, and comes again")                                                    \
    X(DROP, drop, "the connections of a task are lost: it ends, and comes again")                  \
    X(SLOW, slow, "swap takes longer")                                                             \
    X(FAIL, fail, "writes to swap fail")                                                           \
    X(FULL, full, "swap has no room for tasks that come")                                          \
    X(REPLACE, replace, "the policy server dies, and another one takes its place")                 \
    X(HURRY, hurry, "recalls have to be met sooner than contracts say")                            \
    X(PACE, pace, "messages, swap and programs are faster or slower, or in step")                  \
    X(TIES, ties, "what happens at one time happens in any order")

enum storm_kind {
#define STORM_ENUM(NAME, name, what) STORM_##NAME,
    STORM_KINDS(STORM_ENUM)
#undef STORM_ENUM
        STORM_COUNT
};

_Static_assert(STORM_COUNT == ACTOR_FAULTS, "an actor has random numbers for each kind");

#define STORM_ALL ((1u << STORM_COUNT) - 1)

/* The kinds that a seed draws: each is there for half of the seeds, or for fewer of them; how often it strikes, and whom,
 * and how long it lasts, is drawn, too (storm_begin). */
uint32_t storm_swarm(uint64_t seed);

/* The first fault of each of these kinds (bits) for each actor, up to time `until`. Each strikes each actor once in `every`
 * nanoseconds, in the mean; 0: so often, and as long, as the seed draws. The entries in the queue are SCENE_FAULT, with the
 * kind as their value. STORM_HURRY strikes tasks as they come, STORM_PACE the whole play until then, and STORM_TIES to its end. */
void storm_begin(struct scene *scene, struct actor *actors, uint32_t count, uint32_t kinds,
                 uint64_t seed, uint64_t until, uint64_t every);

/* Costs in a storm with STORM_PACE. */
struct costs storm_pace(uint64_t seed, const struct costs *costs);

/* Apply the fault that is due for an actor, and draw the time of the next of its kind. Faults of servers are
 * drawn in the name of the first actor; that which befalls a policy server is for the caller. */
void storm_strike(struct scene *scene, struct actor *actor, enum storm_kind kind, uint64_t until);

/* End the fault of swap that is under way; SCENE_RELIEF is for the caller with STORM_REPLACE, too. */
void storm_relieve(struct scene *scene, enum storm_kind kind);

/* How long an actor that has lost a life stays away. */
uint64_t storm_absence(struct actor *actor);

#endif
