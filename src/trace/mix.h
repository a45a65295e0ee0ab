/* A bijection of 64-bit numbers that scatters: for ids of parts of objects, and for hashes. */
#ifndef TRACE_MIX_H
#define TRACE_MIX_H

#include <stdint.h>

static inline uint64_t trace_mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

#endif
