#include "generator/mix.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"
#include "generator/kinds.h"

int mix_init(struct mix *mix, const char *const *texts, size_t count, uint64_t seed,
             struct sp_error *error)
{
    struct random_source seeds = random_seeded(seed);

    if (count == 0 || count > MIX_MOST)
        return error_set(error, EINVAL, "%zu generators: a mix has 1 to %u", count, MIX_MOST);
    *mix = (struct mix){.count = count, .random = random_seeded(random_bits(&seeds))};
    for (size_t i = 0; i < count; i++) {
        int result = generator_init(&mix->parts[i], texts[i], random_bits(&seeds), error);

        if (result != 0)
            return result;
    }
    return 0;
}

/* Whose turn it is now, and for how long. */
static void next_burst(struct mix *mix)
{
    double sum = 0, at, mean;
    size_t last = mix->count - 1;

    for (size_t i = 0; i < mix->count; i++)
        sum += mix->parts[i].values[GENERATOR_WEIGHT];
    at = random_unit(&mix->random) * sum;
    for (mix->now = 0; mix->now < last; mix->now++) {
        at -= mix->parts[mix->now].values[GENERATOR_WEIGHT];
        if (at < 0)
            break;
    }
    mean = mix->parts[mix->now].values[GENERATOR_BURST];
    mix->left = 1 + (uint64_t)(random_unit(&mix->random) * (2 * mean - 1));
    ensure(mix->left > 0);
}

struct generated_reference mix_next(struct mix *mix)
{
    struct generated_reference reference;

    if (mix->left == 0)
        next_burst(mix);
    mix->left--;
    reference = generator_next(&mix->parts[mix->now]);
    reference.page += mix->now * MIX_APART;
    return reference;
}
