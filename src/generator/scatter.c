/* A bijection of n-bit numbers, applied until it ends below the bound ("cycle walking", Black and
 * Rogaway 2002): twice on average at most, since the bound is above half of 2^n. */
#include "generator/scatter.h"

#include "base/assert.h"

#define ROUNDS 3u

struct scatter scatter_make(uint64_t count, uint64_t key)
{
    struct scatter scatter = {.count = count, .key = key};
    unsigned bits = 1;

    ensure(count >= 1);
    while (bits < 63 && UINT64_C(1) << bits < count)
        bits++;
    scatter.mask = (UINT64_C(1) << bits) - 1;
    scatter.shift = (bits + 1) / 2;
    return scatter;
}

/* Each step can be undone within the bits of the mask. */
static uint64_t mix(const struct scatter *scatter, uint64_t x)
{
    uint64_t key = scatter->key;

    for (unsigned i = 0; i < ROUNDS; i++) {
        x = (x + key) & scatter->mask;
        x ^= x >> scatter->shift;
        x = (x * UINT64_C(0x9e3779b97f4a7c15)) & scatter->mask;
        x ^= x >> scatter->shift;
        key = key * UINT64_C(0xd1342543de82ef95) + 1;
    }
    return x;
}

uint64_t scatter_at(const struct scatter *scatter, uint64_t i)
{
    check(i < scatter->count);
    do
        i = mix(scatter, i);
    while (i >= scatter->count);
    return i;
}
