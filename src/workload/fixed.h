/* Powers in whole numbers, so that every compiler and every machine computes the same. */
#ifndef WORKLOAD_FIXED_H
#define WORKLOAD_FIXED_H

#include <stdint.h>

/* Bits behind the point of a weight. */
#define FIXED_BITS 38

/* number^-(exponent / 1000) as a weight, rounded down; its error is below 2^-36. `number` is from 1 to
 * 2^24, `exponent` at most 4000. */
uint64_t fixed_power(uint32_t number, uint32_t exponent);

#endif
