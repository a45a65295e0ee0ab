#include "workload/fixed.h"

#include "base/assert.h"

#define LOG_BITS 40 /* behind the point of a logarithm */
#define ONE      (UINT64_C(1) << 62)

/* ln 2 with 62 bits behind the point. */
#define LN_2 UINT64_C(3196577161300663914)

static uint64_t times(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 62);
}

/* The logarithm to base 2: the bits behind the point come out one by one, by squaring. */
static uint64_t logarithm(uint32_t number)
{
    unsigned whole = 31u - (unsigned)__builtin_clz(number);
    uint64_t mantissa = (uint64_t)number << (62 - whole);
    uint64_t result = whole;

    for (unsigned i = 0; i < LOG_BITS; i++) {
        mantissa = times(mantissa, mantissa);
        result <<= 1;
        if (mantissa >= 2 * ONE) {
            mantissa >>= 1;
            result |= 1;
        }
    }
    return result;
}

/* 2^fraction, with 62 bits behind the point; fraction has LOG_BITS of them and is at most 1. */
static uint64_t exponential(uint64_t fraction)
{
    uint64_t x = times(fraction << (62 - LOG_BITS), LN_2);
    uint64_t term = ONE, sum = ONE;

    for (unsigned i = 1; term > 0; i++) {
        term = times(term, x) / i;
        sum += term;
    }
    return sum;
}

uint64_t fixed_power(uint32_t number, uint32_t exponent)
{
    uint64_t power, whole, rest;

    check(number >= 1 && number <= UINT32_C(1) << 24 && exponent <= 4000);
    power = logarithm(number) * exponent / 1000;
    whole = power >> LOG_BITS;
    rest = (UINT64_C(1) << LOG_BITS) - (power & ((UINT64_C(1) << LOG_BITS) - 1));
    whole += 1 + 62 - FIXED_BITS;
    return whole < 64 ? exponential(rest) >> whole : 0;
}
