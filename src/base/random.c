#include "base/random.h"

struct random_source random_seeded(uint64_t seed)
{
    return (struct random_source){.state = seed};
}

uint64_t random_bits(struct random_source *source)
{
    uint64_t z = source->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t random_below(struct random_source *source, uint32_t bound)
{
    /* Lemire's multiplication; the bias left is below 2^-32 for every bound. */
    return (uint32_t)(((random_bits(source) >> 32) * bound) >> 32);
}

double random_unit(struct random_source *source)
{
    return (double)(random_bits(source) >> 11) * 0x1.0p-53;
}
