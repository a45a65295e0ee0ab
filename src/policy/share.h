/* Shares of the frames, as parameters give them. */
#ifndef POLICY_SHARE_H
#define POLICY_SHARE_H

#include <stdint.h>

/* share * frames, rounded down; the largest number there is if that is more. */
static inline uint32_t share_of(double share, uint32_t frames)
{
    double product = share * frames;

    return product < UINT32_MAX ? (uint32_t)product : UINT32_MAX;
}

#endif
