/* What the files of the arena share. */
#ifndef ARENA_INNER_H
#define ARENA_INNER_H

#include "arena/arena.h"
#include "arena/behaviour.h"

#define SECOND    UINT64_C(1000000000)
#define PLAYED_NS (60 * SECOND)
#define COUNTS_NS (15 * SECOND) /* from then on; all are there and settled by then */

struct arena {
    const struct arena_setup *setup;
    struct physmem *physmem;
    uint64_t now;
    struct random_source random;   /* of turns */
    struct random_source sampling; /* of pages */
    struct need need[ARENA_PLAYERS];
    struct behaviour attacker, honest;
    struct member member[MEMBERS_MAX];
    uint32_t members;
    uint32_t seq;
    bool sampled; /* pages are mapped, and sampled for an arbiter that wants to know */
    struct arena_outcome *outcome;
    bool failed;
};

static inline struct arena_side *arena_side_of(struct arena *arena, const struct member *member)
{
    return member->player == 0 ? &arena->outcome->attacker : &arena->outcome->victims;
}

static inline bool arena_counts(const struct arena *arena)
{
    return arena->now >= COUNTS_NS;
}

static inline struct physmem_request arena_request(struct arena *arena, struct member *member)
{
    return (struct physmem_request){.task = member->task, .seq = ++arena->seq};
}

/* effects.c: take all that physmem says. */
void arena_take_effects(struct arena *arena);

/* entry.c: a task comes, with its contracts and a container; or, having lost everything, it ends, and
 * is to come again in a while. */
void arena_come(struct arena *arena, struct member *member);
void arena_leave(struct arena *arena, struct member *member);

/* turns.c: a task's turn; then those who take back do so before anybody else has a turn. */
void arena_act(struct arena *arena, struct member *member);
void arena_react(struct arena *arena);

#endif
