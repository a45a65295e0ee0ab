/* Several generators in one: bursts of references, each of one generator, drawn by their weights. Their
 * pages are different ones: the i-th generator's begin at i * MIX_APART. */
#ifndef GENERATOR_MIX_H
#define GENERATOR_MIX_H

#include "generator/generator.h"

#define MIX_MOST  16u
#define MIX_APART UINT64_C(1000000000000)

struct mix {
    struct generator parts[MIX_MOST];
    size_t count;
    /* Private. */
    struct random_source random;
    size_t now;    /* whose burst it is */
    uint64_t left; /* references of the burst */
};

/* Begin `count` generators, 1 to MIX_MOST. -EINVAL: too many, or as generator_init. */
int mix_init(struct mix *mix, const char *const *texts, size_t count, uint64_t seed,
             struct sp_error *error);

/* The next reference. */
struct generated_reference mix_next(struct mix *mix);

#endif
