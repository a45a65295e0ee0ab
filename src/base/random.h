/* A seeded generator of pseudo-random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
 * Code that needs randomness receives a generator as an argument; nothing here draws a seed. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct random_source {
    uint64_t state;
};

/* A source that gives the same numbers for the same seed on every machine. */
struct random_source random_seeded(uint64_t seed);

/* One of many sources of a seed that have nothing to do with each other: each purpose has its own, so
 * that numbers drawn for one move nothing that another draws. */
struct random_source random_stream(uint64_t seed, uint64_t purpose);

/* The next 64 bits. */
uint64_t random_bits(struct random_source *source);

/* A number from 0 to bound - 1, uniform; bound > 0. */
uint32_t random_below(struct random_source *source, uint32_t bound);

/* The same `count` times. */
void random_below_many(struct random_source *source, uint32_t bound, uint32_t *numbers,
                       uint32_t count);

/* A number in [0, 1). */
double random_unit(struct random_source *source);

#endif
