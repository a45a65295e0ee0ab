/* What an attack gains: the same needs are played twice, once with an honest attacker and once with one that
 * attacks. */
#ifndef ARENA_JUDGE_H
#define ARENA_JUDGE_H

#include "arena/arena.h"

struct verdict {
    struct arena_outcome honest, attacked; /* sums over all seeds, and the longest of the waits */
    double gain;                           /* of the attacker: useful frames attacking / honest */
    double loss; /* of the others: useful frames while it attacks / while it is honest */
};

/* Play `rounds` pairs, from seed `seed` on. Returns 0 or -ENOMEM. */
int judge_attack(const struct allocator *allocator, const struct arbiter_choice *arbiter,
                 enum attack attack, uint64_t seed, unsigned rounds, struct verdict *verdict);

#endif
