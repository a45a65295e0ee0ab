/* The lesser of two counts. */
#ifndef BASE_LEAST_H
#define BASE_LEAST_H

#include <stdint.h>

static inline uint32_t least_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
