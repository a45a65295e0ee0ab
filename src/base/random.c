#include "base/random.h"

struct random_source random_seeded(uint64_t seed)
{
    return (struct random_source){.state = seed};
}

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct random_source random_stream(uint64_t seed, uint64_t purpose)
{
    return (struct random_source){.state =
                                      mixed(mixed(seed) + purpose * UINT64_C(0xd1342543de82ef95))};
}

uint64_t random_bits(struct random_source *source)
{
    return mixed(source->state += UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t random_below(struct random_source *source, uint32_t bound)
{
    /* Lemire's multiplication; the bias left is below 2^-32 for every bound. */
    return (uint32_t)(((random_bits(source) >> 32) * bound) >> 32);
}

void random_below_many(struct random_source *source, uint32_t bound, uint32_t *numbers,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = random_below(source, bound);
}

double random_unit(struct random_source *source)
{
    return (double)(random_bits(source) >> 11) * 0x1.0p-53;
}
