/* The state of the arena. */
#ifndef ARENA_STATE_H
#define ARENA_STATE_H

#include "arena/arena.h"
#include "arena/member.h"
#include "arena/need.h"
#include "world/clock.h"
#include "world/physmem_shell.h"

#define PLAYED_NS   (60 * SECOND)
#define COUNTS_NS   (15 * SECOND) /* from then on; all are there and settled by then */
#define MEMBERS_MAX (ARENA_PLAYERS - 1 + ATTACK_PARTS_MAX)

struct arena {
    const struct arena_setup *setup;
    struct physmem *physmem;
    struct physmem_shell shell;
    uint64_t now;
    struct random_source random;   /* of turns */
    struct random_source sampling; /* of pages */
    struct need need[ARENA_PLAYERS];
    struct attack_behaviour attacker, honest;
    struct member member[MEMBERS_MAX];
    uint32_t members;
    uint32_t seq;
    bool sampled; /* pages are mapped, and sampled for an arbiter that wants to know */
    struct arena_outcome *outcome;
    bool failed; /* there is no memory */
};

static inline struct arena_side *state_side_of(struct arena *arena, const struct member *member)
{
    return member->player == 0 ? &arena->outcome->attacker : &arena->outcome->victims;
}

static inline bool state_counts(const struct arena *arena)
{
    return arena->now >= COUNTS_NS;
}

/* A request of the member with a number of its own. */
static inline struct physmem_request state_request(struct arena *arena, struct member *member)
{
    return (struct physmem_request){.task = member->task, .seq = ++arena->seq};
}

#endif
