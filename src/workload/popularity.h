/* Items drawn by Zipf's law: the k-th most popular with a probability proportional to 1 / k^exponent.
 *
 * Ranks are put into buckets: the first ones alone, later ones together as long as their weights differ
 * by a few per cent. A draw chooses a bucket by the weight of its first rank, then a rank in it, and keeps
 * it by its own weight, which is interpolated: each probability is right within a thousandth for
 * exponents up to 1, and within a hundredth for all. A draw takes constant time. All of it is whole
 * numbers, so that a play is the same on every machine; generator/zipf_law.h, which needs no table, is not. */
#ifndef WORKLOAD_POPULARITY_H
#define WORKLOAD_POPULARITY_H

#include <stdint.h>

#include "base/random.h"

#define POPULARITY_COUNT_MAX (UINT32_C(1) << 24)
#define POPULARITY_BUCKETS   512u
#define POPULARITY_GUIDES    512u

struct popularity_bucket {
    uint64_t until;               /* sum of weights up to the end of this bucket */
    uint64_t weight, next_weight; /* of its first rank, and of the one behind its last */
    uint32_t first, count;        /* ranks, from 0 */
};

struct popularity {
    uint32_t count;
    uint32_t stride;     /* prime to count */
    uint64_t reciprocal; /* 2^64 / count, at most */
    uint32_t buckets;
    uint16_t guide[POPULARITY_GUIDES]; /* the bucket where each 512th of the sum begins */
    struct popularity_bucket bucket[POPULARITY_BUCKETS];
};

/* `count` items, 1 to POPULARITY_COUNT_MAX; the exponent in thousandths, 0 (all alike) to 4000. */
void popularity_init(struct popularity *popularity, uint32_t count, uint32_t exponent);

/* Draw an item: the k-th most popular one is k * stride modulo count, k from 0, so that popular ones do
 * not lie side by side. */
uint32_t popularity_item(const struct popularity *popularity, struct random_source *random);

#endif
