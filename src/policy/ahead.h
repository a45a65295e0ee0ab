/* What a live task evicts in advance.
 *
 * It keeps some frames free, and tells its policy of the others (core/pager/slots.h). If fewer are free, it evicts pages at
 * once until there are as many again: then so many of the frames that the policy was told of have no page, and get pages
 * one after the other. A policy that shares frames out counts with what is there at the least, or on average. */
#ifndef POLICY_AHEAD_H
#define POLICY_AHEAD_H

#include <stdint.h>

/* A live task keeps a sixteenth of all frames free, a fifteenth of the others, and 16 at most. */
#define AHEAD_SHARE 15u
#define AHEAD_MOST  16u

/* Frames without a page, of those that the policy was told of, when pages have been evicted in advance. */
static inline uint32_t ahead_most(uint32_t frames)
{
    uint32_t share = frames / AHEAD_SHARE;

    return share < AHEAD_MOST ? share : AHEAD_MOST;
}

/* The same on average. */
static inline uint32_t ahead_mean(uint32_t frames)
{
    return ahead_most(frames) / 2;
}

#endif
