/* A shuffled order of the numbers below a bound, without memory: popular pages should not be
 * neighbours. */
#ifndef GENERATOR_SCATTER_H
#define GENERATOR_SCATTER_H

#include <stdint.h>

struct scatter {
    uint64_t count;
    uint64_t key;
    uint64_t mask; /* the smallest 2^n - 1 that is not below count - 1 */
    unsigned shift;
};

/* An order of the numbers from 0 to count - 1, count >= 1; another one for each key. */
struct scatter scatter_make(uint64_t count, uint64_t key);

/* The number at place i, i < count. */
uint64_t scatter_at(const struct scatter *scatter, uint64_t i);

#endif
