/* How much of a scarce resource one of several may take.
 *
 * One may take more as long as it has at most `factor` times what is left afterwards, and one. A single one then gets
 * factor/(factor+1) of all, two get the same amount each, and something is always left for one that comes later. */
#ifndef BASE_ALLOTMENT_H
#define BASE_ALLOTMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether one that has `own` may take `more`, when `taken` of `most` in all are taken. */
static inline bool allotment_may(uint64_t own, uint64_t more, uint64_t taken, uint64_t most,
                                 unsigned factor)
{
    return taken + more <= most && own + more <= factor * (most - taken - more + 1);
}

#endif
