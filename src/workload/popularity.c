#include "workload/popularity.h"

#include "base/assert.h"
#include "workload/fixed.h"

/* Ranks up to this one have a bucket each; from there on a bucket is a 16th of an octave. */
#define SINGLE 64u

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint64_t scaled(uint64_t bits, uint64_t range)
{
    return (uint64_t)(((unsigned __int128)bits * range) >> 64);
}

static void fill_buckets(struct popularity *popularity, uint32_t exponent)
{
    uint64_t sum = 0;
    uint32_t first = 0;

    while (first < popularity->count) {
        uint32_t number = first + 1, count = 1;
        struct popularity_bucket *bucket = &popularity->bucket[popularity->buckets++];

        if (number > SINGLE)
            count = (UINT32_C(1) << (31 - (unsigned)__builtin_clz(number))) / 16;
        if (count > popularity->count - first)
            count = popularity->count - first;
        *bucket =
            (struct popularity_bucket){.first = first,
                                       .count = count,
                                       .weight = fixed_power(number, exponent),
                                       .next_weight = fixed_power(number + count - 1, exponent)};
        /* Of a bucket with several ranks the weight falls from the first to the last. */
        sum += bucket->weight * count;
        bucket->until = sum;
        first += count;
        ensure(popularity->buckets < POPULARITY_BUCKETS || first == popularity->count);
    }
}

void popularity_init(struct popularity *popularity, uint32_t count, uint32_t exponent)
{
    uint32_t bucket = 0;

    ensure(count >= 1 && count <= POPULARITY_COUNT_MAX && exponent <= 4000);
    *popularity = (struct popularity){.count = count};
    /* The golden section of the circle of items: neighbours in rank lie far apart. */
    popularity->stride = (uint32_t)((uint64_t)count * 40503 / 65536) + 1;
    while (gcd(popularity->stride, count) != 1)
        popularity->stride++;
    popularity->reciprocal = UINT64_MAX / count;
    fill_buckets(popularity, exponent);
    for (uint32_t i = 0; i < POPULARITY_GUIDES; i++) {
        uint64_t total = popularity->bucket[popularity->buckets - 1].until;

        while (popularity->bucket[bucket].until <= scaled((uint64_t)i << 55, total))
            bucket++;
        popularity->guide[i] = (uint16_t)bucket;
    }
}

/* Whether the rank at `place` of the bucket is kept: if what is drawn below the first rank's weight is below its own weight,
 * weight - fall * place / (count - 1), rounded down. Both sides are multiplied here: a division takes longer than all else
 * of a draw. */
static inline int keeps(const struct popularity_bucket *bucket, uint32_t place, uint64_t bits)
{
    uint64_t fall = bucket->weight - bucket->next_weight;
    uint64_t above = bucket->weight - scaled(bits, bucket->weight);

    return fall * place < above * (bucket->count - 1);
}

/* Popularity rank, 0 the highest. */
static uint32_t draw_rank(const struct popularity *popularity, struct random_source *random)
{
    uint64_t total = popularity->bucket[popularity->buckets - 1].until;

    for (;;) {
        uint64_t bits = random_bits(random);
        uint64_t at = scaled(bits, total);
        const struct popularity_bucket *bucket = &popularity->bucket[popularity->guide[bits >> 55]];
        uint32_t place;

        while (bucket->until <= at)
            bucket++;
        if (bucket->count == 1)
            return bucket->first;
        place = random_below(random, bucket->count);
        if (keeps(bucket, place, random_bits(random)))
            return bucket->first + place;
    }
}

uint32_t popularity_item(const struct popularity *popularity, struct random_source *random)
{
    uint64_t at = (uint64_t)draw_rank(popularity, random) * popularity->stride;
    /* The quotient, or one less. */
    uint64_t rounds = scaled(at, popularity->reciprocal);
    uint32_t item = (uint32_t)(at - rounds * popularity->count);

    if (item >= popularity->count)
        item -= popularity->count;
    check(item < popularity->count);
    return item;
}
